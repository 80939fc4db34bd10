#!/usr/bin/env bash
# Puts `berth` on the PATH of the steps that follow: out of the worker's image, or as it is there already.
#
# BERTH_IMAGE: the worker's image by digest, or empty. RUNNER_TEMP, GITHUB_PATH: as GitHub sets them.
set -euo pipefail

fail() {
  echo "::error title=berth::$1"
  exit 2
}

if [[ -z ${BERTH_IMAGE:-} ]]; then
  command -v berth >/dev/null || fail 'there is no berth on the PATH: give the input berth_image, the image of your worker by digest'
  exit 0
fi
# A tag could be moved to another binary, which would then ask for this job's tokens.
[[ $BERTH_IMAGE =~ ^[A-Za-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}$ ]] ||
  fail 'the input berth_image must be an image by digest: registry.example.com/platform/berth@sha256:…'

folder=$(mktemp -d "$RUNNER_TEMP/berth.XXXXXXXX")
# The container is never started.
container=$(docker create "$BERTH_IMAGE")
trap 'docker rm "$container" >/dev/null' EXIT
docker cp "$container:/usr/local/bin/berth" "$folder/berth"
"$folder/berth" --version
echo "$folder" >>"$GITHUB_PATH"

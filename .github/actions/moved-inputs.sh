#!/usr/bin/env bash
# Says of each input that is given, and that lives elsewhere now, where that is.
#
# GIVEN: the names of those inputs, between spaces.
set -euo pipefail

say() {
  echo "::notice title=berth does not read $1::$2"
}

for name in ${GIVEN:-}; do
  case $name in
    app_env) say "$name" 'the action decides: preview is for pull requests, release is for production' ;;
    app_hostname) say "$name" 'set preview.host and production.host in the app file' ;;
    branch | pull_request_number) say "$name" 'they come from the event of the job' ;;
    deploy_id) say "$name" 'the order of pushes is the id of the run (github.run_id); KUBE_DEPLOY_ID is the number of the rollout' ;;
    deploy_root) say "$name" 'the manifests lie beside the app file, in the folder that the platform team owns' ;;
    deploy_labels) say "$name" 'write labels into the manifests; berth adds its own to every object' ;;
    node_pool) say "$name" 'set preview.variables or production.variables in the app file: { KUBE_NODE_POOL: … }' ;;
    deploy_annotate_pr) say "$name" 'the worker comments as a GitHub App: set github.comment in the app file' ;;
    enable_temporal) say "$name" 'the environment has Temporal if its manifests have it' ;;
    doppler_token) say "$name" 'the worker reads Doppler: set secrets in the app file, and delete the secret from GitHub' ;;
    docker_registry | docker_username | docker_password)
      say "$name" 'the cluster pulls by image_pull_secret of the app file; your build job still logs in to push' ;;
    do_access_token | do_cluster_id | aws_access_key_id | aws_secret_access_key | aws_cluster_name | aws_region)
      say "$name" 'the worker has its own rights in the cluster: delete the secret from GitHub' ;;
    *) say "$name" 'it has no meaning' ;;
  esac
done

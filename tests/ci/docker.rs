//! Docker, as far as the actions use it, over the lab's registry.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use tempfile::TempDir;

/// Makes a container of an image by digest, copies a file out of it, and removes it.
const DOCKER: &str = r#"#!/usr/bin/env python3
import hashlib, json, pathlib, shutil, sys, tarfile, urllib.error, urllib.request

CONTAINERS = pathlib.Path(__file__).parent / "containers"


def get(url):
    try:
        return urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        sys.exit(f"Error response from daemon: {url}: {error.code}")


def create(image):
    name, digest = image.split("@")
    host, repository = name.split("/", 1)
    base = f"http://{host}/v2/{repository.split(':')[0]}"
    manifest = get(f"{base}/manifests/{digest}").read()
    if "sha256:" + hashlib.sha256(manifest).hexdigest() != digest:
        sys.exit(f"Error response from daemon: {digest} is not the manifest's digest")
    container = CONTAINERS / digest[7:19]
    container.mkdir()
    layers = [f"{base}/blobs/{layer['digest']}" for layer in json.loads(manifest)["layers"]]
    (container / "layers").write_text(json.dumps(layers))
    print(container.name)


def copy(source, to):
    container, path = source.split(":", 1)
    for layer in reversed(json.loads((CONTAINERS / container / "layers").read_text())):
        with tarfile.open(fileobj=get(layer), mode="r|*") as archive:
            for entry in archive:
                if entry.name == path.lstrip("/"):
                    pathlib.Path(to).write_bytes(archive.extractfile(entry).read())
                    pathlib.Path(to).chmod(entry.mode)
                    return
    sys.exit(f"Error response from daemon: Could not find the file {path} in container {container}")


def remove(container):
    shutil.rmtree(CONTAINERS / container)
    print(container)


command, arguments = sys.argv[1], sys.argv[2:]
{"create": create, "cp": copy, "rm": remove}[command](*arguments)
"#;

/// A folder with a `docker`, for the `PATH`.
pub(crate) struct Docker(TempDir);

impl Docker {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("containers")).unwrap();
        let program = folder.path().join("docker");
        fs::write(&program, DOCKER).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Whether a container is left.
    pub(crate) fn has_container(&self) -> bool {
        fs::read_dir(self.0.path().join("containers")).unwrap().next().is_some()
    }
}

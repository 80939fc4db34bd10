//! Direct dependencies: the pure crates have no runtime, no cluster client and no SDK.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The names of a crate's direct dependencies, without those of its tests.
fn direct_dependencies(package: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--depth", "1", "--edges", "normal,build", "--prefix", "none"])
        .args(["--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let (found, error) = (String::from_utf8_lossy(&tree.stdout), String::from_utf8_lossy(&tree.stderr));
    assert!(tree.status.success(), "cargo tree of {package}: {error}");
    // The first line is the crate itself.
    found.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn assert_none(package: &str, is_forbidden: impl Fn(&str) -> bool) {
    let found = direct_dependencies(package);
    assert!(found.iter().any(|name| name == "serde"), "{package} should depend on serde: {found:?}");
    let forbidden: Vec<_> = found.iter().filter(|name| is_forbidden(name)).collect();
    assert!(forbidden.is_empty(), "{package} must not depend on {forbidden:?}");
}

#[test]
fn workflows_depend_on_no_runtime_cluster_client_or_worker() {
    let forbidden = ["tokio", "kube", "k8s-openapi", "reqwest", "temporalio-sdk", "temporalio-client"];
    assert_none("berth-workflows", |name| forbidden.contains(&name) || name.starts_with("berth-"));
}

#[test]
fn manifests_depend_on_no_runtime_cluster_client_or_temporal() {
    let forbidden = ["tokio", "kube", "reqwest"];
    assert_none("berth-manifests", |name| {
        forbidden.contains(&name) || name.starts_with("temporalio-") || name.starts_with("berth-")
    });
}

#[test]
fn activities_use_the_contract_alone() {
    for file in sources("activities/src") {
        let text = std::fs::read_to_string(&file).unwrap();
        for path in text.split("berth_workflows::").skip(1) {
            let line = path.lines().next().unwrap_or_default();
            assert!(path.starts_with("contract::"), "{} uses berth_workflows::{line}", file.display());
        }
    }
}

/// Every Rust file under a folder of the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{folder} should have sources");
    files
}

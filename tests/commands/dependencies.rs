//! Dependencies: the pure crates have no runtime, no cluster client and no SDK, and arrows between modules go one way.

use std::{path::Path, process::Command};

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
    for (file, text) in sources("activities/src") {
        for path in text.split("berth_workflows::").skip(1) {
            let line = path.lines().next().unwrap_or_default();
            assert!(path.starts_with("contract::"), "{file} uses berth_workflows::{line}");
        }
    }
}

#[test]
fn contract_uses_nothing_else_of_its_crate() {
    for (file, text) in sources("workflows/src/contract") {
        for path in text.split("crate::").skip(1) {
            let line = path.lines().next().unwrap_or_default();
            assert!(path.starts_with("contract::"), "{file} uses crate::{line}");
        }
    }
}

#[test]
fn shared_part_of_environments_names_neither_workflow() {
    for (file, text) in sources("workflows/src/environment") {
        for name in ["preview_environment", "PreviewEnvironment", "production_environment", "ProductionEnvironment"] {
            assert!(!text.contains(name), "{file} names {name}");
        }
    }
}

/// Path and text of every Rust file under a folder of the repository.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.display().to_string(), text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} should have sources");
    files
}

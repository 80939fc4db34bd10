//! `berth hooks` at a terminal, and its installation: keys, usage, manifests.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;

use crate::{BERTH, documents::help};

#[test]
fn new_key_writes_a_private_file_and_prints_the_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let make = |more: &[&str]| Command::new(BERTH).args(["hooks", "new-key"]).arg(&file).args(more).output().unwrap();
    let made = make(&["--output", "json"]);
    let answer: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((made.status.code(), answer["outcome"].as_str()), (Some(0), Some("created")), "{answer:#}");
    let public_key = answer["data"]["public_key"].as_str().unwrap();
    let private_key = fs::read_to_string(&file).unwrap();
    assert!(public_key.len() == 44 && !answer.to_string().contains(private_key.trim()), "{answer:#}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // A key that is there is never overwritten.
    let again = make(&[]);
    assert_eq!((again.status.code(), again.stdout.len()), (Some(10), 0));
    assert_eq!(fs::read_to_string(&file).unwrap(), private_key);
}

#[test]
fn serving_needs_to_be_told_what_it_serves() {
    for arguments in [vec![], vec!["--serve", "previews"], vec!["--serve", "everything"]] {
        let output = Command::new(BERTH).arg("hooks").args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Every object of the installation.
fn manifests() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/hooks");
    let kustomization = fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
    let kustomization: Value = serde_saphyr::from_str(&kustomization).unwrap();
    let names = kustomization["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let read = |name: &str| serde_saphyr::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
    names.map(read).chain([kustomization.clone()]).collect()
}

#[test]
fn installation_has_no_rights_and_no_token() {
    let manifests = manifests();
    let kinds: Vec<_> = manifests.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    for kind in ["Deployment", "NetworkPolicy", "Ingress", "Service", "ServiceAccount"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(!kinds.iter().any(|kind| kind.contains("Role")), "{kinds:?}");
    let of = |kind: &str| manifests.iter().find(|object| object["kind"] == kind).unwrap();
    let pod = &of("Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        (&pod["automountServiceAccountToken"], &of("ServiceAccount")["automountServiceAccountToken"]),
        (&false.into(), &false.into())
    );
    // Metrics and probes are not reached through the Service.
    let ports = of("Service")["spec"]["ports"].as_array().unwrap();
    assert!(ports.len() == 1 && ports[0]["targetPort"] == "http", "{ports:?}");
}

#[test]
fn variables_of_the_installation_are_those_of_help() {
    let help = help(&["hooks"]);
    let manifests = manifests();
    let literals = manifests.last().unwrap()["configMapGenerator"][0]["literals"].as_array().unwrap();
    for literal in literals {
        let name = literal.as_str().unwrap().split('=').next().unwrap();
        assert!(help.contains(&format!("[env: {name}=")) || name.starts_with("TEMPORAL_"), "{name}");
    }
}

#[test]
fn installation_reaches_temporal_and_the_internet_alone() {
    let manifests = manifests();
    let policy = manifests.iter().find(|object| object["kind"] == "NetworkPolicy").unwrap();
    let rules = policy["spec"]["egress"].as_array().unwrap();
    let mut reached = Vec::new();
    for rule in rules.iter().filter(|rule| rule["ports"][0]["port"] != 53) {
        for peer in rule["to"].as_array().unwrap() {
            let namespace = &peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
            let address = &peer["ipBlock"]["cidr"];
            assert!(namespace.is_string() || address.is_string(), "every namespace: {peer}");
            reached
                .push((rule["ports"][0]["port"].as_u64().unwrap(), namespace.as_str().or(address.as_str()).unwrap()));
        }
    }
    assert_eq!(reached, [(7233, "temporal"), (443, "0.0.0.0/0"), (443, "::/0")]);
    let except = rules.last().unwrap()["to"][0]["ipBlock"]["except"].to_string();
    for private in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"] {
        assert!(except.contains(private), "{except}");
    }
}

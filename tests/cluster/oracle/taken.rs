//! What is taken: the API server's answer to kubectl's own apply in a dry run, beside berth's rules and the API server's answer
//! to server-side apply.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use berth_manifests::render::{Kind, Object};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;

use super::{HOST, IMAGE, documents};
use crate::applies::Applies;

const EQUAL_TWICE: &str = "kubectl refuses them in a new object, and drops one in an object that exists";

/// Texts of which berth and kubectl take a different view: who takes it, and why berth differs.
const DIFFERENCES: [(&str, Taker, &str); 8] = [
    ("container-twice", Taker::Berth, EQUAL_TWICE),
    ("empty-list", Taker::Berth, "a folder may have a List without items; to kubectl it is nothing to apply"),
    ("host-of-others", Taker::Kubectl, "an Ingress may only have hosts of the app"),
    ("mount-twice", Taker::Berth, EQUAL_TWICE),
    ("name-of-berth", Taker::Kubectl, "names that begin with `berth-` are berth's own"),
    ("other-image", Taker::Kubectl, "a container of the pushed repository runs the pushed digest, or nothing"),
    ("spread-twice", Taker::Berth, EQUAL_TWICE),
    ("volume-twice", Taker::Berth, EQUAL_TWICE),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taker {
    Both,
    Kubectl,
    Berth,
    Nobody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
}

fn cases() -> BTreeMap<String, String> {
    let cases: Vec<Case> = serde_saphyr::from_str(include_str!("taken.yaml")).unwrap();
    let filled = cases.into_iter().map(|Case { name, text }| {
        let text = text.replace("IMAGE", IMAGE).replace("HOST", HOST).replace("NAME", &name);
        (name, text)
    });
    filled.collect()
}

/// The cases that kubectl takes. It goes on behind one that is refused.
fn of_kubectl(applies: &Applies, cases: &BTreeMap<String, String>) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in cases {
        fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let mut taken = BTreeSet::new();
    for name in cases.keys() {
        let output = Command::new(applies.lab.tool("kubectl"))
            .arg("--kubeconfig")
            .arg(applies.lab.kubeconfig())
            .args(["--namespace", &applies.environment.namespace, "apply", "--server-side=false", "--dry-run=server"])
            .arg("--filename")
            .arg(folder.path().join(format!("{name}.yaml")))
            .output()
            .unwrap();
        if output.status.success() {
            taken.insert(name.clone());
        } else {
            eprintln!("{name}: kubectl: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    taken
}

async fn is_taken_by_berth(client: &Client, namespace: &str, text: &str) -> Result<(), String> {
    for document in documents(text, namespace).map_err(|errors| errors.join("; "))? {
        let object = Object::new("", 0, document);
        let kind = Kind::find(object.api_version(), object.kind()).unwrap();
        let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &kind.plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let params = PatchParams::apply("berth").force().dry_run();
        let tried = api.patch(object.name(), &params, &Patch::Apply(&object.document)).await;
        tried.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn berth_takes_what_kubectl_takes() {
    let applies = Applies::start().await;
    let cases = cases();
    let of_kubectl = of_kubectl(&applies, &cases);
    let mut found = BTreeMap::new();
    for (name, text) in &cases {
        let of_berth = is_taken_by_berth(&applies.client, &applies.environment.namespace, text).await;
        if let Err(why) = &of_berth {
            eprintln!("{name}: berth: {why}");
        }
        let taker = match (of_kubectl.contains(name), of_berth.is_ok()) {
            (true, true) => Taker::Both,
            (true, false) => Taker::Kubectl,
            (false, true) => Taker::Berth,
            (false, false) => Taker::Nobody,
        };
        found.insert(name.as_str(), taker);
    }
    let count = |taker| found.values().filter(|found| **found == taker).count();
    eprintln!("{} texts: {} taken by both, {} by nobody", cases.len(), count(Taker::Both), count(Taker::Nobody));
    let differing: Vec<_> =
        found.into_iter().filter(|(_, taker)| matches!(taker, Taker::Kubectl | Taker::Berth)).collect();
    DIFFERENCES.iter().for_each(|(.., why)| assert!(super::README.contains(why), "manifests/README.md lacks: {why}"));
    let expected: Vec<_> = DIFFERENCES.iter().map(|(name, taker, _)| (*name, *taker)).collect();
    assert_eq!(differing, expected);
    applies.end().await;
}

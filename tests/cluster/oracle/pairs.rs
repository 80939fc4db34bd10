//! What a next apply changes: kubectl applies a manifest and then another to one namespace, berth to another namespace, and
//! the objects in the cluster are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde::Deserialize;
use serde_json::Value;

use super::{HOST, documents};
use crate::{applies::Applies, dialect::differences};

/// Differences that berth means: the pair, the field, and the reason.
const DIFFERENCES: [(&str, &str, &str); 6] = [
    (
        "env-twice",
        "/spec/template/spec/containers/0/env",
        "of a variable that is there twice, kubectl mixes the values of both applies; with berth the last value counts",
    ),
    (
        "ports-changed",
        "/spec/template/spec/containers/0/ports",
        "kubectl tells the ports of a container by their number alone, and loses one of a TCP and a UDP port",
    ),
    (
        "port-twice",
        "/spec/template/spec/containers/0/ports",
        "where one of two equal ports is dropped, kubectl removes both",
    ),
    (
        "ds-on-delete",
        "/spec/updateStrategy/rollingUpdate",
        "kubectl leaves the settings of a rolling update beside another strategy",
    ),
    (
        "map-null",
        "/data/b",
        "kubectl writes an empty text for `null` in a new object, and removes the key at the next apply",
    ),
    ("secret-string", "/data/a", "kubectl keeps a key that was dropped from `stringData`; with berth it goes"),
];

/// Second manifests that kubectl cannot apply, and berth can: the pair, and kubectl's reason.
const REFUSED_BY_KUBECTL: [(&str, &str); 2] = [
    ("on-delete", "the `rollingUpdate` that the API server had set by default stays"),
    ("service-protocol", "kubectl tells the ports of a Service by their number alone"),
];

/// What the API server sets in each namespace by itself.
const BY_SERVER: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
    /// `apiVersion` and `kind`.
    top: String,
    metadata: Option<String>,
    before: String,
    next_metadata: Option<String>,
    after: String,
}

impl Pair {
    fn kind(&self) -> &str {
        self.top.split_once(' ').unwrap().1
    }

    fn text(&self, metadata: Option<&String>, rest: &str) -> String {
        let (api_version, kind) = self.top.split_once(' ').unwrap();
        let metadata = metadata.map_or("{name: NAME}", String::as_str);
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {metadata}\n{rest}\n")
            .replace("SELECTED", "selector: {matchLabels: {app: NAME}}, template: {metadata: {labels: {app: NAME}},")
            .replace("ONE", "containers: [{name: web, image: IMAGE")
            .replace("IMAGE", super::IMAGE)
            .replace("HOST", HOST)
            .replace("NAME", &self.name)
    }

    fn texts(&self) -> [String; 2] {
        let next = self.next_metadata.as_ref();
        [self.text(self.metadata.as_ref(), &self.before), self.text(next, &self.after)]
    }
}

fn pairs() -> Vec<Pair> {
    serde_saphyr::from_str(include_str!("pairs.yaml")).unwrap()
}

/// Writes the texts to a folder, and has kubectl apply it. Returns the names of those that are refused.
fn kubectl_apply<'a>(applies: &Applies, namespace: &str, texts: &BTreeMap<&'a str, String>) -> BTreeSet<&'a str> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let output = kubectl(applies, namespace, folder.path()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let refused: BTreeSet<_> =
        texts.keys().copied().filter(|name| errors.contains(&format!("/{name}.yaml\""))).collect();
    assert!(output.status.success() || !refused.is_empty(), "{errors}");
    refused
}

fn kubectl(applies: &Applies, namespace: &str, folder: &Path) -> Command {
    let mut command = Command::new(applies.lab.tool("kubectl"));
    command.arg("--kubeconfig").arg(applies.lab.kubeconfig()).args(["--namespace", namespace, "apply", "--filename"]);
    command.arg(folder);
    command
}

/// The object in a namespace, without what the API server, controllers and appliers keep for themselves.
fn live(applies: &Applies, namespace: &str, pair: &Pair) -> Value {
    let found = applies.lab.kubectl(&["get", pair.kind(), &pair.name, "--namespace", namespace, "--output", "json"]);
    let mut object: Value = serde_json::from_str(&found.unwrap()).unwrap();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].take();
    for field in ["labels", "annotations"] {
        let of_others =
            ["berth.dev/", "kubectl.kubernetes.io/", "applyset.kubernetes.io/", "app.kubernetes.io/managed-by"];
        let entries = metadata[field].as_object().into_iter().flatten();
        let own = entries.filter(|(key, _)| {
            !of_others.iter().any(|prefix| key.starts_with(prefix)) && *key != "deployment.kubernetes.io/revision"
        });
        object["metadata"][field] = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, value| !BY_SERVER.contains(&field.as_str()) || *value == "None");
    }
    // Each namespace has objects of its own.
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        subject.as_object_mut().unwrap().remove("namespace");
    }
    object
}

#[tokio::test]
async fn next_apply_leaves_what_kubectl_leaves() {
    let applies = Applies::start().await;
    let (pairs, by_kubectl) = (pairs(), "berth-oracle-pairs");
    applies.lab.kubectl(&["create", "namespace", by_kubectl]).unwrap();
    // The quota of previews allows no node port.
    applies.lab.kubectl(&["delete", "resourcequota", "berth", "--namespace", &applies.environment.namespace]).unwrap();
    let mut serving = None;
    for step in 0..2 {
        let texts: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.name.as_str(), pair.texts()[step].clone())).collect();
        let refused = kubectl_apply(&applies, by_kubectl, &texts);
        let expected = REFUSED_BY_KUBECTL.iter().filter(|_| step == 1).map(|(pair, _)| *pair);
        assert_eq!(refused, expected.collect());
        let text = texts.into_values().collect::<Vec<_>>().join("---\n");
        let objects = documents(&text, &applies.environment.namespace).unwrap();
        let release = applies.release(if step == 0 { "a" } else { "b" }, objects);
        let deploy_id = u64::try_from(step).unwrap() + 1;
        applies.apply(deploy_id, &release, serving.as_ref()).await.unwrap();
        serving = Some(release);
    }
    let mut found = Vec::new();
    let is_refused = |pair: &&Pair| REFUSED_BY_KUBECTL.iter().any(|(name, _)| *name == pair.name);
    for pair in pairs.iter().filter(|pair| !is_refused(pair)) {
        let (old, new) = (live(&applies, by_kubectl, pair), live(&applies, &applies.environment.namespace, pair));
        let mut fields = Vec::new();
        differences("", &old, &new, &mut fields);
        for (field, old, new) in fields {
            eprintln!("{} {field}\n  kubectl: {old}\n  berth:   {new}", pair.name);
            found.push((pair.name.clone(), field));
        }
    }
    let reasons = DIFFERENCES.iter().map(|(.., why)| why).chain(REFUSED_BY_KUBECTL.iter().map(|(_, why)| why));
    reasons.for_each(|why| assert!(super::README.contains(why), "manifests/README.md lacks: {why}"));
    let expected: Vec<_> =
        DIFFERENCES.iter().map(|(pair, field, _)| ((*pair).to_owned(), (*field).to_owned())).collect();
    eprintln!("{} pairs, {} differences", pairs.len(), found.len());
    assert_eq!(found, expected);
    applies.lab.kubectl(&["delete", "namespace", by_kubectl, "--wait=false"]).unwrap();
    applies.end().await;
}

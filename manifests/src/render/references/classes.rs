//! What only a cluster has: classes of pods, of Ingresses and of volumes, and the default ones.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;
use crate::render::{Rendered, finding::Finding, object::Object, policy::pods, template::child};

/// The names of a kind of class, as far as the caller may list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// All names.
    pub names: BTreeSet<String>,
    /// Whether one of them is the default.
    pub has_default: bool,
}

/// The classes of a cluster. `None` where the caller may not list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterClasses {
    /// `PriorityClass`.
    pub priority: Option<Classes>,
    /// `RuntimeClass`.
    pub runtime: Option<Classes>,
    /// `IngressClass`.
    pub ingress: Option<Classes>,
    /// `StorageClass`.
    pub storage: Option<Classes>,
}

/// An error for each class that the cluster does not have, and a warning where a default is missing.
pub fn check_classes(rendered: &Rendered, cluster: &ClusterClasses) -> Vec<Finding> {
    let own: BTreeSet<_> =
        rendered.objects().filter(|object| object.kind() == "PriorityClass").map(Object::name).collect();
    let mut check = Check { cluster, own, findings: Vec::new() };
    for object in rendered.objects() {
        for (spec, path) in pods::specs(object) {
            check.pod(object, spec, &path);
        }
        if object.kind() == "Ingress" {
            check.ingress(object);
        }
        for (claim, path) in pods::claims(object) {
            check.claim(object, claim, &path);
        }
    }
    check.findings
}

struct Check<'a> {
    cluster: &'a ClusterClasses,
    /// The priority classes of the release.
    own: BTreeSet<&'a str>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn pod(&mut self, object: &Object, spec: &Value, path: &str) {
        let priority = text(spec, "priorityClassName");
        if !self.own.contains(priority) {
            let known = self.cluster.priority.as_ref();
            self.name(object, &format!("{path}.priorityClassName"), priority, ("PriorityClass", known));
        }
        let (runtime, known) = (text(spec, "runtimeClassName"), self.cluster.runtime.as_ref());
        self.name(object, &format!("{path}.runtimeClassName"), runtime, ("RuntimeClass", known));
    }

    fn ingress(&mut self, object: &Object) {
        let named = object.document.pointer("/spec/ingressClassName").and_then(Value::as_str).unwrap_or_default();
        let by_annotation = object.document.pointer("/metadata/annotations/kubernetes.io~1ingress.class").is_some();
        let known = self.cluster.ingress.as_ref();
        self.name(object, "spec.ingressClassName", named, ("IngressClass", known));
        if named.is_empty() && !by_annotation && known.is_some_and(|known| !known.has_default) {
            let message = "names no class, and the cluster has no default IngressClass: no controller may take it";
            self.findings.push(object.finding(super::Severity::Warning, "spec.ingressClassName", message));
        }
    }

    fn claim(&mut self, object: &Object, claim: &Value, path: &str) {
        // An empty name asks for a volume that exists already.
        let class = claim.pointer("/spec/storageClassName").and_then(Value::as_str);
        let (known, field) = (self.cluster.storage.as_ref(), child(&child(path, "spec"), "storageClassName"));
        self.name(object, &field, class.unwrap_or_default(), ("StorageClass", known));
        if class.is_none() && known.is_some_and(|known| !known.has_default) {
            let message = "names no class, and the cluster has no default StorageClass: the claim may wait for ever";
            self.findings.push(object.finding(super::Severity::Warning, &field, message));
        }
    }

    fn name(&mut self, object: &Object, field: &str, name: &str, (kind, known): (&str, Option<&Classes>)) {
        if name.is_empty() || known.is_none_or(|known| known.names.contains(name)) {
            return;
        }
        self.findings.push(object.error(field, format!("the cluster has no {kind} `{name}`")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(document: Value, cluster: &ClusterClasses) -> Vec<String> {
        let rendered = Rendered { stages: vec![vec![Object::new("a.yaml", 1, document)]], notes: Vec::new() };
        check_classes(&rendered, cluster).into_iter().map(|finding| finding.to_string()).collect()
    }

    fn classes(name: &str, has_default: bool) -> Option<Classes> {
        Some(Classes { names: [name.to_owned()].into(), has_default })
    }

    fn cluster() -> ClusterClasses {
        let (priority, runtime) = (classes("high", false), classes("gvisor", false));
        ClusterClasses { priority, runtime, ingress: classes("nginx", false), storage: classes("fast", true) }
    }

    fn deployment(spec: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}})
    }

    #[test]
    fn a_class_that_the_cluster_lacks_is_an_error() {
        for (document, expected) in [
            (deployment(json!({"priorityClassName": "hihg"})), "the cluster has no PriorityClass `hihg`"),
            (deployment(json!({"runtimeClassName": "kata"})), "the cluster has no RuntimeClass `kata`"),
            (json!({"kind": "Ingress", "spec": {"ingressClassName": "traefik"}}), "has no IngressClass `traefik`"),
            (json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": "slow"}}), "no StorageClass `slow`"),
            (
                json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "slow"}}]}}),
                "spec.volumeClaimTemplates[0].spec.storageClassName: the cluster has no StorageClass `slow`",
            ),
        ] {
            let found = messages(document.clone(), &cluster());
            assert!(found.len() == 1 && found[0].contains(expected) && !found[0].contains("warning"), "{found:?}");
            assert_eq!(messages(document, &ClusterClasses::default()), Vec::<String>::new());
        }
    }

    #[test]
    fn a_class_that_is_there_is_no_finding() {
        for document in [
            deployment(json!({"priorityClassName": "high", "runtimeClassName": "gvisor"})),
            deployment(json!({})),
            json!({"kind": "Ingress", "spec": {"ingressClassName": "nginx"}}),
            json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": ""}}),
            json!({"kind": "PersistentVolumeClaim", "spec": {}}),
        ] {
            assert_eq!(messages(document, &cluster()), Vec::<String>::new());
        }
    }

    #[test]
    fn a_missing_default_is_a_warning_where_no_class_is_named() {
        let found = messages(json!({"kind": "Ingress", "spec": {}}), &cluster());
        assert!(found.len() == 1 && found[0].contains("no default IngressClass"), "{found:?}");
        let annotated =
            json!({"kind": "Ingress", "metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}});
        assert_eq!(messages(annotated, &cluster()), Vec::<String>::new());
    }
}

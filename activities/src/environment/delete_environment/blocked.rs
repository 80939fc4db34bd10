//! Causes that keep a namespace itself from being gone, each with a command for a person. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::teardown::Remaining;

use super::objects::is_plain;
use crate::kubernetes::terminating_namespace::{blocking_conditions, foreign_finalizers};

/// The time after which a reported condition counts as blocking. A finalizer with a running controller goes within
/// seconds, and a failed request is repeated.
const CONDITION_BLOCKS_AFTER: Duration = Duration::from_secs(10);
/// The time after which a finalizer of an empty namespace counts as blocking. Its content took seconds to go.
const FINALIZER_BLOCKS_AFTER: Duration = Duration::from_secs(5);

/// The finalizer with which the namespace controller waits for the content.
const CONTENT: &str = "kubernetes";
const DISCOVERY_FAILURE: &str = "NamespaceDeletionDiscoveryFailure";
const CONTENT_FAILURE: &str = "NamespaceDeletionContentFailure";

/// Returns the time after which the namespace counts as blocked, or `None` if it is being deleted as usual.
pub(super) fn blocks_after(namespace: &Namespace) -> Option<Duration> {
    let is_blocking = |kind: &str| matches!(kind, "NamespaceFinalizersRemaining" | DISCOVERY_FAILURE | CONTENT_FAILURE);
    if is_held_itself(namespace) {
        Some(FINALIZER_BLOCKS_AFTER)
    } else {
        let conditions = blocking_conditions(namespace);
        conditions.iter().any(|condition| is_blocking(&condition.type_)).then_some(CONDITION_BLOCKS_AFTER)
    }
}

/// Returns the command that frees the namespace, if it is not one of its objects that keeps it.
pub(super) fn command(namespace: &Namespace) -> Option<String> {
    let conditions = blocking_conditions(namespace);
    if is_held_itself(namespace) {
        Some(release(namespace))
    } else if conditions.iter().any(|condition| condition.type_ == CONTENT_FAILURE && is_of_webhook(&condition.message))
    {
        Some(
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations \
             -o custom-columns='KIND:.kind,NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'"
                .to_owned(),
        )
    } else {
        None
    }
}

/// Returns an entry for each API that does not answer. Kubernetes cannot tell what the namespace has of it.
pub(super) fn dead_apis(namespace: &Namespace) -> Vec<Remaining> {
    let conditions =
        blocking_conditions(namespace).into_iter().filter(|condition| condition.type_ == DISCOVERY_FAILURE);
    let messages = conditions.filter_map(|condition| condition.message.as_deref());
    messages.flat_map(group_versions).map(|(group, version)| dead_api(group, version)).collect()
}

fn dead_api(group: &str, version: &str) -> Remaining {
    Remaining {
        object: format!("APIService/{version}.{group}"),
        reason:
            "its server does not answer, so no namespace of the cluster can be deleted: repair the server, or delete \
                 the APIService if it is not in use"
                .to_owned(),
        command: format!("kubectl delete apiservice {version}.{group}"),
    }
}

/// Returns whether the content is gone, and a finalizer of the namespace itself is left.
fn is_held_itself(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_some()
        && !spec_finalizers(namespace).iter().any(|finalizer| finalizer == CONTENT)
        && foreign_finalizers(namespace).next().is_some()
}

fn spec_finalizers(namespace: &Namespace) -> &[String] {
    namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default()
}

/// Returns the command that removes the finalizers. Those of the spec have a request of their own.
fn release(namespace: &Namespace) -> String {
    let name = namespace.name_any();
    let metadata =
        format!(r#"kubectl patch namespace {name} --type=json -p='[{{"op":"remove","path":"/metadata/finalizers"}}]'"#);
    if spec_finalizers(namespace).is_empty() {
        return metadata;
    }
    let uid = namespace.uid().unwrap_or_default();
    let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}","uid":"{uid}"}}}}"#);
    let spec = format!("echo '{body}' | kubectl replace --raw /api/v1/namespaces/{name}/finalize -f -");
    if namespace.finalizers().is_empty() { spec } else { format!("{metadata} && {spec}") }
}

fn is_of_webhook(message: &Option<String>) -> bool {
    message.as_deref().is_some_and(|message| message.contains("webhook"))
}

/// Returns the groups and versions that a message of Kubernetes' discovery names, as `group/version: error`.
fn group_versions(message: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = message.split_whitespace().filter_map(|word| word.strip_suffix(':')?.split_once('/'));
    let mut seen = Vec::new();
    words.filter(move |(group, version)| {
        let is_name = is_plain(group) && is_plain(version) && version.starts_with('v');
        let is_new = is_name && !seen.contains(&(*group, *version));
        if is_new {
            seen.push((*group, *version));
        }
        is_new
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DELETED: &str = "2026-01-01T00:00:00Z";

    fn namespace(metadata: &[&str], spec: &[&str], conditions: &Value) -> Namespace {
        serde_json::from_value(json!({
            "metadata": {"name": "pr-1", "uid": "u-1", "deletionTimestamp": DELETED, "finalizers": metadata},
            "spec": {"finalizers": spec}, "status": {"conditions": conditions}}))
        .unwrap()
    }

    fn condition(kind: &str, message: &str) -> Value {
        json!([{"type": kind, "status": "True", "reason": "x", "message": message}])
    }

    #[test]
    fn namespace_without_content_is_held_by_its_own_finalizers() {
        let content_is_left = namespace(&["example.com/hold"], &["kubernetes"], &json!([]));
        assert_eq!((blocks_after(&content_is_left), command(&content_is_left)), (None, None));
        let patch = r#"kubectl patch namespace pr-1 --type=json -p='[{"op":"remove","path":"/metadata/finalizers"}]'"#;
        let held = namespace(&["example.com/hold"], &[], &json!([]));
        assert_eq!(blocks_after(&held), Some(FINALIZER_BLOCKS_AFTER));
        assert_eq!(command(&held).unwrap(), patch);
        let held = namespace(&[], &["example.com/hold"], &json!([]));
        let replace = r#"echo '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"pr-1","uid":"u-1"}}' | kubectl replace --raw /api/v1/namespaces/pr-1/finalize -f -"#;
        assert_eq!(command(&held).unwrap(), replace);
        let held = namespace(&["example.com/a"], &["example.com/b"], &json!([]));
        assert_eq!(command(&held).unwrap(), format!("{patch} && {replace}"));
        assert_eq!(command(&namespace(&[], &[], &json!([]))), None);
    }

    #[test]
    fn api_without_a_server_is_named_with_its_apiservice() {
        let message = "Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: \
                       dead.example.com/v1beta1: stale GroupVersion discovery: dead.example.com/v1beta1, \
                       metrics.k8s.io/v1: the server is currently unable to handle the request, x`id`/v1: no";
        let dead = namespace(&[], &["kubernetes"], &condition(DISCOVERY_FAILURE, message));
        assert_eq!(blocks_after(&dead), Some(CONDITION_BLOCKS_AFTER));
        let named: Vec<_> = dead_apis(&dead).into_iter().map(|entry| (entry.object, entry.command)).collect();
        let entry = |name: &str| (format!("APIService/{name}"), format!("kubectl delete apiservice {name}"));
        assert_eq!(named, [entry("v1beta1.dead.example.com"), entry("v1.metrics.k8s.io")]);
    }

    #[test]
    fn webhook_that_refuses_deletes_is_looked_for() {
        let message = r#"Failed to delete all resource types, 1 remaining: admission webhook "no.example.com" denied the request"#;
        let refused = namespace(&[], &["kubernetes"], &condition(CONTENT_FAILURE, message));
        assert_eq!(blocks_after(&refused), Some(CONDITION_BLOCKS_AFTER));
        assert!(command(&refused).unwrap().starts_with("kubectl get validatingwebhookconfigurations,"));
        let other = namespace(&[], &["kubernetes"], &condition(CONTENT_FAILURE, "etcd is full"));
        assert_eq!(command(&other), None);
    }

    #[test]
    fn namespace_with_content_alone_is_being_deleted_as_usual() {
        let ending = namespace(&[], &["kubernetes"], &condition("NamespaceContentRemaining", "pods. has 1"));
        assert_eq!((blocks_after(&ending), command(&ending)), (None, None));
    }
}

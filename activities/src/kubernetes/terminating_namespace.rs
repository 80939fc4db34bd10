//! A namespace that is being deleted: the reasons that the namespace controller reports, and its end.

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};

/// Streams the namespace as it changes. `None` once it is gone or another namespace has its name.
pub(crate) fn changes(client: &Client, name: &str, uid: &str) -> impl Stream<Item = Option<Namespace>> + use<> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let uid = uid.to_owned();
    // The watcher restarts by itself, with a backoff. Its errors are dropped.
    let seen = watcher::watch_object(namespaces, name).default_backoff().filter_map(async |change| change.ok());
    seen.map(move |found| found.filter(|namespace| namespace.uid().as_deref() == Some(uid.as_str())))
}

/// Returns the conditions that keep the namespace from being gone. A cause comes before its consequence.
pub(crate) fn blocking_conditions(namespace: &Namespace) -> Vec<&NamespaceCondition> {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut blocked: Vec<_> = conditions.filter(|condition| condition.status == "True").collect();
    blocked.sort_by_key(|condition| match condition.type_.as_str() {
        "NamespaceFinalizersRemaining" => 0,
        "NamespaceContentRemaining" => 2,
        _ => 1,
    });
    blocked
}

/// Returns the reasons as one text.
pub(crate) fn deletion_message(namespace: &Namespace) -> String {
    let mut reasons: Vec<_> =
        blocking_conditions(namespace).into_iter().filter_map(|condition| condition.message.clone()).collect();
    reasons.extend(foreign_finalizers(namespace).map(|finalizer| format!("It has the finalizer {finalizer}.")));
    if reasons.is_empty() { "it is terminating".to_owned() } else { reasons.join("; ") }
}

/// Returns the finalizers of the namespace itself, without the one with which Kubernetes waits for the content.
pub(crate) fn foreign_finalizers(namespace: &Namespace) -> impl Iterator<Item = &str> {
    let spec = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
    namespace.finalizers().iter().chain(spec.filter(|finalizer| *finalizer != "kubernetes")).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(conditions: serde_json::Value) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": "pr-1"}, "status": {"conditions": conditions}})).unwrap()
    }

    #[test]
    fn a_finalizer_is_named_before_the_content_that_it_keeps() {
        let condition =
            |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "x", "message": kind});
        let found = namespace(json!([
            condition("NamespaceDeletionDiscoveryFailure", "False"),
            condition("NamespaceContentRemaining", "True"),
            condition("NamespaceFinalizersRemaining", "True"),
        ]));
        assert_eq!(deletion_message(&found), "NamespaceFinalizersRemaining; NamespaceContentRemaining");
    }

    #[test]
    fn a_namespace_without_reasons_is_terminating() {
        assert_eq!(deletion_message(&namespace(json!([]))), "it is terminating");
    }
}

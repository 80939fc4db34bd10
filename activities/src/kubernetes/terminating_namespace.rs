//! A namespace that is being deleted: what the namespace controller says of it, and when it is gone.

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};

/// A namespace as it changes; nothing once it is gone, or another one has its name.
pub(crate) fn changes(client: &Client, name: &str, uid: &str) -> impl Stream<Item = Option<Namespace>> + use<> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let uid = uid.to_owned();
    // The watcher begins again by itself; an error here is one that it is already backing off from.
    let seen = watcher::watch_object(namespaces, name).default_backoff().filter_map(async |change| change.ok());
    seen.map(move |found| found.filter(|namespace| namespace.uid().as_deref() == Some(uid.as_str())))
}

/// The conditions with which the namespace controller says why a namespace is not gone yet, the reason before its
/// consequence.
pub(crate) fn blocking_conditions(namespace: &Namespace) -> Vec<&NamespaceCondition> {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut blocked: Vec<_> = conditions.filter(|condition| condition.status == "True").collect();
    blocked.sort_by_key(|condition| match condition.type_.as_str() {
        "NamespaceFinalizersRemaining" => 0,
        "NamespaceContentRemaining" => 1,
        _ => 2,
    });
    blocked
}

/// The same as one text.
pub(crate) fn deletion_message(namespace: &Namespace) -> String {
    let mut words: Vec<_> =
        blocking_conditions(namespace).into_iter().filter_map(|condition| condition.message.clone()).collect();
    // What keeps the namespace itself, beside Kubernetes' own.
    words.extend(namespace.finalizers().iter().map(|finalizer| format!("It has the finalizer {finalizer}.")));
    if words.is_empty() { "it is terminating".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(conditions: serde_json::Value) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": "pr-1"}, "status": {"conditions": conditions}})).unwrap()
    }

    #[test]
    fn the_finalizer_is_named_before_what_it_keeps_and_what_holds_is_not_named_at_all() {
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
    fn a_namespace_of_which_nothing_is_said_is_terminating() {
        assert_eq!(deletion_message(&namespace(json!([]))), "it is terminating");
    }
}

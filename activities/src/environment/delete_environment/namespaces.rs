//! A namespace of a teardown: it is stopped, deleted, and watched until it is gone.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use berth_workflows::contract::{teardown::Remaining, verdict::FailureType};

use super::{
    blocked::{self, blocks_after},
    objects::{self, Which},
};
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        guarded_delete,
        stop_workloads::stop_workloads,
        terminating_namespace::{changes, deletion_message},
    },
};

/// Stops traffic and pods, and returns the objects with finalizers. Returns none for a namespace that is already being
/// deleted.
pub(super) async fn stop(context: Context<'_>, namespace: &Namespace) -> Result<Vec<Remaining>, Failure> {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(Vec::new());
    }
    let name = namespace.name_any();
    let (held, ()) =
        futures::try_join!(objects::held(context.client, &name, Which::All), stop_workloads(context, &name))?;
    Ok(held.found)
}

/// Deletes the namespace and watches it. Returns what remains of it, or nothing once it is gone.
pub(super) async fn delete(
    context: Context<'_>,
    namespace: &Namespace,
    deadline: Duration,
    known: &[Remaining],
) -> Result<Vec<Remaining>, Failure> {
    let name = namespace.name_any();
    if namespace.metadata.deletion_timestamp.is_none() {
        let namespaces: Api<Namespace> = Api::all(context.client.clone());
        guarded_delete::delete(&namespaces, &namespace.metadata, "Namespace").await?;
    }
    context.progress.report(format!("waiting for namespace {name} to be gone"));
    match watch(context, namespace, deadline).await? {
        Some(seen) => remaining(context.client, &seen, known).await,
        None => Ok(Vec::new()),
    }
}

/// Watches the namespace. Returns its last state if it is not gone by the deadline.
async fn watch(context: Context<'_>, namespace: &Namespace, deadline: Duration) -> Result<Option<Namespace>, Failure> {
    let name = namespace.name_any();
    let changes = changes(context.client, &name, &namespace.uid().unwrap_or_default());
    pin_mut!(changes);
    let end = Instant::now() + deadline;
    let mut blocked_at: Option<Instant> = None;
    let mut seen = namespace.clone();
    loop {
        let give_up = blocked_at.map_or(end, |at| end.min(at));
        let change = tokio::select! {
            change = changes.next() => change,
            () = tokio::time::sleep_until(give_up) => return Ok(Some(seen)),
        };
        match change {
            Some(Some(namespace)) => {
                blocked_at = blocks_after(&namespace).map(|after| {
                    let at = Instant::now() + after;
                    blocked_at.map_or(at, |earlier| earlier.min(at))
                });
                context.progress.report(format!("namespace {name}: {}", deletion_message(&namespace)));
                seen = namespace;
            }
            Some(None) => return Ok(None),
            None => {
                let message = format!("the watch of namespace {name} ended");
                return Err(Failure::transient(FailureType::KubernetesDenied, message));
            }
        }
    }
}

/// Returns each remaining object that berth can see, after an entry with the namespace controller's message.
async fn remaining(client: &Client, namespace: &Namespace, known: &[Remaining]) -> Result<Vec<Remaining>, Failure> {
    let (name, reason) = (namespace.name_any(), deletion_message(namespace));
    let held = objects::held(client, &name, Which::BeingDeleted).await?;
    let mut objects = held.found;
    // An object that can no longer be listed still exists if the controller waits for its finalizer.
    let hidden = known.iter().filter(|known| held.refused.iter().any(|kind| objects::is_of(known, kind)));
    for known in hidden.filter(|known| objects::finalizers(known).any(|finalizer| reason.contains(finalizer))) {
        if !objects.iter().any(|object| object.object == known.object) {
            objects.push(known.clone());
        }
    }
    let dead_apis = blocked::dead_apis(namespace);
    // A command that lists objects is needed only if some of them are not in the report.
    let has_hidden_objects =
        (objects.is_empty() && dead_apis.is_empty()) || others_wait_for_finalizers(&reason, &objects);
    let command = blocked::command(namespace)
        .unwrap_or_else(|| if has_hidden_objects { objects::listing(&name) } else { String::new() });
    let mut remaining = vec![Remaining { object: format!("Namespace/{name}"), reason, command }];
    remaining.extend(dead_apis);
    remaining.extend(objects::bounded(objects, &name));
    Ok(remaining)
}

/// Returns whether the controller names a finalizer that none of these objects has. Its object is of a kind that berth
/// does not know.
fn others_wait_for_finalizers(message: &str, objects: &[Remaining]) -> bool {
    let Some((_, listed)) = message.split_once("has finalizers remaining: ") else { return false };
    let listed = listed.split("; ").next().unwrap_or(listed);
    let is_named = |finalizer: &str| objects.iter().any(|object| objects::finalizers(object).any(|f| f == finalizer));
    listed.split(", ").filter_map(|part| part.split(" in ").next()).any(|finalizer| !is_named(finalizer.trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_api_server::{FakeApiServer, status_object};

    const WORDS: &str = "Some content in the namespace has finalizers remaining: example.com/a in 2 resource instances";

    fn namespace() -> Namespace {
        let condition =
            json!({"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "x", "message": WORDS});
        serde_json::from_value(json!({"metadata": {"name": "pr-1"}, "status": {"conditions": [condition]}})).unwrap()
    }

    fn known(kind: &str, finalizer: &str) -> Remaining {
        objects::entry("pr-1", kind, "", "known", &[finalizer.to_owned()])
    }

    #[tokio::test]
    async fn remaining_objects_are_named_even_if_listing_them_is_refused_later() {
        let server = FakeApiServer::default();
        let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/a"],
            "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        server.put("/api/v1/namespaces/pr-1/configmaps", &held);
        server.answer("/api/v1/namespaces/pr-1/secrets", 403, status_object(403, "no"));
        let known =
            [known("Secret", "example.com/a"), known("Secret", "example.com/b"), known("Service", "example.com/a")];
        let remaining = remaining(&server.client(), &namespace(), &known).await.unwrap();
        let objects: Vec<_> = remaining.iter().map(|remaining| remaining.object.as_str()).collect();
        // The Services can be listed and are gone, and the controller no longer waits for `b`.
        assert_eq!(objects, ["Namespace/pr-1", "ConfigMap/held", "Secret/known"]);
        assert_eq!((remaining[0].reason.as_str(), remaining[0].command.as_str()), (WORDS, ""));
    }

    #[tokio::test]
    async fn a_refused_listing_leaves_the_controllers_message_and_a_command() {
        let server = FakeApiServer::default();
        for kind in berth_manifests::render::KINDS.iter().filter(|kind| kind.namespaced) {
            let root = if kind.group.is_empty() { "api".to_owned() } else { format!("apis/{}", kind.group) };
            let path = format!("/{root}/{}/namespaces/pr-1/{}", kind.version, kind.plural);
            server.answer(&path, 403, status_object(403, "no"));
        }
        server.answer("/api/v1/namespaces/pr-1/pods", 403, status_object(403, "no"));
        let remaining = remaining(&server.client(), &namespace(), &[]).await.unwrap();
        assert_eq!(remaining.len(), 1);
        assert_eq!(remaining[0].reason, WORDS);
        assert!(remaining[0].command.starts_with("kubectl api-resources"), "{}", remaining[0].command);
    }

    #[test]
    fn a_finalizer_of_no_listed_object_belongs_to_an_unknown_kind() {
        let words = "Some content in the namespace has finalizers remaining: example.com/a in 1 resource instances, \
                     example.com/b in 2 resource instances; Some resources are remaining: x. has 1 resource instances";
        let object = |finalizer: &str| objects::entry("pr-1", "ConfigMap", "", "x", &[finalizer.to_owned()]);
        assert!(others_wait_for_finalizers(words, &[object("example.com/a")]));
        assert!(!others_wait_for_finalizers(words, &[object("example.com/a"), object("example.com/b")]));
        assert!(!others_wait_for_finalizers("it is terminating", &[]));
    }
}

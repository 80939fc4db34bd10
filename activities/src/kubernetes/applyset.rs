//! The parent of an environment's `ApplySet`, after KEP-3659: a Secret that lists the kinds of the set's members.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use berth_manifests::render::{Object, Rendered};
use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Adds a release's kinds to those of the set. The earlier ones stay: prune still has to look there.
pub(crate) async fn extend(
    context: Context<'_>,
    environment: &Environment,
    rendered: &Rendered,
) -> Result<(), Failure> {
    let before = read_kinds(context.client, environment).await?;
    let mut kinds = before.clone().unwrap_or_default();
    kinds.extend(rendered.objects().filter_map(group_kind));
    update(context, environment, before.as_ref(), &kinds).await
}

/// Returns the kinds of the set, as `Kind.group`, or `None` if there is no set.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the parent belongs to another tool or its id does not match its name and
/// namespace.
pub(crate) async fn read_kinds(
    client: &Client,
    environment: &Environment,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = format!("reading Secret/{}", labels::APPLYSET_PARENT);
    let Some(parent) = secrets.get_opt(labels::APPLYSET_PARENT).await.map_err(|e| Failure::kubernetes(what, e))? else {
        return Ok(None);
    };
    check(&parent, &environment.namespace).map_err(|why| not_ours(&environment.namespace, &why))?;
    let kinds = parent.annotations().get(labels::APPLYSET_KINDS).map(String::as_str).unwrap_or_default();
    Ok(Some(kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()))
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

/// Writes the parent with its members' kinds, sorted as the KEP requires. Writes nothing if the parent has exactly
/// these kinds.
pub(crate) async fn update(
    context: Context<'_>,
    environment: &Environment,
    before: Option<&BTreeSet<String>>,
    kinds: &BTreeSet<String>,
) -> Result<(), Failure> {
    if before == Some(kinds) {
        return Ok(());
    }
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &environment.namespace);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let mut own = labels::owner_labels(environment, &context.settings.installation);
    own.insert(labels::APPLYSET_ID.to_owned(), labels::applyset_id(&environment.namespace));
    let parent = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": labels::APPLYSET_PARENT,
            "labels": own,
            "annotations": { labels::APPLYSET_TOOLING: labels::TOOLING, labels::APPLYSET_KINDS: kinds.join(",") },
        },
    });
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    secrets
        .patch(labels::APPLYSET_PARENT, &params, &Patch::Apply(&parent))
        .await
        .map_err(|e| Failure::applying(&format!("Secret/{}", labels::APPLYSET_PARENT), e))?;
    Ok(())
}

/// Returns the kind of an object as an `ApplySet` names it.
pub(crate) fn group_kind(object: &Object) -> Option<String> {
    Some(object.known_kind()?.group_kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

    #[tokio::test]
    async fn a_set_is_written_only_when_its_kinds_change() {
        let cluster = FakeApiServer::default();
        let (test, environment) = (TestContext::new(cluster.client()), environment());
        for (kinds, writes) in [("", 1), ("", 1), ("Deployment.apps", 2), ("Deployment.apps", 2), ("Service", 3)] {
            let kinds: BTreeSet<_> = kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
            let before = read_kinds(&cluster.client(), &environment).await.unwrap();
            update(test.context(), &environment, before.as_ref(), &kinds).await.unwrap();
            assert_eq!(read_kinds(&cluster.client(), &environment).await.unwrap(), Some(kinds));
            assert_eq!(cluster.writes().len(), writes);
        }
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

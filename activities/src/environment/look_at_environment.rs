//! The activity `look_at_environment`: whether what was rolled out is still there.

use berth_manifests::render::Object;
use berth_workflows::contract::look::{EnvironmentSeen, LookAtInput, Missing};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, core::PartialObjectMeta};

use crate::{
    context::Context, failure::Failure, kubernetes::kind_api::api_for_kind, release::stored_release::StoredRelease,
};

/// How many objects are read at once.
const AT_ONCE: usize = 8;
/// Kinds whose objects stay until somebody deletes them. A Job may be removed by its own time to live.
const KINDS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Service", "Ingress"];

/// Looks for the namespace under its recorded UID, and for the workloads, Services and Ingresses of the stored release. Whether
/// they are ready is not looked at.
///
/// Safe to repeat: it only reads.
///
/// # Errors
/// The API server does not answer, or refuses berth. Retried.
pub async fn look_at_environment(context: Context<'_>, look: &LookAtInput) -> Result<EnvironmentSeen, Failure> {
    let name = &look.environment.namespace;
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let found = namespaces.get_metadata_opt(name).await;
    let found = found.map_err(|e| Failure::kubernetes(format!("namespace {name}"), e))?;
    if let Some(why) = why_gone(name, look.environment.namespace_uid.as_deref(), found.as_ref()) {
        return Ok(EnvironmentSeen { missing: Some(Missing { what: why, is_namespace: true }) });
    }
    let Some(stored_release) = &look.stored_release else { return Ok(EnvironmentSeen::default()) };
    let what = match StoredRelease::find_own(context, &look.environment, stored_release).await {
        Ok(Some(release)) => find_missing(context, name, &release).await?,
        Ok(None) => Some(format!("Secret {stored_release} with the stored release")),
        Err(Failure::Permanent(verdict)) => Some(format!("a readable stored release: {}", verdict.headline())),
        Err(failure) => return Err(failure),
    };
    Ok(EnvironmentSeen { missing: what.map(|what| Missing { what, is_namespace: false }) })
}

/// Why the namespace is not the one that was recorded. An environment of an older version has no record of its UID.
fn why_gone(name: &str, recorded: Option<&str>, found: Option<&PartialObjectMeta<Namespace>>) -> Option<String> {
    let Some(found) = found else { return Some(format!("namespace {name}")) };
    if recorded.is_some_and(|recorded| found.uid().as_deref() != Some(recorded)) {
        return Some(format!("namespace {name} with the recorded UID"));
    }
    found.metadata.deletion_timestamp.is_some().then(|| format!("namespace {name}, which is being deleted"))
}

/// The first object of the release that is not there, or is being deleted.
async fn find_missing(
    context: Context<'_>,
    namespace: &str,
    release: &StoredRelease,
) -> Result<Option<String>, Failure> {
    let objects: Vec<Object> = release.objects.iter().map(|object| Object::new("", 0, object.clone())).collect();
    let objects: Vec<Object> = objects.into_iter().filter(|object| KINDS.contains(&object.kind())).collect();
    for some in objects.chunks(AT_ONCE) {
        let looked = try_join_all(some.iter().map(|object| missing(context, namespace, object))).await?;
        if let Some(what) = looked.into_iter().flatten().next() {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

async fn missing(context: Context<'_>, namespace: &str, object: &Object) -> Result<Option<String>, Failure> {
    let Some(kind) = object.known_kind() else { return Ok(None) };
    let what = format!("{}/{}", object.kind(), object.name());
    let found = api_for_kind(context.client, kind, namespace).get_metadata_opt(object.name()).await;
    let found = found.map_err(|e| Failure::kubernetes(&what, e))?;
    let is_there = found.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
    Ok((!is_there).then_some(what))
}

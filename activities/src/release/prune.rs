//! The activity `prune`. It runs after the gates, because the old pods may need the objects until then.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::ListParams};

use berth_manifests::render::{Identity, KINDS, Kind, Object};
use berth_workflows::contract::{
    apply::{PruneInput, Pruned},
    environment::Environment,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{applyset, guarded_delete::delete, kind_api::api_for_kind, labels},
    release::{rendering::cluster_object, stored_release::StoredRelease},
};

/// Removes members of the environment's set that the release lacks. Removes stored releases and secrets that no kept
/// release needs.
///
/// Idempotent: removed objects are not listed again.
pub async fn prune(context: Context<'_>, prune: &PruneInput) -> Result<Pruned, Failure> {
    let environment = &prune.environment;
    let release = StoredRelease::load(context.client, &environment.namespace, &prune.stored_release).await?;
    context.progress.report("looking for objects that the release does not have");
    let parent = applyset::read(context.client, environment).await?;
    let group_kinds = parent.iter().flat_map(|parent| &parent.kinds).cloned().collect();
    let mut removed = prune_members(context, environment, &release, &group_kinds).await?;
    removed.extend(prune_contents(context.client, prune).await?);
    let objects: Vec<_> = release.objects.iter().map(|document| Object::new("", 0, document.clone())).collect();
    let kinds = objects.iter().filter_map(applyset::group_kind).collect();
    applyset::set_kinds(context, environment, parent.as_ref(), &kinds).await?;
    Ok(Pruned { removed, reported: Vec::new(), cluster_objects: objects.iter().filter_map(cluster_object).collect() })
}

async fn prune_members(
    context: Context<'_>,
    environment: &Environment,
    release: &StoredRelease,
    group_kinds: &BTreeSet<String>,
) -> Result<Vec<String>, Failure> {
    let members: BTreeSet<Identity> = release.identities();
    let kinds = KINDS.iter().filter(|kind| group_kinds.contains(&kind.group_kind()));
    let removed = try_join_all(kinds.map(|kind| prune_kind(context, environment, kind, &members))).await?;
    Ok(removed.into_iter().flatten().collect())
}

async fn prune_kind(
    context: Context<'_>,
    environment: &Environment,
    kind: &Kind,
    members: &BTreeSet<Identity>,
) -> Result<Vec<String>, Failure> {
    let api = api_for_kind(context.client, kind, &environment.namespace);
    let selector = format!("{}={}", labels::APPLYSET_PART_OF, labels::applyset_id(&environment.namespace));
    let listed = api
        .list_metadata(&ListParams::default().labels(&selector))
        .await
        .map_err(|e| Failure::kubernetes(format!("listing {}", kind.plural), e))?;
    let mut removed = Vec::new();
    for object in listed.items {
        let is_member = members.iter().any(|member| {
            // The kind may have another version in the release: it is the same object.
            member.kind == kind.kind && member.name == object.name_any()
        });
        // Anybody may write the set's label on a cluster-scoped object.
        let is_foreign =
            !kind.namespaced && !labels::belongs_to(object.labels(), environment, &context.settings.installation);
        // Owned objects are deleted by their owner (KEP-3659): Kubernetes copies labels to objects that it creates.
        let is_owned = !object.owner_references().is_empty();
        if is_member || is_foreign || is_owned || object.metadata.deletion_timestamp.is_some() {
            continue;
        }
        delete(&api, &object.metadata, kind.kind).await?;
        removed.push(format!("{}/{}", kind.kind, object.name_any()));
    }
    Ok(removed)
}

/// Removes stored releases that are not kept, and secrets that no kept release uses.
async fn prune_contents(client: &Client, prune: &PruneInput) -> Result<Vec<String>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &prune.environment.namespace);
    let listed = secrets
        .list_metadata(&ListParams::default().labels(labels::CONTENT))
        .await
        .map_err(|e| Failure::kubernetes("listing Secrets", e))?
        .items;
    let kept: BTreeSet<String> = prune.keep.iter().cloned().chain([prune.stored_release.clone()]).collect();
    let needed: BTreeSet<String> = listed
        .iter()
        .filter(|secret| kept.contains(&secret.name_any()))
        .filter_map(|release| release.annotations().get(labels::SECRET_OF_RELEASE).cloned())
        .collect();
    let mut removed = Vec::new();
    for secret in listed {
        let name = secret.name_any();
        if !kept.contains(&name) && !needed.contains(&name) {
            let metadata = Api::<Secret>::namespaced(client.clone(), &prune.environment.namespace);
            delete(&metadata, &secret.metadata, "Secret").await?;
            removed.push(format!("Secret/{name}"));
        }
    }
    Ok(removed)
}

//! The cluster-scoped objects of an environment.

use std::collections::BTreeSet;

use kube::{ResourceExt, api::ListParams};

use berth_manifests::render::{KINDS, Kind};
use berth_workflows::contract::{
    environment::{ClusterObject, Environment},
    teardown::LeakReport,
};

use super::objects;
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{guarded_delete, kind_api::api_for_kind, labels, permitted::permitted},
};

/// Deletes the cluster-scoped objects with the environment's labels, recorded or not, and verifies that they are gone.
pub(super) async fn delete_objects(
    context: Context<'_>,
    environment: &Environment,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    for kind in KINDS.iter().filter(|kind| !kind.namespaced) {
        delete_kind(context, environment, kind, report).await?;
    }
    Ok(())
}

async fn delete_kind(
    context: Context<'_>,
    environment: &Environment,
    kind: &Kind,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    let is_of_kind = |object: &&ClusterObject| object.kind == kind.kind && object.api_version == kind.api_version();
    let mut names: BTreeSet<String> =
        environment.cluster_objects.iter().filter(is_of_kind).map(|object| object.name.clone()).collect();
    let api = api_for_kind(context.client, kind, "");
    let own = ListParams::default().labels(&labels::owner_selector(environment, &context.settings.installation));
    let what = || format!("listing {}", kind.plural);
    let found = match api.list_metadata(&own).await {
        Ok(found) => found.items,
        // A kind that berth may not list and has no record of was never created.
        Err(kube::Error::Api(status)) if status.code == 403 && names.is_empty() => return Ok(()),
        Err(e) => return Err(Failure::kubernetes(what(), e)),
    };
    names.extend(found.iter().map(ResourceExt::name_any));
    for object in &found {
        guarded_delete::delete(&api, &object.metadata, &kind.kind).await?;
    }
    if !found.is_empty() {
        // A deleted object may still exist, for example because of a finalizer.
        for object in api.list_metadata(&own).await.map_err(|e| Failure::kubernetes(what(), e))?.items {
            names.remove(&object.name_any());
            let entry = objects::entry("", &kind.kind, &kind.group, &object.name_any(), object.finalizers());
            report.remaining.push(entry);
        }
    }
    for name in names {
        // An object without the labels may be somebody else's under a recorded name.
        let same_name = permitted(api.get_metadata_opt(&name).await, || format!("{} {name}", kind.kind))?.flatten();
        match same_name {
            Some(_) => report.skipped.push(objects::without_labels(&kind.kind, &kind.group, &name)),
            None => report.gone.push(format!("{}/{name}", kind.kind)),
        }
    }
    Ok(())
}

//! The apply of one object. The existing object decides what is allowed.

use kube::{
    Api, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::PartialObjectMeta,
};

use berth_manifests::render::Object;
use berth_workflows::contract::{
    apply::Workload,
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use super::takeover;
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{kind_api::api_for_kind, labels},
    release::rendering::cluster_object,
    settings::Settings,
};

type Metadata = PartialObjectMeta<DynamicObject>;

/// The result of applying one object.
pub(in crate::release) struct AppliedObject {
    pub(in crate::release) name: String,
    pub(in crate::release) change: Change,
    pub(in crate::release) workload: Option<Workload>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::release) enum Change {
    Created,
    Changed,
    Unchanged,
}

/// Applies an object with berth as the owner of its fields. Fields of the manifest win; other fields of other managers
/// stay.
pub(in crate::release) async fn apply_object(
    context: Context<'_>,
    environment: &Environment,
    object: &Object,
) -> Result<AppliedObject, Failure> {
    let name = format!("{}/{}", object.kind(), object.name());
    let Some(kind) = object.known_kind() else {
        return Err(Failure::permanent(FailureType::PolicyDenied, format!("{name}: berth does not apply this kind")));
    };
    let api = api_for_kind(context.client, kind, &environment.namespace);
    let before = api.get_metadata_opt(object.name()).await.map_err(|e| Failure::applying(&name, e))?;
    if !kind.namespaced {
        check_cluster_object(context.settings, environment, object, before.as_ref())?;
    }
    if let Some(before) = &before {
        take_over(&api, before, &name).await?;
    }
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    let after = api
        .patch(object.name(), &params, &Patch::Apply(&object.document))
        .await
        .map_err(|e| Failure::applying(&name, e))?;
    let change = match before {
        None => Change::Created,
        Some(before) if before.resource_version() == after.resource_version() => Change::Unchanged,
        Some(_) => Change::Changed,
    };
    let workload = object.is_workload().then(|| Workload {
        kind: kind.kind.to_owned(),
        name: object.name().to_owned(),
        generation: after.metadata.generation.unwrap_or_default(),
    });
    Ok(AppliedObject { name, change, workload })
}

/// Checks the owner of a cluster-scoped object. It must belong to the environment, or be new and recorded, so that the
/// teardown knows of it.
fn check_cluster_object(
    settings: &Settings,
    environment: &Environment,
    object: &Object,
    before: Option<&Metadata>,
) -> Result<(), Failure> {
    let name = format!("{}/{}", object.kind(), object.name());
    if let Some(before) = before {
        if labels::belongs_to(before.labels(), environment, &settings.installation) {
            return Ok(());
        }
        let message = format!("{name} is cluster-scoped, exists already, and does not belong to this environment");
        return Err(Verdict::new(FailureType::PolicyDenied, message)
            .advise("give it a name that contains $KUBE_APP")
            .into());
    }
    if cluster_object(object).is_some_and(|object| environment.cluster_objects.contains(&object)) {
        return Ok(());
    }
    let message = format!("{name} is cluster-scoped and was not recorded when the rollout began");
    Err(Verdict::new(FailureType::ManifestInvalid, message)
        .advise("the manifests were edited meanwhile, or its name comes from a secret; push again, or signal redeploy")
        .into())
}

/// Makes berth the owner of fields that an earlier `kubectl apply` set, so that a field goes when the manifest drops
/// it.
async fn take_over(api: &Api<DynamicObject>, before: &Metadata, name: &str) -> Result<(), Failure> {
    let Some(managed) = takeover::taken_over(before.managed_fields()) else { return Ok(()) };
    // The resourceVersion makes a concurrent write a conflict, which is retried.
    let patch = serde_json::json!({"metadata": {
        "managedFields": managed,
        "resourceVersion": before.resource_version(),
    }});
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_metadata(&before.name_any(), &params, &Patch::Merge(&patch))
        .await
        .map_err(|e| Failure::kubernetes(format!("taking over the fields of {name}"), e))?;
    Ok(())
}

//! The namespace of an environment and what stands in it before any manifest: limits, policies, berth's own rights.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::ApiResource,
    runtime::wait::{await_condition, conditions},
};

use berth_workflows::{
    activity_definitions::NamespaceReady,
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{Settings, app::App, failure::Failure, heartbeat::Progress, labels};

mod objects;

/// Makes the namespace, or finds it made, and applies what belongs in it.
///
/// Idempotent: everything is applied server-side, and an apply of the same changes nothing.
///
/// # Errors
/// `KubernetesDenied` for good if the namespace exists and is not this workflow's: berth never adopts what it has not made.
pub async fn ensure_namespace(
    client: &Client,
    settings: &Settings,
    app: &App,
    environment: &Environment,
    progress: &Progress,
) -> Result<NamespaceReady, Failure> {
    let (namespace, created) = create_or_find(client, settings, app, environment, progress).await?;
    progress.say(format!("applying limits and policies to namespace {}", environment.namespace));
    let mut objects = objects::of(settings, app, environment);
    objects.extend(pull_secret(client, settings, app, environment).await?);
    try_join_all(objects.into_iter().map(|object| apply(client, object))).await?;
    Ok(NamespaceReady { uid: namespace.uid().unwrap_or_default(), created })
}

async fn create_or_find(
    client: &Client,
    settings: &Settings,
    app: &App,
    environment: &Environment,
    progress: &Progress,
) -> Result<(Namespace, bool), Failure> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let name = environment.namespace.as_str();
    let what = || format!("namespace {name}");
    let wanted = objects::namespace(settings, app, environment);
    loop {
        let found = namespaces.get_opt(name).await.map_err(|e| Failure::kubernetes(what(), e))?;
        let Some(found) = found else {
            match namespaces.create(&PostParams::default(), &wanted).await {
                Ok(created) => return Ok((created, true)),
                // Somebody was faster: look again, whose it is.
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                Err(e) => return Err(Failure::kubernetes(what(), e)),
            }
        };
        if !labels::is_owned_by(&found, &environment.workflow_id) {
            return Err(not_ours(environment, &found));
        }
        if let Some(uid) = found.uid().filter(|_| found.metadata.deletion_timestamp.is_some()) {
            progress.say(format!("waiting for the old namespace {name} to be gone"));
            await_condition(namespaces.clone(), name, conditions::is_deleted(&uid))
                .await
                .map_err(|e| Failure::transient(FailureType::KubernetesDenied, format!("{}: {e}", what())))?;
            continue;
        }
        let apply = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = namespaces.patch(name, &apply, &Patch::Apply(&wanted)).await;
        return Ok((applied.map_err(|e| Failure::kubernetes(what(), e))?, false));
    }
}

fn not_ours(environment: &Environment, found: &Namespace) -> Failure {
    let Environment { namespace, workflow_id, .. } = environment;
    let owner = match found.labels().get(labels::WORKFLOW) {
        Some(other) => format!("belongs to the workflow {other}"),
        None => "was not made by berth".to_owned(),
    };
    Verdict::new(FailureType::KubernetesDenied, format!("namespace {namespace} exists and {owner}: it is left alone"))
        .advise(format!(
            "choose another namespace in the app file; or, to hand it over for good: kubectl label namespace {namespace} \
             {}=berth {}={workflow_id}",
            labels::MANAGED_BY,
            labels::WORKFLOW,
        ))
        .into()
}

/// The app's pull secret, copied from berth's namespace.
async fn pull_secret(
    client: &Client,
    settings: &Settings,
    app: &App,
    environment: &Environment,
) -> Result<Option<DynamicObject>, Failure> {
    let Some(name) = &app.image_pull_secret else { return Ok(None) };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.berth_namespace);
    let what = format!("pull secret {name} of namespace {}", settings.berth_namespace);
    match secrets.get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))? {
        Some(secret) => Ok(Some(objects::pull_secret(settings, environment, &secret))),
        None => Err(Verdict::new(FailureType::ConfigMissing, format!("{what} does not exist"))
            .advise(format!(
                "create it: kubectl create secret docker-registry {name} -n {} …",
                settings.berth_namespace
            ))
            .into()),
    }
}

async fn apply(client: &Client, object: DynamicObject) -> Result<(), Failure> {
    let types = object.types.clone().unwrap_or_default();
    let resource = match kube::core::GroupVersionKind::try_from(&types) {
        Ok(gvk) => ApiResource::from_gvk(&gvk),
        Err(e) => return Err(Failure::permanent(FailureType::ManifestInvalid, e.to_string())),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &object.namespace().unwrap_or_default(), &resource);
    let name = object.name_any();
    api.patch(&name, &PatchParams::apply(labels::FIELD_MANAGER).force(), &Patch::Apply(&object))
        .await
        .map_err(|e| Failure::kubernetes(format!("applying {}/{name}", types.kind), e))?;
    Ok(())
}

//! The activity `ensure_namespace`: a namespace with limits, policies and berth's own `RoleBinding`, before any
//! manifest.

use futures::{future::try_join_all, try_join};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::ApiResource,
};

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::Environment,
    preparation::NamespaceReady,
    verdict::{FailureType, Verdict},
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac, terminating_namespace::deletion_message},
    settings::Settings,
};

mod objects;

/// Creates the namespace or finds it, and applies its standard objects.
///
/// Idempotent: everything is applied server-side, and the same apply changes nothing. A namespace that is being deleted
/// is only reported. The workflow waits for it, so that `status` can show it.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the namespace exists and does not belong to this workflow. berth adopts only what
/// it has created.
pub async fn ensure_namespace(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<NamespaceReady, Failure> {
    let (namespace, created) = create_or_find(context, app, environment).await?;
    let uid = namespace.uid().unwrap_or_default();
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(NamespaceReady { uid, created: false, terminating: Some(deletion_message(&namespace)) });
    }
    context.progress.report(format!("applying limits and policies to namespace {}", environment.namespace));
    let rbac = if created { Rbac::Propagating } else { Rbac::from_age(&namespace) };
    // The RoleBinding grants the rights that all later requests need.
    let binding = objects::role_binding(context.settings, environment);
    let (secret, ()) = try_join!(pull_secret(context, app, environment), apply(context.client, rbac, &binding))?;
    let mut objects = objects::limits_and_policies(context.settings, app, environment);
    objects.extend(secret);
    try_join_all(objects.iter().map(|object| apply(context.client, rbac, object))).await?;
    Ok(NamespaceReady { uid, created, terminating: None })
}

async fn create_or_find(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<(Namespace, bool), Failure> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let name = environment.namespace.as_str();
    let what = || format!("namespace {name}");
    let wanted = objects::namespace(context.settings, app, environment);
    loop {
        let found = namespaces.get_opt(name).await.map_err(|e| Failure::kubernetes(what(), e))?;
        let Some(found) = found else {
            match namespaces.create(&PostParams::default(), &wanted).await {
                Ok(created) => return Ok((created, true)),
                // A concurrent attempt created it first: read its owner.
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                Err(e) => return Err(Failure::kubernetes(what(), e)),
            }
        };
        // The name will be free, whoever the owner is.
        if found.metadata.deletion_timestamp.is_some() {
            return Ok((found, false));
        }
        if !labels::belongs_to(found.labels(), environment, &context.settings.installation) {
            return Err(not_ours(context.settings, environment, &found));
        }
        let apply = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = namespaces.patch(name, &apply, &Patch::Apply(&wanted)).await;
        return Ok((applied.map_err(|e| Failure::kubernetes(what(), e))?, false));
    }
}

fn not_ours(settings: &Settings, environment: &Environment, found: &Namespace) -> Failure {
    let Environment { namespace, workflow_id, .. } = environment;
    let label = |key: &str| found.labels().get(key);
    let (owner, is_berths) = match (label(labels::WORKFLOW), label(labels::INSTALLATION)) {
        (Some(other), _) if other != workflow_id => (format!("belongs to the workflow {other}"), true),
        (_, Some(other)) if *other != settings.installation => {
            (format!("belongs to the installation {other} of berth"), true)
        }
        (None, None) => ("was not made by berth".to_owned(), false),
        _ => ("has only some of berth's labels".to_owned(), false),
    };
    let mut advice = "choose another namespace in the app file".to_owned();
    // An environment of another workflow must not be handed over by a label.
    if !is_berths {
        let terms = labels::owner_selector(environment, &settings.installation).replace(',', " ");
        advice += &format!(
            "; or hand it over to berth, which will delete it with the environment: kubectl label namespace {namespace} {terms}"
        );
    }
    Verdict::new(
        FailureType::KubernetesDenied,
        format!("namespace {namespace} exists and {owner}; berth leaves it alone"),
    )
    .advise(advice)
    .into()
}

/// Reads the app's pull secret, for a copy in the environment.
async fn pull_secret(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<Option<DynamicObject>, Failure> {
    let Some(name) = &app.image_pull_secret else { return Ok(None) };
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &context.settings.berth_namespace);
    let what = format!("pull secret {name} of namespace {}", context.settings.berth_namespace);
    match secrets.get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))? {
        Some(secret) => Ok(Some(objects::pull_secret(context.settings, environment, &secret))),
        None => Err(Verdict::new(FailureType::ConfigMissing, format!("{what} does not exist"))
            .advise(format!(
                "create it: kubectl create secret docker-registry {name} -n {} …",
                context.settings.berth_namespace
            ))
            .into()),
    }
}

async fn apply(client: &Client, rbac: Rbac, object: &DynamicObject) -> Result<(), Failure> {
    let types = object.types.clone().unwrap_or_default();
    let resource = match kube::core::GroupVersionKind::try_from(&types) {
        Ok(gvk) => ApiResource::from_gvk(&gvk),
        Err(e) => return Err(Failure::permanent(FailureType::ManifestInvalid, e.to_string())),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &object.namespace().unwrap_or_default(), &resource);
    let (name, params) = (object.name_any(), PatchParams::apply(labels::FIELD_MANAGER).force());
    let patch = Patch::Apply(object);
    rbac.request(|| api.patch(&name, &params, &patch))
        .await
        .map_err(|e| Failure::applying(&format!("{}/{name}", types.kind), e))?;
    Ok(())
}

#[cfg(test)]
mod tests;

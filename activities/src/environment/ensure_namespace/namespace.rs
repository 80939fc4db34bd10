//! The namespace of a preview: created, or found with berth's labels.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};

use berth_manifests::app::App;
use berth_workflows::contract::environment::Environment;

use super::{objects, ownership::foreign_preview};
use crate::{
    context::Context,
    database,
    failure::Failure,
    kubernetes::{labels, versioned},
};

pub(super) async fn create_or_find(
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
            let mut new = wanted.clone();
            new.annotations_mut().extend(database::of_new_namespace(environment));
            match namespaces.create(&PostParams::default(), &new).await {
                Ok(created) => return Ok((created, true)),
                // A concurrent attempt created it first: read its owner.
                Err(e) if versioned::is_conflict(&e) => continue,
                Err(e) => return Err(Failure::kubernetes(what(), e)),
            }
        };
        // The name will be free, whoever the owner is.
        if found.metadata.deletion_timestamp.is_some() {
            return Ok((found, false));
        }
        if !labels::belongs_to(found.labels(), environment, &context.settings.installation) {
            return Err(foreign_preview(context.settings, environment, &found));
        }
        database::keep_earlier(context, environment, &found).await?;
        let apply = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = namespaces.patch(name, &apply, &Patch::Apply(&wanted)).await;
        return Ok((applied.map_err(|e| Failure::kubernetes(what(), e))?, false));
    }
}

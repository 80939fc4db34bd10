//! berth's own part of a release of production: isolation, where the app file asks for it, and the pull secret.

use kube::api::DynamicObject;

use berth_manifests::{
    app::{App, Egress, PodSecurity},
    render::{Object, Rendered},
};
use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use super::changes::Changes;
use crate::{
    context::Context,
    environment::{isolation_objects, pull_secret},
    failure::Failure,
    kubernetes::labels,
    release::pod_security::{self, Trial},
};

/// Adds the `NetworkPolicy` of the app file's isolation and the pull secret to a rendered release, before everything else.
///
/// # Errors
/// `ConfigMissing`, permanent, if berth's namespace has no such pull secret.
pub(super) async fn add_objects(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
    rendered: &mut Rendered,
) -> Result<(), Failure> {
    let secret = pull_secret(context, app, environment).await?;
    let objects = isolation_objects(context.settings, app, environment).into_iter().chain(secret);
    let objects: Vec<Object> = objects.map(as_object).collect::<Result<_, _>>()?;
    rendered.stages.insert(0, objects);
    Ok(())
}

fn as_object(object: DynamicObject) -> Result<Object, Failure> {
    let document = serde_json::to_value(object);
    let invalid = |e| Verdict::new(FailureType::ManifestInvalid, format!("an object of berth's is not JSON: {e}"));
    document.map(|document| Object::new("", 0, document)).map_err(|e| invalid(e).into())
}

/// Returns the Pod Security level of the app file's isolation.
pub(super) fn level(app: &App) -> Option<PodSecurity> {
    app.production_isolation().map(|(level, _)| level)
}

/// Tries the level of a release in a dry run.
///
/// # Errors
/// The API server refuses the level.
pub(super) async fn try_level(context: Context<'_>, app: &App, environment: &Environment) -> Result<Trial, Failure> {
    context.progress.report("asking the API server which pods violate the Pod Security level");
    pod_security::try_out(context, environment, level(app)).await
}

/// Returns the remark on traffic that a new or changed policy will refuse.
pub(super) fn traffic_note(context: Context<'_>, app: &App, changes: &Changes) -> Option<String> {
    let (_, egress) = app.production_isolation()?;
    let policy = format!("NetworkPolicy/{}", labels::OWN_OBJECT);
    if !changes.created.contains(&policy) && !changes.changed.contains(&policy) {
        return None;
    }
    let ingress = &context.settings.ingress_namespace;
    let outgoing = match egress {
        Egress::Internet => "",
        Egress::Listed => {
            "; to other destinations than its own pods and DNS too, unless a NetworkPolicy of the manifests allows it"
        }
    };
    Some(format!("{policy}: traffic from other namespaces will be refused, except from {ingress}{outgoing}"))
}

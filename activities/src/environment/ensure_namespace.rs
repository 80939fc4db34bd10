//! The activity `ensure_namespace`: the namespace with berth's own `RoleBinding`, before any manifest.
//!
//! A preview's namespace is berth's: created with limits and policies, and deleted with the preview. Production's is a
//! person's: berth never creates it, and neither limits nor isolates it here. Its isolation and its pull secret are part
//! of each release.

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    preparation::NamespaceReady,
};

use crate::{context::Context, failure::Failure};

mod apply;
mod isolation;
mod namespace;
mod network_policy;
mod objects;
mod ownership;
mod preview;
mod production;

pub(super) use apply::apply;
pub(crate) use apply::pull_secret;
pub(crate) use isolation::isolation_objects;
pub(super) use objects::object;

/// Creates a preview's namespace or finds it, or finds production's. Applies its standard objects, and records the
/// environment's names on it.
///
/// Idempotent: everything is applied server-side, and the same apply changes nothing. A preview's namespace that is
/// being deleted is only reported. The workflow waits for it, so that `status` can show it.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the namespace exists and does not belong to this workflow: berth adopts only what
/// it has created, or what a person has labelled. In production also if it does not exist, with the commands that make
/// it, or if it is being deleted.
pub async fn ensure_namespace(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<NamespaceReady, Failure> {
    match environment.kind {
        EnvironmentKind::Preview { .. } => preview::ensure(context, app, environment).await,
        EnvironmentKind::Production => production::ensure(context, environment).await,
    }
}

#[cfg(test)]
mod tests;

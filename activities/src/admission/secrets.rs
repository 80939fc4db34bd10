//! The Secrets in an activity's input, and the address of a Temporal server that comes from one.

use berth_workflows::contract::environment::Environment;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use super::refusal::denied;
use crate::{
    context::Context, failure::Failure, kubernetes::labels, redaction::secret_keys::TEMPORAL_SERVER_ADDRESS as ADDRESS,
};

/// Checks that the Secret is one that berth assembled for the environment, and that it has this address.
///
/// Pods and gates connect to the address: a forged one would have them work for another Temporal server.
///
/// # Errors
/// As for [`super::Admission::check_address`].
pub(super) async fn check_address(
    context: Context<'_>,
    environment: &Environment,
    name: &str,
    address: &str,
) -> Result<(), Failure> {
    let what = describe(environment, name);
    let found = api(context, environment).get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let Some(secret) = found.filter(|found| is_berths(context, environment, found, labels::SECRETS)) else {
        return Err(foreign(environment, &what));
    };
    let own = secret.data.as_ref().and_then(|data| data.get(ADDRESS));
    if own.is_some_and(|own| own.0 == address.as_bytes()) {
        return Ok(());
    }
    Err(denied(format!("{address:?} is not the {ADDRESS} of {what}")))
}

/// Checks that the Secret is a release that berth stored for the environment.
///
/// # Errors
/// As for [`super::Admission::check_stored`].
pub(super) async fn check_stored(context: Context<'_>, environment: &Environment, name: &str) -> Result<(), Failure> {
    let what = describe(environment, name);
    let found = api(context, environment).get_metadata_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))?;
    match found {
        Some(found) if is_berths(context, environment, &found, labels::RELEASE) => Ok(()),
        _ => Err(foreign(environment, &what)),
    }
}

fn api(context: Context<'_>, environment: &Environment) -> Api<Secret> {
    Api::namespaced(context.client.clone(), &environment.namespace)
}

fn describe(environment: &Environment, name: &str) -> String {
    format!("Secret {name} of namespace {}", environment.namespace)
}

fn is_berths(context: Context<'_>, environment: &Environment, found: &impl ResourceExt, content: &str) -> bool {
    labels::belongs_to(found.labels(), environment, &context.settings.installation)
        && found.labels().get(labels::CONTENT).is_some_and(|found| found == content)
}

fn foreign(environment: &Environment, what: &str) -> Failure {
    denied(format!("{what} is not one that berth has made for {}", environment.workflow_id))
}

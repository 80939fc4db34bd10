//! The names in an activity's input, against the environment's namespace and the app file.

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::{Database, Environment, EnvironmentKind, is_dns_label},
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};

use super::refusal::denied;
use crate::{
    context::Context,
    environment::load_app::describe,
    failure::Failure,
    kubernetes::{labels, recorded_names::are_recorded},
};

/// A name that the environment does not have.
const NONE: &str = "none";

/// The owner that an existing namespace must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The environment.
    Environment,
    /// Any: the activity itself refuses a namespace of another owner, with its own advice.
    CheckedLater,
}

/// Checks the names. They are those that the namespace records, or those that the app file gives the environment now:
/// `ensure_namespace` records the latter.
///
/// A namespace from before names were recorded has no record, as one that does not exist. Then the app file decides.
///
/// # Errors
/// As for [`super::Admission::check_names`].
pub(super) async fn check(
    context: Context<'_>,
    environment: &Environment,
    owner: Owner,
    app: impl AsyncFnOnce() -> Result<App, Failure>,
) -> Result<(), Failure> {
    let Environment { namespace, workflow_id, .. } = environment;
    if !is_dns_label(namespace) {
        return Err(denied(format!("{namespace:?} is not the name of a namespace")));
    }
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let found = namespaces.get_metadata_opt(namespace).await;
    if let Some(found) = found.map_err(|e| Failure::kubernetes(format!("namespace {namespace}"), e))? {
        let is_own = labels::belongs_to(found.labels(), environment, &context.settings.installation);
        if is_own && are_recorded(found.annotations(), environment) {
            return Ok(());
        }
        if !is_own && owner == Owner::Environment {
            return Err(denied(format!("namespace {namespace} does not carry the labels of {workflow_id}")));
        }
    }
    let named = describe(context.settings, &app().await?, environment.kind)?;
    difference(environment, &named).map_or(Ok(()), |why| Err(refusal(environment, why)))
}

/// Returns the first name that the app file does not give the environment.
fn difference(environment: &Environment, named: &Environment) -> Option<String> {
    let names = |of: &Environment| {
        [
            ("namespace", of.namespace.clone()),
            ("host", of.host.clone()),
            ("host of temporal-ui", of.temporal_ui_host.clone().unwrap_or_else(|| NONE.to_owned())),
            ("database", of.database.as_ref().map_or_else(|| NONE.to_owned(), describe_database)),
        ]
    };
    let mut pairs = names(environment).into_iter().zip(names(named));
    let ((name, given), (_, expected)) = pairs.find(|(given, expected)| given != expected)?;
    Some(format!("the {name} of {} is {expected} in the app file, not {given}", environment.workflow_id))
}

fn describe_database(database: &Database) -> String {
    match database {
        Database::Isolated { server, name } => format!("{name} on {server}"),
        Database::Shared { server } => format!("shared on {server}"),
    }
}

fn refusal(environment: &Environment, why: String) -> Failure {
    let message = format!("{why}, and its namespace does not record that name");
    let advice = match environment.kind {
        EnvironmentKind::Preview { .. } => {
            "if the app file was edited: close the environment and push again; a new one takes the new names"
        }
        EnvironmentKind::Production => "if the app file was edited: release again",
    };
    Verdict::new(FailureType::PolicyDenied, message).advise(advice).into()
}

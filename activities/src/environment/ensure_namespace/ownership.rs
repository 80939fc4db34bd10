//! The refusal of a namespace that belongs to another owner.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{failure::Failure, kubernetes::labels, settings::Settings};

pub(super) fn not_ours(settings: &Settings, environment: &Environment, found: &Namespace) -> Failure {
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

//! The refusal of a namespace that does not belong to the environment, with the commands that hand it over.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{failure::Failure, kubernetes::labels, settings::Settings};

/// The owner of a namespace that does not belong to the environment.
struct Owner {
    text: String,
    /// Whether its labels name another owner of berth's. Then it must not be handed over by a label.
    is_berths: bool,
}

/// The refusal of a preview's namespace that berth has not created.
pub(super) fn foreign_preview(settings: &Settings, environment: &Environment, found: &Namespace) -> Failure {
    let namespace = &environment.namespace;
    let owner = owner(settings, environment, found);
    let mut advice = "choose another namespace in the app file".to_owned();
    if !owner.is_berths {
        let terms = labels::owner_selector(environment, &settings.installation).replace(',', " ");
        advice += &format!(
            "; or hand it over to berth, which will delete it with the environment: kubectl label namespace {namespace} {terms}"
        );
    }
    refusal(format!("namespace {namespace} exists and {}; berth leaves it alone", owner.text), advice)
}

/// The refusal of production's namespace while it does not exist.
pub(super) fn missing_production(settings: &Settings, environment: &Environment) -> Failure {
    let namespace = &environment.namespace;
    let label = label_command(settings, environment);
    refusal(
        format!("namespace {namespace} does not exist, and berth never creates production's"),
        format!("kubectl create namespace {namespace} && {label}"),
    )
}

/// The refusal of production's namespace that no person has labelled for the environment.
pub(super) fn foreign_production(settings: &Settings, environment: &Environment, found: &Namespace) -> Failure {
    let namespace = &environment.namespace;
    let owner = owner(settings, environment, found);
    let advice = match owner.is_berths {
        true => "choose another namespace in the app file".to_owned(),
        false => format!("hand it over, if it is this app's production: {}", label_command(settings, environment)),
    };
    refusal(format!("namespace {namespace} exists and {}; berth leaves it alone", owner.text), advice)
}

fn owner(settings: &Settings, environment: &Environment, found: &Namespace) -> Owner {
    let label = |key: &str| found.labels().get(key);
    let (text, is_berths) = match (label(labels::WORKFLOW), label(labels::INSTALLATION)) {
        (Some(other), _) if *other != environment.workflow_id => (format!("belongs to the workflow {other}"), true),
        (_, Some(other)) if *other != settings.installation => {
            (format!("belongs to the installation {other} of berth"), true)
        }
        (None, None) => ("was not made by berth".to_owned(), false),
        _ => ("has only some of berth's labels".to_owned(), false),
    };
    Owner { text, is_berths }
}

fn label_command(settings: &Settings, environment: &Environment) -> String {
    let labels = labels::owner_labels(environment, &settings.installation).into_iter();
    let terms: Vec<_> = labels.map(|(key, value)| format!("{key}={value}")).collect();
    format!("kubectl label namespace {} {}", environment.namespace, terms.join(" "))
}

fn refusal(message: String, advice: String) -> Failure {
    Verdict::new(FailureType::KubernetesDenied, message).advise(advice).into()
}

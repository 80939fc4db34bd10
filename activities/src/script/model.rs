//! A Job before its pod has its labels. Pure.

use berth_workflows::contract::script_job::StartScriptInput;
use k8s_openapi::api::core::v1::Service;
use kube::{ResourceExt, api::DynamicObject};
use serde::Serialize;
use serde_json::json;

use super::{
    access::{self, Labels},
    job::job_labels,
    refusal::refusal,
};
use crate::failure::Failure;

/// A Job, and the labels of the pods that it is modelled on.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) job: DynamicObject,
    pub(super) labels: Labels,
    /// Whether its pod gets these labels, except those that a Service selects.
    keeps_labels: bool,
}

impl Model {
    /// A model from a Job whose pod has no labels of the app.
    ///
    /// # Errors
    /// `InvalidInput`: it is not a Kubernetes object.
    pub(super) fn new(job: impl Serialize, labels: Labels, keeps_labels: bool) -> Result<Self, Failure> {
        let job = serde_json::to_value(job).and_then(serde_json::from_value);
        let job = job.map_err(|e| refusal(format!("its Job is not a Kubernetes object: {e}")))?;
        Ok(Self { job, labels, keeps_labels })
    }

    /// Labels the Job's pod, and returns its labels.
    ///
    /// # Errors
    /// `InvalidInput`: a Service would send it traffic by berth's own labels.
    pub(super) fn label_pod(
        &mut self,
        input: &StartScriptInput,
        installation: &str,
        services: &[Service],
    ) -> Result<Labels, Failure> {
        let kept = if self.keeps_labels { self.labels.clone() } else { Labels::new() };
        let mut labels = access::without_services(kept, services);
        labels.extend(job_labels(input, installation));
        if let Some(service) = access::selecting_service(services, &labels) {
            let name = service.name_any();
            return Err(refusal(format!(
                "Service {name} selects pods by berth's own labels: it would send the script traffic"
            )));
        }
        self.job.data["spec"]["template"]["metadata"]["labels"] = json!(labels);
        Ok(labels)
    }
}

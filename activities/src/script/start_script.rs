//! The activity `start_script`: the permission, the model pod, and the Job.

use std::collections::BTreeMap;

use berth_manifests::app::App;
use berth_workflows::contract::{
    script_job::{ScriptStarted, StartScriptInput},
    verdict::FailureType,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PodTemplateSpec, Service},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};

use super::{
    RUN, access, job,
    refusal::{kubernetes_failure, refusal},
    remove_script, web_pod,
};
use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Starts a script as a Job, or finds it started.
///
/// Idempotent: the Job is named after the script run, so another attempt finds it.
///
/// # Errors
/// `InvalidInput`, with a message for the caller: the script is not allowed, or no pod can run it.
pub async fn start_script(context: Context<'_>, app: &App, input: &StartScriptInput) -> Result<ScriptStarted, Failure> {
    let environment = &input.environment;
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &environment.namespace);
    if let Some(found) = jobs.get_opt(&input.job).await.map_err(|e| kubernetes_failure("Job", &input.job, e))? {
        return adopt_or_delete(context, input, &found).await;
    }
    // Boxed, because the future holds several large objects.
    Box::pin(make(context, app, input)).await
}

async fn make(context: Context<'_>, app: &App, input: &StartScriptInput) -> Result<ScriptStarted, Failure> {
    let environment = &input.environment;
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &environment.namespace);
    let scripts = web_pod::allowed(app, input)?;
    context.progress.report(format!("looking for the pod that {} is modelled on", input.script.name));
    let deployment = web_pod::workload(context, app, scripts, environment).await?;
    let template = web_pod::serving_template(context.client, environment, &deployment).await?;
    let command = job::command(scripts, &input.script);
    let workload = format!("Deployment/{}", deployment.name_any());
    let made = job::job(input, &context.settings.installation, command, &template, &workload)
        .ok_or_else(|| refusal(format!("{workload} has no container")))?;
    allow_egress(context, input, &template).await?;
    context.progress.report(format!("starting Job {}", input.job));
    let created =
        jobs.create(&PostParams::default(), &made).await.map_err(|e| kubernetes_failure("Job", &input.job, e))?;
    Ok(job::started(&created))
}

/// Adopts a Job of this run, or deletes one that an earlier run of the same id has left.
async fn adopt_or_delete(
    context: Context<'_>,
    input: &StartScriptInput,
    found: &Job,
) -> Result<ScriptStarted, Failure> {
    let name = &input.job;
    if !labels::belongs_to(found.labels(), &input.environment, &context.settings.installation) {
        let message = format!("a Job {name} exists that does not belong to berth: remove or rename it");
        return Err(Failure::permanent(FailureType::KubernetesDenied, message));
    }
    if found.annotations().get(RUN) == Some(&input.run_id) {
        return Ok(job::started(found));
    }
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &input.environment.namespace);
    remove_script::delete(&jobs, "Job", found).await?;
    Err(Failure::transient(FailureType::KubernetesDenied, format!("the Job {name} of an earlier run is being removed")))
}

/// Checks that no Service will send traffic to the pod, and opens the web pod's destinations to it.
async fn allow_egress(
    context: Context<'_>,
    input: &StartScriptInput,
    template: &PodTemplateSpec,
) -> Result<(), Failure> {
    let namespace = &input.environment.namespace;
    let services: Api<Service> = Api::namespaced(context.client.clone(), namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(context.client.clone(), namespace);
    let all = ListParams::default();
    let listed = futures::future::try_join(services.list(&all), policies.list(&all)).await;
    let (found, allowed) = listed.map_err(|e| kubernetes_failure("Service or NetworkPolicy", "", e))?;
    if let Some(service) =
        access::selecting_service(&found.items, &job::job_labels(input, &context.settings.installation))
    {
        let name = service.name_any();
        return Err(refusal(format!(
            "Service {name} selects pods by berth's own labels: it would send the script traffic"
        )));
    }
    let web: BTreeMap<_, _> = template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default();
    if let Some(policy) = access::egress_policy(input, &context.settings.installation, &allowed.items, &web) {
        let params = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = policies.patch(&input.job, &params, &Patch::Apply(&policy)).await;
        applied.map_err(|e| kubernetes_failure("NetworkPolicy", &input.job, e))?;
    }
    Ok(())
}

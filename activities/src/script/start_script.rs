//! The activity `start_script`: the permission, the model, and the Job.

use berth_manifests::app::App;
use berth_workflows::contract::{
    run_script::RunScript,
    script_job::{ScriptStarted, StartScriptInput},
    verdict::FailureType,
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Service, networking::v1::NetworkPolicy};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};

use super::{
    RUN, access, cron_job, job,
    model::Model,
    refusal::{kubernetes_failure, refusal},
    remove_script, web_pod,
};
use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Starts a script as a Job, or finds it started.
///
/// Idempotent: the Job is named after the script run, so another attempt finds it.
///
/// # Errors
/// `InvalidInput`, with a message for the caller: the script is not allowed, no pod can run it, or there is no such
/// `CronJob`.
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
    let mut model = match &input.script {
        RunScript::Script { name, args } => web_pod::model(context, app, input, (name, args)).await?,
        RunScript::CronJob { cron } => cron_job::model(context, input, cron).await?,
    };
    set_access(context, input, &mut model).await?;
    context.progress.report(format!("starting Job {}", input.job));
    let namespace = &input.environment.namespace;
    let jobs: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &ApiResource::erase::<Job>(&()));
    let created = jobs.create(&PostParams::default(), &model.job).await;
    let created = created.map_err(|e| kubernetes_failure("Job", &input.job, e))?;
    let created = created.try_parse().map_err(|e| refusal(format!("Job {} cannot be read: {e}", input.job)))?;
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

/// Labels the pod so that no Service will send it traffic, and opens the modelled pod's destinations to it.
async fn set_access(context: Context<'_>, input: &StartScriptInput, model: &mut Model) -> Result<(), Failure> {
    let (namespace, installation) = (&input.environment.namespace, &context.settings.installation);
    let services: Api<Service> = Api::namespaced(context.client.clone(), namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(context.client.clone(), namespace);
    let all = ListParams::default();
    let listed = futures::future::try_join(services.list(&all), policies.list(&all)).await;
    let (found, allowed) = listed.map_err(|e| kubernetes_failure("Service or NetworkPolicy", "", e))?;
    let pod = model.label_pod(input, installation, &found.items)?;
    if let Some(policy) = access::egress_policy(input, installation, &allowed.items, (&model.labels, &pod)) {
        let params = PatchParams::apply(labels::FIELD_MANAGER).force();
        let applied = policies.patch(&input.job, &params, &Patch::Apply(&policy)).await;
        applied.map_err(|e| kubernetes_failure("NetworkPolicy", &input.job, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

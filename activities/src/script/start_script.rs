//! The activity `start_script`: the permission, the model pod, and the Job.

use std::collections::BTreeMap;

use berth_manifests::{
    app::{App, Scripts},
    render::{Variables, substitute},
};
use berth_workflows::contract::{
    environment::Environment,
    script_job::{ScriptStarted, StartScriptInput},
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::Job,
    core::v1::{PodTemplateSpec, Service},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};

use super::{RUN, access, job, remove_script};
use crate::{context::Context, failure::Failure, kubernetes::labels, release::rendering::names_of};

const REVISION: &str = "deployment.kubernetes.io/revision";

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
    let scripts = allowed(app, input)?;
    context.progress.report(format!("looking for the pod that {} is modelled on", input.script.name));
    let deployment = workload(context, app, scripts, environment).await?;
    let template = serving_template(context.client, environment, &deployment).await?;
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

/// Returns the app's scripts if they include this one.
fn allowed<'a>(app: &'a App, input: &StartScriptInput) -> Result<&'a Scripts, Failure> {
    let name = input.script.name.as_str();
    let scripts = app.preview.as_ref().and_then(|preview| preview.scripts.as_ref());
    let scripts = scripts.ok_or_else(|| refusal(format!("app {} allows no scripts (`preview.scripts`)", app.app)))?;
    if scripts.allow.iter().any(|allowed| allowed == name) {
        return Ok(scripts);
    }
    let allowed = if scripts.allow.is_empty() { "none".to_owned() } else { scripts.allow.join(", ") };
    Err(refusal(format!("{name} is not a script that app {} allows; it allows {allowed}", app.app)))
}

/// Returns the Deployment that the script's pod is modelled on.
async fn workload(
    context: Context<'_>,
    app: &App,
    scripts: &Scripts,
    environment: &Environment,
) -> Result<Deployment, Failure> {
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &environment.namespace);
    // A name may contain the variables that are the same in every rollout.
    let variables = Variables::new(app.variable_input(&names_of(environment)));
    let (name, is_named) = match &scripts.workload {
        Some(text) => (substitute(text, &variables), true),
        None => (format!("{}-web", variables.get("KUBE_APP").unwrap_or(&app.app)), false),
    };
    if let Some(found) = deployments.get_opt(&name).await.map_err(|e| kubernetes_failure("Deployment", &name, e))? {
        return Ok(found);
    }
    if is_named {
        return Err(refusal(format!("Deployment {name} of `preview.scripts.workload` does not exist")));
    }
    let own = ListParams::default().labels(&labels::owner_selector(environment, &context.settings.installation));
    let mut all = deployments.list(&own).await.map_err(|e| kubernetes_failure("Deployment", "", e))?.items;
    if let (Some(only), true) = (all.pop(), all.is_empty()) {
        return Ok(only);
    }
    Err(refusal(format!(
        "no Deployment has the name {name}, so it is unclear which one the script is modelled on: \
         set `preview.scripts.workload` in the app file"
    )))
}

/// Returns the template of the serving pods. During a rollout the Deployment's own template is already the next one.
async fn serving_template(
    client: &Client,
    environment: &Environment,
    deployment: &Deployment,
) -> Result<PodTemplateSpec, Failure> {
    let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), &environment.namespace);
    let listed = sets.list(&ListParams::default()).await.map_err(|e| kubernetes_failure("ReplicaSet", "", e))?.items;
    newest_serving(listed, deployment.uid().as_deref()).ok_or_else(|| {
        refusal(format!("no pod of Deployment {} is ready, so a script has no model to run as", deployment.name_any()))
    })
}

fn newest_serving(sets: Vec<ReplicaSet>, owner: Option<&str>) -> Option<PodTemplateSpec> {
    let is_owned = |set: &ReplicaSet| set.owner_references().iter().any(|of| Some(of.uid.as_str()) == owner);
    let is_ready = |set: &ReplicaSet| set.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or_default() > 0;
    let revision = |set: &ReplicaSet| set.annotations().get(REVISION).and_then(|text| text.parse::<u64>().ok());
    let newest = sets.into_iter().filter(|set| is_owned(set) && is_ready(set)).max_by_key(revision)?;
    let mut template = newest.spec?.template?;
    // The hash label assigns pods to their ReplicaSet.
    template.metadata.get_or_insert_default().labels.get_or_insert_default().remove("pod-template-hash");
    Some(template)
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

/// A refusal for the caller: the script or workload they named does not exist.
fn refusal(message: impl Into<String>) -> Failure {
    Verdict::new(FailureType::InvalidInput, message).into()
}

fn kubernetes_failure(kind: &str, name: &str, error: kube::Error) -> Failure {
    Failure::kubernetes(format!("{kind}/{name}").trim_end_matches('/').to_owned(), error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(owner: &str, revision: &str, ready: u32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {
                "name": format!("web-{revision}"), "annotations": {REVISION: revision},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner}]},
            "spec": {"selector": {}, "template": {
                "metadata": {"labels": {"app": revision, "pod-template-hash": "x"}},
                "spec": {"containers": []}}},
            "status": {"replicas": 1, "readyReplicas": ready},
        }))
        .unwrap()
    }

    #[test]
    fn the_serving_template_is_the_newest_revision_with_a_ready_pod() {
        let sets = vec![set("d", "9", 1), set("d", "10", 1), set("d", "11", 0), set("another", "12", 1)];
        let template = newest_serving(sets, Some("d")).unwrap();
        assert_eq!(template.metadata.unwrap().labels.unwrap(), [("app".to_owned(), "10".to_owned())].into());
        assert_eq!(newest_serving(vec![set("d", "1", 0)], Some("d")), None);
    }
}

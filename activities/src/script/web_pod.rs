//! The web pod that a script's pod is modelled on.

use berth_manifests::{
    app::{App, Scripts},
    render::{Variables, substitute},
};
use berth_workflows::contract::{
    environment::Environment,
    run_script::{Arguments, ScriptName},
    script_job::StartScriptInput,
};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::PodTemplateSpec,
};
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    job,
    model::Model,
    refusal::{kubernetes_failure, refusal},
};
use crate::{context::Context, failure::Failure, kubernetes::labels, release::rendering::names_of};

const REVISION: &str = "deployment.kubernetes.io/revision";

/// Builds the Job of a script, modelled on the web pod that serves.
///
/// # Errors
/// `InvalidInput`: the script is not allowed, or no pod can run it.
pub(super) async fn model(
    context: Context<'_>,
    app: &App,
    input: &StartScriptInput,
    (name, args): (&ScriptName, &Arguments),
) -> Result<Model, Failure> {
    let scripts = allowed(app, name.as_str())?;
    context.progress.report(format!("looking for the pod that {name} is modelled on"));
    let deployment = workload(context, app, scripts, &input.environment).await?;
    let template = serving_template(context.client, &input.environment, &deployment).await?;
    let command = job::command(scripts, name, args);
    let workload = format!("Deployment/{}", deployment.name_any());
    let made = job::job(input, &context.settings.installation, command, &template, &workload)
        .ok_or_else(|| refusal(format!("{workload} has no container")))?;
    let labels = template.metadata.and_then(|meta| meta.labels).unwrap_or_default();
    Model::new(made, labels, false)
}

/// Returns the app's scripts if they include this one.
fn allowed<'a>(app: &'a App, name: &str) -> Result<&'a Scripts, Failure> {
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

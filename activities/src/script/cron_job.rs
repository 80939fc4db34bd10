//! The `CronJob` of the release that serves.

use std::collections::{BTreeMap, BTreeSet};

use berth_workflows::contract::{cron_name::CronName, script_job::StartScriptInput};
use k8s_openapi::api::batch::v1::CronJob;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::Value;

use super::{
    cron_template,
    model::Model,
    refusal::{kubernetes_failure, refusal},
};
use crate::{context::Context, failure::Failure, kubernetes::labels, release::stored_release::StoredRelease};

/// Builds the Job of a `CronJob`, as the release that serves has it.
///
/// # Errors
/// `InvalidInput`: there is no such `CronJob`, or it runs several pods.
pub(super) async fn model(context: Context<'_>, input: &StartScriptInput, cron: &CronName) -> Result<Model, Failure> {
    context.progress.report(format!("looking for CronJob {}", cron.as_str()));
    let release = serving_release(context, input).await?;
    let there = names_in_cluster(context, input).await?;
    let mut found = cron_jobs(release, &there);
    let full = format!("{}-{}", input.environment.unique_name(), cron.as_str());
    let Some((name, document)) = found.remove_entry(cron.as_str()).or_else(|| found.remove_entry(&full)) else {
        return Err(unknown(cron, &found));
    };
    let job = cron_template::job(input, &context.settings.installation, &name, &document);
    let job = job.map_err(|why| refusal(format!("CronJob {name} cannot be run by hand: {why}")))?;
    Model::new(job, cron_template::pod_labels(&document), true)
}

async fn serving_release(context: Context<'_>, input: &StartScriptInput) -> Result<StoredRelease, Failure> {
    let unknown = "it is not known which CronJobs the release that serves has: redeploy it";
    let name = input.stored_release.as_deref().ok_or_else(|| refusal(unknown))?;
    let found = StoredRelease::find_own(context, &input.environment, name).await?;
    found.ok_or_else(|| refusal(format!("{unknown} (its stored release {name} is gone)")))
}

/// Returns the names of berth's `CronJob`s in the environment.
async fn names_in_cluster(context: Context<'_>, input: &StartScriptInput) -> Result<BTreeSet<String>, Failure> {
    let cron_jobs: Api<CronJob> = Api::namespaced(context.client.clone(), &input.environment.namespace);
    let own = labels::owner_selector(&input.environment, &context.settings.installation);
    let listed = cron_jobs.list_metadata(&ListParams::default().labels(&own)).await;
    let listed = listed.map_err(|e| kubernetes_failure("CronJob", "", e))?;
    Ok(listed.items.iter().map(ResourceExt::name_any).collect())
}

/// Returns the release's `CronJob`s that are in the cluster, by name.
fn cron_jobs(release: StoredRelease, there: &BTreeSet<String>) -> BTreeMap<String, Value> {
    let named = |document: Value| Some((document["metadata"]["name"].as_str()?.to_owned(), document));
    let cron_jobs = release.objects.into_iter().filter(|document| document["kind"] == "CronJob");
    cron_jobs.filter_map(named).filter(|(name, _)| there.contains(name)).collect()
}

fn unknown(cron: &CronName, found: &BTreeMap<String, Value>) -> Failure {
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    refusal(format!("{} is not a CronJob of the release that serves; it has {names}", cron.as_str()))
}

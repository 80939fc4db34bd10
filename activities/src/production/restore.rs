//! `berth production restore`: a stored release serves again while Temporal is away. No activity: a person runs it with
//! their own kubeconfig.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::json;

use berth_workflows::contract::{
    apply::Workload,
    checks::{AwaitInput, Outcome, UNOBSERVED_SECONDS},
    environment::{Environment, EnvironmentKind},
    production::Production,
    production_record::{ProductionRecord, Restored, StoredVersion},
    release::Name,
    rollout_input::DEPLOY_ID_EPOCH_SECONDS,
    timings::Timings,
    verdict::{FailureType, Verdict},
};

use super::{
    find_rollback,
    record::{self, Found},
};
use crate::{
    context::Context,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::labels,
    release::{
        apply_release::{AppliedRelease, Mode, ReleaseApply, apply_release},
        stored_release::StoredRelease,
    },
    rollout::{self, watch::Clock},
    settings::Settings,
    unix_time::unix_time,
};

/// How often a record that somebody else writes at the same moment is read again, and an apply waits for an object to go.
const ATTEMPTS: usize = 5;

/// A restore that was carried out.
#[derive(Debug)]
pub struct Restore {
    pub environment: Environment,
    pub version: StoredVersion,
    /// The deploy id of every object now.
    pub deploy_id: u64,
    pub created: Vec<String>,
    pub changed: Vec<String>,
    pub unchanged: usize,
    pub notes: Vec<String>,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
}

/// Makes a stored release serve: the one of that number, or the last proven one. The record says so first, so that a
/// workflow that runs again takes it as a freeze.
///
/// # Errors
/// There is no namespace of that production, no such release, or the API server refuses.
pub async fn restore(client: &Client, app: &str, release: Option<u64>, by: &Name) -> Result<Restore, Failure> {
    let (environment, installation) = find_environment(client, app).await?;
    let (settings, progress) = (Settings::of_installation(installation), Progress::new());
    let context = Context { client, settings: &settings, progress: &progress };
    let (version, stored) = choose(context, &environment, release).await?;
    let deploy_id = mark(context, &environment, &version, by).await?;
    let apply = ReleaseApply {
        environment: &environment,
        release: &stored,
        store: None,
        serving: None,
        deploy_id,
        mode: Mode::Rollback,
        reported: None,
        kept: None,
    };
    let applied = apply_once_gone(context, &apply).await?;
    let plan = applied.plan;
    Ok(Restore {
        environment,
        version,
        deploy_id,
        created: plan.created,
        changed: plan.changed,
        unchanged: plan.unchanged,
        notes: plan.notes,
        workloads: applied.workloads,
    })
}

/// Applies a release once the objects are gone that somebody is deleting.
async fn apply_once_gone(context: Context<'_>, apply: &ReleaseApply<'_>) -> Result<AppliedRelease, Failure> {
    let mut waits_for = None;
    for _ in 0..ATTEMPTS {
        let applied = apply_release(context, &ReleaseApply { reported: waits_for.as_deref(), ..*apply }).await?;
        if applied.waits_for.is_none() {
            return Ok(applied);
        }
        waits_for = applied.waits_for;
    }
    let message = format!("nothing was applied: the restore waits for {}", waits_for.unwrap_or_default());
    Err(Verdict::new(FailureType::KubernetesDenied, message)
        .advise("find the finalizer's controller; try again")
        .into())
}

/// Waits until every workload of a restore serves, at most so long.
///
/// # Errors
/// The API server refuses the watches.
pub async fn await_restore(client: &Client, restore: &Restore, patience: Duration) -> Result<Outcome, Failure> {
    let (settings, progress) = (Settings::of_installation(String::new()), Progress::new());
    let clock = Clock::start();
    let timings = Timings { rollout_seconds: patience.as_secs(), capacity_seconds: 0, ..Timings::default() };
    let wait = AwaitInput {
        environment: restore.environment.clone(),
        workloads: restore.workloads.clone(),
        deadline_ms: clock.at(patience),
        started_ms: clock.at(Duration::ZERO),
        unobserved_seconds: UNOBSERVED_SECONDS,
        timings,
        secret: restore.version.secrets.secret.clone(),
        deploy_id: restore.deploy_id,
        late: false,
    };
    let context = Context { client, settings: &settings, progress: &progress };
    rollout::await_rollout(context, wait).await
}

/// Whether the record of production in this namespace names a restore by hand that its workflow has not taken over.
///
/// # Errors
/// The record cannot be read, or is damaged. Before the first release the worker has no right to read it.
pub async fn is_restored(client: &Client, installation: &str, app: &str, namespace: &str) -> Result<bool, Failure> {
    let workflow_id = Production::new(app).workflow_id();
    let mut environment = Environment::unrecorded(app, EnvironmentKind::Production, workflow_id);
    namespace.clone_into(&mut environment.namespace);
    let owner = labels::owner_labels(&environment, installation);
    let recalled = record::read(&record::api(client, &environment), &owner).await?;
    Ok(recalled.record.is_some_and(|record| record.restored.is_some()))
}

/// Finds the namespace of an app's production by its labels. Returns its environment and its installation.
async fn find_environment(client: &Client, app: &str) -> Result<(Environment, String), Failure> {
    let workflow_id = Production::new(app).workflow_id();
    let selector = format!("{}=berth,{}={workflow_id}", labels::MANAGED_BY, labels::WORKFLOW);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces
        .list_metadata(&ListParams::default().labels(&selector))
        .await
        .map_err(|e| Failure::kubernetes("listing namespaces", e))?
        .items;
    let [namespace] = found.as_slice() else {
        let names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
        let message =
            format!("production of {app} should have one namespace with the labels {selector}, found {names:?}");
        return Err(Failure::permanent(FailureType::UnknownApp, message));
    };
    let mut environment = Environment::unrecorded(app, EnvironmentKind::Production, workflow_id);
    environment.namespace = namespace.name_any();
    environment.namespace_uid = namespace.uid();
    let installation = namespace.labels().get(labels::INSTALLATION).cloned().unwrap_or_default();
    Ok((environment, installation))
}

/// Returns the release to restore: of that number, or the last proven one.
async fn choose(
    context: Context<'_>,
    environment: &Environment,
    number: Option<u64>,
) -> Result<(StoredVersion, StoredRelease), Failure> {
    let proven = find_rollback::proven(context, environment).await?;
    let Some(found) = proven.iter().find(|one| number.is_none() || find_rollback::number(one) == number) else {
        let what = number.map_or_else(|| "release".to_owned(), |number| format!("release {number}"));
        return Err(Failure::permanent(
            FailureType::UnknownApp,
            format!("no stored {what} in {} was ever live", environment.namespace),
        ));
    };
    let name = found.name_any();
    let release = StoredRelease::load(context.client, &environment.namespace, &name).await?;
    let Some(version) = release.version.clone() else {
        let message = format!("stored release {name} is not one of production");
        return Err(Failure::permanent(FailureType::KubernetesDenied, message));
    };
    Ok((StoredVersion { release: version.release, stored_release: name, secrets: version.secrets }, release))
}

/// Writes into the record that the release is restored by hand. Returns the deploy id of the restore, which is higher than
/// that of any rollout before.
async fn mark(
    context: Context<'_>,
    environment: &Environment,
    version: &StoredVersion,
    by: &Name,
) -> Result<u64, Failure> {
    let owner = labels::owner_labels(environment, &context.settings.installation);
    let api = record::api(context.client, environment);
    let now = unix_time();
    let restored = Restored {
        version: version.clone(),
        by: by.clone(),
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    };
    for _ in 0..ATTEMPTS {
        let Found { record: found, version: at } = record::find(&api, &owner).await?;
        // Parts that a newer berth has written stay: this is no time to ask for its version.
        let mut next = found.unwrap_or_else(|| json!(ProductionRecord::default()));
        let before = next["deploy_id"].as_u64().unwrap_or_default();
        let deploy_id = now.as_secs().saturating_sub(DEPLOY_ID_EPOCH_SECONDS).max(before + 1);
        next["deploy_id"] = json!(deploy_id);
        next["restored"] = json!(restored);
        let map = record::build(&next, owner.clone(), at.as_deref())?;
        match record::write(&api, &map).await {
            Ok(_) => return Ok(deploy_id),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(e) => return Err(Failure::kubernetes(format!("writing ConfigMap/{}", record::NAME), e)),
        }
    }
    let message = format!("ConfigMap/{} was written by somebody else {ATTEMPTS} times in a row", record::NAME);
    Err(Verdict::new(FailureType::KubernetesDenied, message).advise("is a worker still at work? try again").into())
}

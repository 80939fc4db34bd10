//! Fake activities: the smallest double that a workflow can run against.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use berth_activities::{
    environment::recall_preview,
    proof::{ProofKeys, SigningKey, check_proof},
};
use berth_workflows::contract::{
    activity_definitions as definitions,
    apply::{Applied, ApplyInput, Plan, PruneInput, Pruned, Workload},
    checks::{AwaitInput, Awaited, CheckGatesInput, GatesChecked, Outcome},
    environment::{ClusterObject, Database, Environment, EnvironmentKind},
    load_app::{GithubRules, LoadAppInput, LoadedApp, ProductionRules},
    look::{EnvironmentSeen, LookAtInput, Missing},
    memory::{RecallPreviewInput, RecalledPreview},
    preparation::{AwaitGoneInput, DatabaseReady, NamespaceGone, NamespaceReady, SyncedSecrets},
    production_record::{Recalled, ReleaseMark, StoredVersion},
    proof::{CheckProofInput, ProofChecked},
    release::Release,
    script::ScriptOutcome,
    script_job::{AwaitScriptInput, RemoveScriptInput, ScriptRemoved, ScriptStarted, StartScriptInput},
    stuck::{ReportStuckInput, StuckReported},
    teardown::{DeleteInput, LeakReport, Remaining},
    verdict::{FailureType, Verdict},
};
use temporalio_common::error::ApplicationFailure;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::until::holds_within;

/// The bound of a wait for something that takes well under a second.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The behaviour of a fake activity in its next call.
#[derive(Debug, Clone)]
pub enum Does {
    /// Heartbeats until it is cancelled.
    Hang,
    /// Heartbeats until [`World::free`] or until it is cancelled, then succeeds.
    HangUntilFreed,
    /// Heartbeats until [`World::free`], then succeeds, whether or not it is cancelled.
    HangDeaf,
    /// Fails permanently.
    Fail(FailureType),
    /// Heartbeats until it is cancelled, then fails permanently.
    FailWhenCancelled(FailureType),
    /// Sees nothing of the release, for this reason. Only for `await_rollout` and `check_gates`.
    SeeNothing(&'static str),
    /// See nothing for so many seconds already.
    SeeNothingFor(u64),
    /// Fails as overtaken: an object carries this deploy id.
    MeetDeployId(u64),
    /// Ends with a verdict. Only for `await_rollout`, `check_gates` and `await_script`.
    Verdict(FailureType),
    /// Succeeds with a text. `delete_environment` and `drop_database` report that object as remaining, and `prune` as
    /// staying. `ensure_database` reports its server as unavailable. `ensure_namespace` reports the namespace as
    /// terminating. `load_app` announces a cluster-scoped object. `apply_manifests` waits for an object that is being deleted.
    /// `look_at_environment` misses that object.
    Leave(&'static str),
}

/// The world of the fake activities: their calls in order, and their next behaviour.
#[derive(Default)]
pub struct World {
    calls: Mutex<Vec<String>>,
    orders: Mutex<BTreeMap<&'static str, VecDeque<Does>>>,
    database: OnceLock<Database>,
    namespaces: Mutex<BTreeSet<String>>,
    /// The deploy ids of each apply, wait and prune, in order.
    pub deploy_ids: Mutex<Vec<u64>>,
    /// The release of each apply of manifests, in order.
    pub rendered: Mutex<Vec<Release>>,
    /// The record of production in its namespace.
    pub recalled: Mutex<Recalled>,
    /// Facts that were noted on stored releases.
    pub marks: Mutex<Vec<ReleaseMark>>,
    /// Releases that production has stored.
    pub stored: Mutex<Vec<StoredVersion>>,
    /// Whether activities that hang until they are freed go on.
    is_freed: AtomicBool,
    /// Whether the app file asks for approval of production's releases.
    pub needs_approval: AtomicBool,
    /// Whether the app file lets only proved approvals count.
    pub needs_proof: AtomicBool,
    proof_keys: Mutex<ProofKeys>,
    /// Whether Temporal does not say what earlier runs have left.
    pub forgets: AtomicBool,
    /// Whether the cluster does not answer a `Janitor`.
    pub is_cluster_away: AtomicBool,
    /// The rules of the app file for GitHub.
    pub github: Mutex<Option<GithubRules>>,
}

impl World {
    /// Sets the behaviour of an activity's next call. Later calls succeed.
    pub fn next(&self, activity: &'static str, does: Does) {
        self.orders.lock().unwrap().entry(activity).or_default().push_back(does);
    }

    /// Lets every activity go on that hangs until it is freed.
    pub fn free(&self) {
        self.is_freed.store(true, Ordering::Relaxed);
    }

    /// Makes a key, and gives its public half to the worker.
    pub fn sign_proofs(&self) -> SigningKey {
        let (key, _) = SigningKey::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.public_key()).unwrap();
        self.trust(file.path());
        key
    }

    /// Gives the worker a file of public keys.
    pub fn trust(&self, keys: &Path) {
        *self.proof_keys.lock().unwrap() = ProofKeys::read(keys).unwrap();
    }

    /// Gives each preview of the app a database of its own.
    pub fn with_database(&self) {
        let isolated = Database::Isolated { server: "previews".into(), name: "app_pr_1".into() };
        self.database.set(isolated).unwrap();
    }

    /// Makes that namespace exist already, as after an earlier run.
    pub fn has_namespace(&self, name: &str) {
        self.namespaces.lock().unwrap().insert(name.to_owned());
    }

    /// The namespaces that exist.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.namespaces.lock().unwrap().iter().cloned().collect()
    }

    /// Every call so far, as `activity what`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The number of calls of an activity.
    pub fn count(&self, activity: &str) -> usize {
        self.calls().iter().filter(|call| call.starts_with(activity)).count()
    }

    /// Waits until an activity was called that many times.
    pub(crate) async fn until_called(&self, activity: &str, times: usize) {
        let is_called = holds_within(PATIENCE, async || self.count(activity) >= times).await;
        assert!(is_called, "{activity} was not called {times} times: {:#?}", self.calls());
    }

    pub(crate) async fn act(
        &self,
        ctx: &ActivityContext,
        activity: &'static str,
        what: &str,
    ) -> Result<Option<Does>, ActivityError> {
        self.calls.lock().unwrap().push(format!("{activity} {what}"));
        let order = self.orders.lock().unwrap().get_mut(activity).and_then(VecDeque::pop_front);
        match order {
            Some(Does::Hang) => {
                self.hang(ctx, activity, || false).await?;
                Err(ActivityError::cancelled())
            }
            Some(Does::HangUntilFreed) => {
                let is_freed = || self.is_freed.load(Ordering::Relaxed);
                self.hang(ctx, activity, is_freed).await?;
                if is_freed() { Ok(None) } else { Err(ActivityError::cancelled()) }
            }
            Some(Does::HangDeaf) => {
                while !self.is_freed.load(Ordering::Relaxed) {
                    // The error says that it is cancelled.
                    let _ = ctx.record_heartbeat("deaf").await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok(None)
            }
            Some(Does::Fail(failure)) => Err(permanent(failure)),
            Some(Does::MeetDeployId(id)) => Err(overtaken(id)),
            Some(Does::FailWhenCancelled(failure)) => {
                self.hang(ctx, activity, || false).await?;
                Err(permanent(failure))
            }
            other => Ok(other),
        }
    }

    /// Heartbeats until the activity is cancelled, or may go on.
    async fn hang(
        &self,
        ctx: &ActivityContext,
        activity: &'static str,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), ActivityError> {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                () = ctx.cancelled() => break,
                _ = beat.tick() => {
                    if goes_on() {
                        return Ok(());
                    }
                    ctx.record_heartbeat("hanging").await?;
                }
            }
        }
        self.calls.lock().unwrap().push(format!("{activity} cancelled"));
        Ok(())
    }
}

fn permanent(failure: FailureType) -> ActivityError {
    ApplicationFailure::builder(anyhow::anyhow!("{failure}: as ordered"))
        .type_name(failure.name().to_owned())
        .non_retryable(true) // The test has asked for it once.
        .build()
        .into()
}

fn overtaken(id: u64) -> ActivityError {
    let verdict = Verdict::new(FailureType::Overtaken, "as ordered");
    ApplicationFailure::builder(anyhow::anyhow!("Overtaken: as ordered"))
        .type_name(FailureType::Overtaken.name().to_owned())
        .non_retryable(true) // Another attempt meets it again.
        .details(Verdict { met_deploy_id: Some(id), ..verdict })
        .build()
        .into()
}

fn outcome(does: Option<Does>) -> Outcome {
    match does {
        Some(Does::Verdict(failure)) => {
            let mut verdict = Verdict::new(failure, "as ordered").advise("fix it");
            verdict.workload = Some("Deployment/web".into());
            Outcome::Failed { verdict }
        }
        Some(Does::SeeNothing(reason)) => Outcome::NotObserved { reason: reason.to_owned(), since_ms: 0 },
        Some(Does::SeeNothingFor(seconds)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let since = now - Duration::from_secs(seconds);
            Outcome::NotObserved { reason: "away".to_owned(), since_ms: since.as_millis() as u64 }
        }
        _ => Outcome::Complete,
    }
}

fn left(object: &str) -> LeakReport {
    let remaining = Remaining {
        object: object.into(),
        reason: "finalizer example.com/stuck".into(),
        command: format!("kubectl get {object}"),
    };
    LeakReport { remaining: vec![remaining], ..LeakReport::default() }
}

/// The smallest double that a workflow can run against.
pub struct FakeActivities(pub Arc<World>);

#[activities]
impl FakeActivities {
    #[activity(definition = definitions::LoadApp)]
    pub async fn load_app(
        self: Arc<Self>,
        ctx: ActivityContext,
        load: LoadAppInput,
    ) -> Result<LoadedApp, ActivityError> {
        let cluster_objects = match self.0.act(&ctx, "load_app", &load.workflow_id).await? {
            Some(Does::Leave(name)) => vec![ClusterObject {
                api_version: "scheduling.k8s.io/v1".into(),
                kind: "PriorityClass".into(),
                name: name.into(),
            }],
            _ => Vec::new(),
        };
        let pr = load.kind.pr().unwrap_or_default();
        let production = (load.kind == EnvironmentKind::Production).then(|| ProductionRules {
            needs_approval: self.0.needs_approval.load(Ordering::Relaxed),
            needs_proof: self.0.needs_proof.load(Ordering::Relaxed),
            ..ProductionRules::default()
        });
        let environment = Environment {
            app: load.app,
            kind: load.kind,
            workflow_id: load.workflow_id,
            namespace: format!("pr-{pr}"),
            host: format!("pr-{pr}.example.com"),
            temporal_ui_host: Some(format!("pr-{pr}-temporal.example.com")),
            namespace_uid: None,
            cluster_objects: Vec::new(),
            database: self.0.database.get().cloned(),
            scheme: "https".into(),
        };
        let github = self.0.github.lock().unwrap().clone();
        Ok(LoadedApp { environment, content_hash: "hash".into(), cluster_objects, production, github, timings: None })
    }

    /// The real one: it speaks with Temporal alone. Not in the list of calls, since every new run begins with it.
    #[activity(definition = definitions::RecallPreview)]
    pub async fn recall_preview(
        self: Arc<Self>,
        ctx: ActivityContext,
        recall: RecallPreviewInput,
    ) -> Result<RecalledPreview, ActivityError> {
        if self.0.forgets.load(Ordering::Relaxed) {
            return Err(anyhow::anyhow!("as ordered").into());
        }
        recall_preview(&ctx.client(), &recall).await.map_err(|failure| failure.into_activity_error())
    }

    #[activity(definition = definitions::LookAtEnvironment)]
    pub async fn look_at_environment(
        self: Arc<Self>,
        ctx: ActivityContext,
        look: LookAtInput,
    ) -> Result<EnvironmentSeen, ActivityError> {
        let missing = match self.0.act(&ctx, "look_at_environment", &look.environment.namespace).await? {
            Some(Does::Leave(what)) => {
                Some(Missing { what: what.to_owned(), is_namespace: what.starts_with("namespace") })
            }
            _ => None,
        };
        Ok(EnvironmentSeen { missing })
    }

    /// The real comparison, with the keys of the world.
    #[activity(definition = definitions::CheckProof)]
    pub async fn check_proof(
        self: Arc<Self>,
        ctx: ActivityContext,
        check: CheckProofInput,
    ) -> Result<ProofChecked, ActivityError> {
        self.0.act(&ctx, "check_proof", check.content.action.name()).await?;
        let keys = self.0.proof_keys.lock().unwrap().clone();
        Ok(check_proof(&keys, &check))
    }

    #[activity(definition = definitions::EnsureNamespace)]
    pub async fn ensure_namespace(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<NamespaceReady, ActivityError> {
        let terminating = match self.0.act(&ctx, "ensure_namespace", &environment.namespace).await? {
            Some(Does::Leave(words)) => Some(words.to_owned()),
            _ => None,
        };
        let created = terminating.is_none() && self.0.namespaces.lock().unwrap().insert(environment.namespace);
        Ok(NamespaceReady { uid: "uid-1".into(), created, terminating })
    }

    #[activity(definition = definitions::ReportStuck)]
    pub async fn report_stuck(
        self: Arc<Self>,
        ctx: ActivityContext,
        report: ReportStuckInput,
    ) -> Result<StuckReported, ActivityError> {
        self.0.act(&ctx, "report_stuck", &report.child.workflow).await?;
        Ok(StuckReported { app: report.app })
    }

    #[activity(definition = definitions::AwaitNamespaceGone)]
    pub async fn await_namespace_gone(
        self: Arc<Self>,
        ctx: ActivityContext,
        wait: AwaitGoneInput,
    ) -> Result<NamespaceGone, ActivityError> {
        self.0.act(&ctx, "await_namespace_gone", &wait.said).await?;
        Ok(NamespaceGone::default())
    }

    #[activity(definition = definitions::EnsureDatabase)]
    pub async fn ensure_database(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<DatabaseReady, ActivityError> {
        let unavailable = match self.0.act(&ctx, "ensure_database", &environment.namespace).await? {
            Some(Does::Leave(why)) => Some(why.to_owned()),
            _ => None,
        };
        Ok(DatabaseReady { created: Vec::new(), unavailable })
    }

    #[activity(definition = definitions::DropDatabase)]
    pub async fn drop_database(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<LeakReport, ActivityError> {
        Ok(match self.0.act(&ctx, "drop_database", &environment.namespace).await? {
            Some(Does::Leave(object)) => left(object),
            _ => LeakReport { gone: vec!["Database/app_pr_1 on previews".into()], ..LeakReport::default() },
        })
    }

    #[activity(definition = definitions::SyncSecrets)]
    pub async fn sync_secrets(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<SyncedSecrets, ActivityError> {
        self.0.act(&ctx, "sync_secrets", &environment.namespace).await?;
        Ok(SyncedSecrets {
            secret: "berth-secrets-1".into(),
            version: "1".into(),
            set_by_berth: vec!["TEMPORAL_SERVER_ADDRESS".into()],
            stale: Vec::new(),
            temporal_server_address: "web-temporal.pr-1.svc.cluster.local:7233".into(),
            temporal_server_address_from_doppler: false,
        })
    }

    #[activity(definition = definitions::ApplyManifests)]
    pub async fn apply_manifests(
        self: Arc<Self>,
        ctx: ActivityContext,
        apply: ApplyInput,
    ) -> Result<Applied, ActivityError> {
        let commit = apply.deploy.release.commit.short().to_owned();
        self.0.rendered.lock().unwrap().push(apply.deploy.release.clone());
        self.0.deploy_ids.lock().unwrap().push(apply.deploy.deploy_id);
        let stored_release = format!("berth-release-{commit}");
        let waited_for = apply.waited_for.map(|waited_for| format!(", waited for {waited_for}")).unwrap_or_default();
        let call = format!("{commit}{waited_for}");
        if let Some(Does::Leave(object)) = self.0.act(&ctx, "apply_manifests", &call).await? {
            let waits_for = Some(object.to_owned());
            return Ok(Applied { stored_release, plan: Plan::default(), workloads: Vec::new(), waits_for });
        }
        Ok(Applied {
            stored_release,
            plan: Plan { created: vec!["Deployment/web".into()], ..Plan::default() },
            workloads: vec![Workload::new("Deployment", "web", 1)],
            waits_for: None,
        })
    }

    #[activity(definition = definitions::AwaitRollout)]
    pub async fn await_rollout(
        self: Arc<Self>,
        ctx: ActivityContext,
        wait: AwaitInput,
    ) -> Result<Awaited, ActivityError> {
        self.0.deploy_ids.lock().unwrap().push(wait.deploy_id);
        let does = self.0.act(&ctx, "await_rollout", &wait.environment.namespace).await?;
        Ok(Awaited { outcome: outcome(does), seen_from_ms: 0, notes: Vec::new() })
    }

    #[activity(definition = definitions::CheckGates)]
    pub async fn check_gates(
        self: Arc<Self>,
        ctx: ActivityContext,
        check: CheckGatesInput,
    ) -> Result<GatesChecked, ActivityError> {
        let does = self.0.act(&ctx, "check_gates", &check.stored_release).await?;
        Ok(GatesChecked::new(Vec::new(), outcome(does)))
    }

    #[activity(definition = definitions::Prune)]
    pub async fn prune(self: Arc<Self>, ctx: ActivityContext, prune: PruneInput) -> Result<Pruned, ActivityError> {
        self.0.deploy_ids.lock().unwrap().push(prune.deploy_id);
        let what = format!("{} keeping {}", prune.stored_release, prune.keep.join(" "));
        let reported = match self.0.act(&ctx, "prune", &what).await? {
            Some(Does::Leave(object)) => vec![object.to_owned()],
            _ => Vec::new(),
        };
        Ok(Pruned { reported, ..Pruned::default() })
    }

    #[activity(definition = definitions::DeleteEnvironment)]
    pub async fn delete_environment(
        self: Arc<Self>,
        ctx: ActivityContext,
        delete: DeleteInput,
    ) -> Result<LeakReport, ActivityError> {
        let Environment { namespace, cluster_objects, .. } = delete.environment;
        let mut what = namespace.clone();
        cluster_objects.iter().for_each(|object| what += &format!(" and {}", object.name));
        Ok(match self.0.act(&ctx, "delete_environment", &what).await? {
            Some(Does::Leave(object)) => left(object),
            _ => {
                self.0.namespaces.lock().unwrap().remove(&namespace);
                LeakReport { gone: vec![format!("Namespace/{namespace}")], ..LeakReport::default() }
            }
        })
    }

    #[activity(definition = definitions::StartScript)]
    pub async fn start_script(
        self: Arc<Self>,
        ctx: ActivityContext,
        start: StartScriptInput,
    ) -> Result<ScriptStarted, ActivityError> {
        let of_release = start.stored_release.map(|stored| format!(" of {stored}")).unwrap_or_default();
        self.0.act(&ctx, "start_script", &(start.script.title() + &of_release)).await?;
        Ok(ScriptStarted {
            job: start.job,
            container: "web".into(),
            other_containers: Vec::new(),
            workload: "Deployment/web".into(),
            secrets: Vec::new(),
        })
    }

    /// Ends with exit code 3, which is no default.
    #[activity(definition = definitions::AwaitScript)]
    pub async fn await_script(
        self: Arc<Self>,
        ctx: ActivityContext,
        wait: AwaitScriptInput,
    ) -> Result<ScriptOutcome, ActivityError> {
        Ok(match outcome(self.0.act(&ctx, "await_script", &wait.started.job).await?) {
            Outcome::Failed { verdict } => ScriptOutcome::Failed { verdict },
            _ => ScriptOutcome::Ended { exit_code: 3, log_tail: "last words".into() },
        })
    }

    #[activity(definition = definitions::RemoveScript)]
    pub async fn remove_script(
        self: Arc<Self>,
        ctx: ActivityContext,
        remove: RemoveScriptInput,
    ) -> Result<ScriptRemoved, ActivityError> {
        self.0.act(&ctx, "remove_script", &remove.job).await?;
        Ok(ScriptRemoved { gone: vec![format!("Job/{}", remove.job)] })
    }
}

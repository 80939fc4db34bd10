//! The list of the activities. Each admits its caller, then calls one function that knows nothing of Temporal.

mod admit;
mod admitted;
mod app;

use std::sync::Arc;

use berth_workflows::contract::environment::Environment;
use berth_workflows::contract::{
    activity_definitions as definitions,
    apply::{Applied, ApplyInput, ApplyStoredInput, PruneInput, Pruned},
    checks::{AwaitInput, Awaited, CheckGatesInput, GatesChecked},
    load_app::{LoadAppInput, LoadedApp},
    look::{EnvironmentSeen, LookAtInput},
    memory::{RecallPreviewInput, RecalledPreview},
    plan::{PlanReleaseInput, PlannedRelease},
    preparation::{AwaitGoneInput, DatabaseReady, NamespaceGone, NamespaceReady, SyncedSecrets},
    production_record::{FindRollbackInput, FoundRollback, RecallInput, Recalled, RecordInput, Recorded},
    proof::{CheckProofInput, ProofChecked},
    script::ScriptOutcome,
    script_job::{AwaitScriptInput, RemoveScriptInput, ScriptRemoved, ScriptStarted, StartScriptInput},
    stuck::{ReportStuckInput, StuckReported},
    teardown::{DeleteInput, LeakReport},
};
use kube::Client;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

pub(crate) use admit::caller_of;
use app::blocking;

use crate::{
    admission::{self, Purpose},
    context::Context,
    database, environment, gates,
    heartbeat::{Progress, heartbeating},
    production, proof,
    release::{self, stored_release::StoredRelease},
    rollout, script,
    secrets::{self, DopplerReader},
    settings::Settings,
};

/// The result of an activity.
type Result<T, E = ActivityError> = std::result::Result<T, E>;

/// The clients and settings that all activities of a worker share.
pub struct Activities {
    pub client: Client,
    pub settings: Settings,
    pub doppler: DopplerReader,
}

impl Activities {
    fn context<'a>(&'a self, progress: &'a Progress) -> Context<'a> {
        Context { client: &self.client, settings: &self.settings, progress }
    }
}

#[activities]
impl Activities {
    /// See [`environment::load_app()`].
    #[activity(definition = definitions::LoadApp)]
    pub async fn load_app(self: Arc<Self>, ctx: ActivityContext, load: LoadAppInput) -> Result<LoadedApp> {
        heartbeating(&ctx, async |_| {
            admission::check_served(&self.settings, load.kind)?;
            let settings = self.settings.clone();
            blocking(move || environment::load_app(&settings, &load)).await
        })
        .await
    }

    /// See [`environment::recall_preview()`]. It answers every caller: whoever can call it can read that workflow.
    #[activity(definition = definitions::RecallPreview)]
    pub async fn recall_preview(
        self: Arc<Self>,
        ctx: ActivityContext,
        recall: RecallPreviewInput,
    ) -> Result<RecalledPreview> {
        Ok(environment::recall_preview(&ctx.client(), &recall).await?)
    }

    /// See [`environment::ensure_namespace()`].
    #[activity(definition = definitions::EnsureNamespace)]
    pub async fn ensure_namespace(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<NamespaceReady> {
        heartbeating(&ctx, async |progress| {
            let app = self.admit_preparation(&ctx, progress, &environment).await?;
            environment::ensure_namespace(self.context(progress), &app, &environment).await
        })
        .await
    }

    /// See [`environment::await_namespace_gone()`].
    #[activity(definition = definitions::AwaitNamespaceGone)]
    pub async fn await_namespace_gone(
        self: Arc<Self>,
        ctx: ActivityContext,
        wait: AwaitGoneInput,
    ) -> Result<NamespaceGone> {
        heartbeating(&ctx, async |progress| environment::await_namespace_gone(self.context(progress), &wait).await)
            .await
    }

    /// See [`environment::look_at_environment()`].
    #[activity(definition = definitions::LookAtEnvironment)]
    pub async fn look_at_environment(
        self: Arc<Self>,
        ctx: ActivityContext,
        look: LookAtInput,
    ) -> Result<EnvironmentSeen> {
        heartbeating(&ctx, async |progress| {
            // The names need no admission: the answer only names an object that is not there.
            let admission = self.admit(&ctx, progress, Purpose::LookLate, &look.environment)?;
            admission.check_objects(look.stored_release.as_deref())?;
            environment::look_at_environment(self.context(progress), &look).await
        })
        .await
    }

    /// See [`environment::report_stuck()`].
    #[activity(definition = definitions::ReportStuck)]
    pub async fn report_stuck(
        self: Arc<Self>,
        ctx: ActivityContext,
        report: ReportStuckInput,
    ) -> Result<StuckReported> {
        heartbeating(&ctx, async |_| {
            admission::check_parent(&admit::caller_of(&ctx), &report.app, &report.child.workflow)?;
            Ok(environment::report_stuck(&report, &ctx.info().namespace))
        })
        .await
    }

    /// See [`database::ensure_database()`].
    #[activity(definition = definitions::EnsureDatabase)]
    pub async fn ensure_database(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<DatabaseReady> {
        heartbeating(&ctx, async |progress| {
            self.admit_inside(&ctx, progress, Purpose::Prepare, &environment).await?;
            database::ensure_database(self.context(progress), &environment).await
        })
        .await
    }

    /// See [`database::drop_database()`].
    #[activity(definition = definitions::DropDatabase)]
    pub async fn drop_database(self: Arc<Self>, ctx: ActivityContext, environment: Environment) -> Result<LeakReport> {
        heartbeating(&ctx, async |progress| {
            self.admit(&ctx, progress, Purpose::TearDown, &environment)?.check_database()?;
            database::drop_database(self.context(progress), &environment).await
        })
        .await
    }

    /// See [`secrets::sync_secrets()`].
    #[activity(definition = definitions::SyncSecrets)]
    pub async fn sync_secrets(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<SyncedSecrets> {
        heartbeating(&ctx, async |progress| {
            let app = self.admit_preparation(&ctx, progress, &environment).await?;
            secrets::sync_secrets(self.context(progress), &self.doppler, &app, &environment).await
        })
        .await
    }

    /// See [`release::apply_manifests()`].
    #[activity(definition = definitions::ApplyManifests)]
    pub async fn apply_manifests(self: Arc<Self>, ctx: ActivityContext, input: ApplyInput) -> Result<Applied> {
        heartbeating(&ctx, async |progress| {
            let applied = self.admitted_apply_manifests(&ctx, progress, &input).await;
            applied.map_err(|failure| failure.of_attempt(ctx.info().attempt))
        })
        .await
    }

    /// See [`production::plan_release()`].
    #[activity(definition = definitions::PlanRelease)]
    pub async fn plan_release(self: Arc<Self>, ctx: ActivityContext, plan: PlanReleaseInput) -> Result<PlannedRelease> {
        heartbeating(&ctx, async |progress| self.admitted_plan(&ctx, progress, &plan).await).await
    }

    /// See [`production::find_rollback()`].
    #[activity(definition = definitions::FindRollback)]
    pub async fn find_rollback(
        self: Arc<Self>,
        ctx: ActivityContext,
        find: FindRollbackInput,
    ) -> Result<FoundRollback> {
        heartbeating(&ctx, async |progress| {
            self.admit_rollback(&ctx, progress, &find).await?;
            production::find_rollback(self.context(progress), &find).await
        })
        .await
    }

    /// See [`production::recall_production()`].
    #[activity(definition = definitions::RecallProduction)]
    pub async fn recall_production(self: Arc<Self>, ctx: ActivityContext, recall: RecallInput) -> Result<Recalled> {
        heartbeating(&ctx, async |progress| {
            self.admit_inside(&ctx, progress, Purpose::KeepRecord, &recall.environment).await?;
            production::recall_production(self.context(progress), &recall).await
        })
        .await
    }

    /// See [`production::record_production()`].
    #[activity(definition = definitions::RecordProduction)]
    pub async fn record_production(self: Arc<Self>, ctx: ActivityContext, record: RecordInput) -> Result<Recorded> {
        heartbeating(&ctx, async |progress| {
            let admission = self.admit_inside(&ctx, progress, Purpose::KeepRecord, &record.environment).await?;
            admission.check_objects(record.marks.iter().map(|mark| &*mark.stored_release))?;
            production::record_production(self.context(progress), &record).await
        })
        .await
    }

    /// See [`proof::check_proof()`]. It answers every caller: a proof and its check change nothing.
    #[activity(definition = definitions::CheckProof)]
    pub async fn check_proof(self: Arc<Self>, _ctx: ActivityContext, check: CheckProofInput) -> Result<ProofChecked> {
        Ok(proof::check_proof(&self.settings.proof_keys, &check))
    }

    /// See [`release::apply_stored()`].
    #[activity(definition = definitions::ApplyRelease)]
    pub async fn apply_release(self: Arc<Self>, ctx: ActivityContext, input: ApplyStoredInput) -> Result<Applied> {
        heartbeating(&ctx, async |progress| {
            let applied = self.admitted_apply_release(&ctx, progress, &input).await;
            applied.map_err(|failure| failure.of_attempt(ctx.info().attempt))
        })
        .await
    }

    /// See [`rollout::await_rollout()`].
    #[activity(definition = definitions::AwaitRollout)]
    pub async fn await_rollout(self: Arc<Self>, ctx: ActivityContext, wait: AwaitInput) -> Result<Awaited> {
        heartbeating(&ctx, async |progress| {
            self.admit_wait(&ctx, progress, &wait).await?;
            let outcome = rollout::await_rollout(self.context(progress), wait).await?;
            Ok(Awaited { outcome, seen_from_ms: progress.seen_from_ms(), notes: progress.notes() })
        })
        .await
    }

    /// See [`gates::check_gates()`].
    #[activity(definition = definitions::CheckGates)]
    pub async fn check_gates(self: Arc<Self>, ctx: ActivityContext, check: CheckGatesInput) -> Result<GatesChecked> {
        heartbeating(&ctx, async |progress| {
            self.admit_gates(&ctx, progress, &check).await?;
            let namespace = &check.environment.namespace;
            let release = StoredRelease::load(&self.client, namespace, &check.stored_release).await?;
            let checked = gates::check_gates(self.context(progress), check, &release).await?;
            Ok(GatesChecked { seen_from_ms: progress.seen_from_ms(), ..checked })
        })
        .await
    }

    /// See [`release::prune()`].
    #[activity(definition = definitions::Prune)]
    pub async fn prune(self: Arc<Self>, ctx: ActivityContext, input: PruneInput) -> Result<Pruned> {
        heartbeating(&ctx, async |progress| {
            let admission = self.admit_inside(&ctx, progress, Purpose::RollOut, &input.environment).await?;
            admission.check_objects([&*input.stored_release])?;
            release::prune(self.context(progress), &input).await
        })
        .await
    }

    /// See [`environment::delete_environment()`].
    #[activity(definition = definitions::DeleteEnvironment)]
    pub async fn delete_environment(self: Arc<Self>, ctx: ActivityContext, input: DeleteInput) -> Result<LeakReport> {
        heartbeating(&ctx, async |progress| {
            // Its namespaces and cluster-scoped objects are found by the workflow's labels, whatever the input names.
            self.admit(&ctx, progress, Purpose::TearDown, &input.environment)?;
            environment::delete_environment(self.context(progress), &input).await
        })
        .await
    }

    /// See [`script::start_script()`].
    #[activity(definition = definitions::StartScript)]
    pub async fn start_script(self: Arc<Self>, ctx: ActivityContext, start: StartScriptInput) -> Result<ScriptStarted> {
        heartbeating(&ctx, async |progress| {
            self.admit_script_start(&ctx, progress, &start).await?;
            let app = self.app(&start.environment.app).await?;
            script::start_script(self.context(progress), &app, &start).await
        })
        .await
    }

    /// See [`script::await_script()`].
    #[activity(definition = definitions::AwaitScript)]
    pub async fn await_script(self: Arc<Self>, ctx: ActivityContext, wait: AwaitScriptInput) -> Result<ScriptOutcome> {
        heartbeating(&ctx, async |progress| {
            self.admit_script(&ctx, progress, &wait.environment, &wait.started.job).await?;
            script::await_script(self.context(progress), wait).await
        })
        .await
    }

    /// See [`script::remove_script()`].
    #[activity(definition = definitions::RemoveScript)]
    pub async fn remove_script(
        self: Arc<Self>,
        ctx: ActivityContext,
        remove: RemoveScriptInput,
    ) -> Result<ScriptRemoved> {
        heartbeating(&ctx, async |progress| {
            self.admit_script(&ctx, progress, &remove.environment, &remove.job).await?;
            script::remove_script(self.context(progress), &remove).await
        })
        .await
    }
}

//! The plan of a release: what it would change, before its first write.

use std::{pin::pin, time::Duration};

use futures::FutureExt;
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::{
    ProductionEnvironment,
    inbox::number,
    state::{Planned, State, Step},
};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        environment::{Environment, EnvironmentKind},
        load_app::{LoadAppInput, LoadedApp, ProductionRules},
        phase::{Failed, PastRollout},
        plan::{PlanReleaseInput, PlannedRelease},
        preparation::SyncedSecrets,
        production::Production,
        production_record::{FailedRelease, QueuedRelease},
        rollout_input::DEPLOY_ID_EPOCH_SECONDS,
        signals::DeployOutcome,
        verdict::{FailureType, Verdict},
    },
    environment::answers::detached,
    failure::{self, Unfinished},
};

impl ProductionEnvironment {
    /// Plans the queued release. A release that is refused fails. Anything else is waited out, and `status` says why: a
    /// namespace that nobody has made, a token that is refused, an outage.
    pub(super) async fn plan(ctx: &WorkflowContext<Self>, production: &Production, queued: QueuedRelease) {
        let now = now_ms(ctx);
        let queued = ctx.state_mut(|s| s.state.number_deploy(queued, now));
        let (token, until) = (WorkflowCancellationToken::new(), WorkflowCancellationToken::new());
        let mut planning = pin!(Self::make_plan(ctx, production, &queued, &token).fuse());
        let mut moot = pin!(Self::until_moot(ctx, &queued, &until).fuse());
        let planned = select! {
            planned = planning => {
                until.cancel();
                planned
            }
            () = moot => {
                token.cancel();
                return;
            }
        };
        match planned {
            Ok((loaded, planned)) => ctx.state_mut(|s| s.state.take_plan(&queued, &loaded, planned)),
            Err(Unfinished::Failed(verdict)) if verdict.failure.is_refusal() => {
                ctx.state_mut(|s| s.state.fail_plan(&queued, *verdict));
            }
            Err(why) => Self::try_later(ctx, Step::Plan, &why),
        }
    }

    /// Waits until a plan has to give way: to a rollback by hand, to a newer release, or to the next try of a rollback that
    /// has failed. `until` cancels the timer for that.
    async fn until_moot(ctx: &WorkflowContext<Self>, planned_for: &QueuedRelease, until: &WorkflowCancellationToken) {
        let mut moot = ctx.wait_condition_with_options(|s| s.state.is_plan_moot(planned_for), detached());
        let due_ms = ctx.state(|s| s.state.record.recovery.as_ref().map(|recovery| recovery.next_ms));
        let Some(due_ms) = due_ms else {
            let _ = moot.await;
            return;
        };
        let pause = Duration::from_millis(due_ms.saturating_sub(now_ms(ctx)));
        let timer = TimerOptions::builder(pause).cancellation_token(until.clone());
        select! {
            _ = moot => until.cancel(),
            _ = ctx.timer(timer.summary("before the rollback is tried again".to_owned()).build()) => {}
        }
    }

    async fn make_plan(
        ctx: &WorkflowContext<Self>,
        production: &Production,
        queued: &QueuedRelease,
        token: &WorkflowCancellationToken,
    ) -> Result<(LoadedApp, PlannedRelease), Unfinished> {
        let what = format!("release {} of {}", number(&queued.release), production.app);
        let kind = EnvironmentKind::Production;
        let load = LoadAppInput::names(&production.app, kind, &production.workflow_id()).of_release(&queued.release);
        let loaded = ctx
            .execute_activity(activities::LoadApp, load, options::load_app(token, format!("the app file, for {what}")))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::UnknownApp))?;
        let environment = ctx.state_mut(|s| s.state.take_names(loaded.environment.clone()))?;

        // The namespace comes first: the secrets are stored in it.
        Self::ensure_namespace(ctx, &environment, token).await?;

        let secrets = Self::sync_secrets(ctx, &environment, token).await?;
        let (serving, keep, keep_proven) = ctx.state(|s| {
            let serving = s.state.record.live.as_ref().map(|live| live.stored_release.clone());
            (serving, Some(s.state.kept()), s.state.kept_proven())
        });
        let QueuedRelease { release, deploy_id, .. } = queued.clone();
        let plan = PlanReleaseInput { environment, release, deploy_id, secrets, serving, keep, keep_proven };
        let planned = ctx
            .execute_activity(activities::PlanRelease, plan, options::plan_release(token, format!("plan {what}")))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))?;
        Ok((loaded, planned))
    }

    /// Finds the namespace, which a person has made, and gives the worker its rights in it.
    pub(super) async fn ensure_namespace(
        ctx: &WorkflowContext<Self>,
        environment: &Environment,
        token: &WorkflowCancellationToken,
    ) -> Result<(), Unfinished> {
        let options = options::ensure_namespace(token, format!("namespace {}", environment.namespace));
        let ready = ctx.execute_activity(activities::EnsureNamespace, environment.clone(), options).await;
        ready.map(drop).map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))
    }

    /// Doppler's secrets as they are now, stored in the namespace.
    pub(super) async fn sync_secrets(
        ctx: &WorkflowContext<Self>,
        environment: &Environment,
        token: &WorkflowCancellationToken,
    ) -> Result<SyncedSecrets, Unfinished> {
        let summary = format!("secrets of {} from Doppler", environment.app);
        let options = options::sync_secrets(token, summary);
        let synced = ctx.execute_activity(activities::SyncSecrets, environment.clone(), options).await;
        synced.map_err(|e| failure::from_activity(&e, FailureType::SecretsUnavailable))
    }
}

impl State {
    /// Gives the queued release its `KUBE_DEPLOY_ID`. It keeps it in all its plans, so that they can be compared.
    fn number_deploy(&mut self, mut planned: QueuedRelease, now_ms: u64) -> QueuedRelease {
        if planned.deploy_id == 0 {
            let seconds = (now_ms / 1000).saturating_sub(DEPLOY_ID_EPOCH_SECONDS);
            planned.deploy_id = seconds.max(self.book.last_deploy_id + 1);
            self.book.last_deploy_id = planned.deploy_id;
        }
        if let Some(queued) = &mut self.record.queued
            && queued.release.number == planned.release.number
        {
            queued.deploy_id = planned.deploy_id;
        }
        planned
    }

    /// Whether a plan is not wanted any more: a rollback comes first, production is frozen, or another release is queued.
    fn is_plan_moot(&self, planned_for: &QueuedRelease) -> bool {
        let is_queued = self.record.queued.as_ref().is_some_and(|queued| is_same(queued, planned_for));
        self.record.rollback.is_some() || self.record.frozen.is_some() || !is_queued
    }

    /// Takes the names of the app file over. The namespace stays the same: production is never moved by an edit.
    fn take_names(&mut self, mut environment: Environment) -> Result<Environment, Unfinished> {
        if let Some(before) = &self.book.environment {
            if self.record.live.is_some() && before.namespace != environment.namespace {
                let message = format!(
                    "the app file names the namespace {}, but production is in {}",
                    environment.namespace, before.namespace
                );
                return Err(Verdict::new(FailureType::ManifestInvalid, message)
                    .advise("berth does not move production; put the old name back")
                    .into());
            }
            environment.namespace_uid.clone_from(&before.namespace_uid);
            environment.cluster_objects.clone_from(&before.cluster_objects);
        }
        self.book.environment = Some(environment.clone());
        Ok(environment)
    }

    /// Takes the rules of the app file over. A prune needs them, also before the first plan of a run.
    pub(super) fn take_rules(&mut self, loaded: &LoadedApp) -> ProductionRules {
        let rules = loaded.production.clone().unwrap_or_default();
        self.keep_releases = Some(rules.keep_releases);
        self.github.clone_from(&loaded.github);
        self.app_timings = loaded.timings;
        rules
    }

    /// Takes a plan over, unless a newer release is queued meanwhile. An approval of another plan is void.
    fn take_plan(&mut self, planned_for: &QueuedRelease, loaded: &LoadedApp, planned: PlannedRelease) {
        self.forget_trouble(Step::Plan);
        let rules = self.take_rules(loaded);
        let Some(queued) = self.record.queued.as_mut().filter(|queued| is_same(queued, planned_for)) else { return };
        if let Some(environment) = &mut self.book.environment {
            environment.record_cluster_objects(planned.cluster_objects.clone());
        }
        let planned = Planned {
            release: queued.release.number.unwrap_or_default(),
            serving: self.record.live.as_ref().map(|live| live.stored_release.clone()),
            planned,
            needs_approval: rules.needs_approval,
            needs_proof: rules.needs_proof,
            is_stale: false,
        };
        if let Some(approval) = queued.approval.take_if(|approval| !planned.accepts(approval)) {
            let (number, by) = (number(&queued.release), approval.by.as_str());
            let why = planned.why_not(&approval);
            self.notes.add(format!("the approval of release {number} by {by} is void: {why}"));
        }
        self.planned = Some(planned);
    }

    /// Records a release that was refused before its first write. What serves goes on.
    fn fail_plan(&mut self, planned_for: &QueuedRelease, verdict: Verdict) {
        self.forget_trouble(Step::Plan);
        let Some(queued) = self.record.queued.take_if(|queued| is_same(queued, planned_for)) else { return };
        self.planned = None;
        let release = queued.release;
        self.book.remember(PastRollout {
            number: 0,
            commit: release.commit.to_string(),
            outcome: DeployOutcome::Failed,
            author: release.author.clone(),
            ms: 0,
            failure: Some(verdict.failure.to_string()),
            release: release.number,
            rollback: false,
        });
        let failed = Failed { release, rollout: None, verdict };
        self.set_failed(Some(FailedRelease { failed, is_rolled_back: false }));
    }
}

fn is_same(queued: &QueuedRelease, other: &QueuedRelease) -> bool {
    queued.release == other.release
}

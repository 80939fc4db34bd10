//! A rollout makes a release serve, from the app file to the last gate. It is a row of its own in temporal-ui.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, workflows::join};

use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        apply::PruneInput,
        checks::{AwaitInput, CheckGatesInput, GatePassed, Outcome},
        environment::EnvironmentKind,
        lenient::Lenient,
        rollout::{Made, RolledOut, RolloutStatus, RolloutStep, StepTime},
        rollout_input::RolloutInput,
        timings::{AppTimings, Timings},
        verdict::FailureType,
    },
    environment::{admission::check_child, carry::unreadable_input},
    failure::{self, Unfinished},
};

mod apply;
mod database;
mod end;
mod gone;
mod observe;
mod prepare;
mod report;

/// Makes a release serve in an environment. Only an environment's workflow may start it.
#[workflow]
pub struct Rollout {
    input: Result<RolloutInput, String>,
    step: RolloutStep,
    /// The cause of the wait, if it is not the usual one of the step.
    waiting_for: Option<String>,
    /// Why nothing can be seen of the release, while that is so.
    not_observed: Option<String>,
    /// Unix time in milliseconds from which the last look at the release saw something, if it did.
    seen_from_ms: Option<u64>,
    step_since_ms: u64,
    steps: Vec<StepTime>,
    made: Made,
    /// The deploy id that the rollout goes on with, if it is not the one of its input.
    deploy_id: Option<u64>,
    /// Remarks for a person.
    notes: Vec<String>,
    /// The time limits of the app file, once they are read.
    app_timings: Option<AppTimings>,
    /// The wait for the workloads, once it has begun.
    waited: Option<AwaitInput>,
    /// Whether this rollout made the namespace.
    namespace_is_new: bool,
}

#[workflow_methods]
impl Rollout {
    #[init]
    fn new(_ctx: &WorkflowContextView, input: Lenient<RolloutInput>) -> Self {
        Self {
            input: input.0,
            step: RolloutStep::LoadingApp,
            waiting_for: None,
            not_observed: None,
            seen_from_ms: None,
            step_since_ms: 0,
            steps: Vec::new(),
            made: Made::default(),
            deploy_id: None,
            notes: Vec::new(),
            app_timings: None,
            waited: None,
            namespace_is_new: false,
        }
    }

    #[run(name = "Rollout")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<RolledOut> {
        let rollout = Self::admit(ctx)?;
        match Self::roll_out(ctx, &rollout).await {
            Ok(rolled_out) => Ok(Self::succeed(ctx, &rollout, rolled_out)),
            // The stop is the reason, whatever an activity reported meanwhile.
            Err(_) if ctx.cancellation_token().is_cancelled() => Err(Self::stop(ctx, &rollout).await),
            Err(Unfinished::Failed(verdict)) => Err(Self::fail(ctx, &rollout, *verdict)),
            Err(Unfinished::Cancelled) => Err(Self::stop(ctx, &rollout).await),
        }
    }

    /// How far the rollout is.
    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> RolloutStatus {
        RolloutStatus {
            step: self.step,
            waiting_for: self.waiting_for.clone().unwrap_or_else(|| self.step.waits_for().to_owned()),
            made: self.made.clone(),
            steps: self.steps.clone(),
        }
    }
}

impl Rollout {
    async fn roll_out(ctx: &mut WorkflowContext<Self>, rollout: &RolloutInput) -> Result<RolledOut, Unfinished> {
        // 1. Apply the release: the manifests as they are now, or a release that is stored already.
        let (rollout, applied, secrets) = Self::apply(ctx, rollout).await?;
        let rollout = &rollout;

        // 2. Wait until every workload serves the release, or until it is clear that it will not.
        Self::begin_step(ctx, rollout, RolloutStep::AwaitingRollout);
        let wait = AwaitInput::new(rollout, Self::timings(ctx, rollout), &applied, &secrets, now_ms(ctx));
        ctx.state_mut(|s| s.waited = Some(wait.clone()));
        let (awaited, ()) = join!(Self::await_rollout(ctx, rollout, wait), Self::report_step(ctx, rollout));
        awaited?;
        ctx.state_mut(|s| s.made.serves = true);

        // 3. Check the gates.
        Self::begin_step(ctx, rollout, RolloutStep::CheckingGates);
        let check = CheckGatesInput::new(rollout, &Self::timings(ctx, rollout), &applied, &secrets);
        let gates = Self::report_step_if_slow(ctx, rollout, Self::check_gates(ctx, rollout, check)).await?;

        // 4. Only now remove the objects that the previous release had and this one does not have. A namespace that was
        //    made for this rollout has none.
        let pruned = if rollout.number == 1 && ctx.state(|s| s.namespace_is_new) {
            Vec::new()
        } else {
            Self::begin_step(ctx, rollout, RolloutStep::Pruning);
            Self::prune(ctx, rollout, &applied.stored_release).await?
        };

        Self::end_step(ctx);
        let (made, notes, steps) = ctx.state(|s| (s.made.clone(), s.notes.clone(), s.steps.clone()));
        Ok(RolledOut { url: rollout.environment.url(), made, plan: applied.plan, gates, pruned, notes, steps })
    }

    /// Refuses an input that is not one, and a rollout that its environment has not started.
    fn admit(ctx: &WorkflowContext<Self>) -> Result<RolloutInput, WorkflowTermination> {
        let rollout = ctx.state(|s| s.input.clone()).map_err(|why| unreadable_input(ctx, "-rollout-", &why))?;
        let (input, expected) = (format!("rollout {}", rollout.number), rollout.workflow_id());
        check_child(ctx, "Rollout", &rollout.environment.workflow_id, (&input, &expected))?;
        Ok(rollout)
    }

    async fn await_rollout(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        wait: AwaitInput,
    ) -> Result<(), Unfinished> {
        let names: Vec<_> = wait.workloads.iter().map(|workload| workload.name.as_str()).collect();
        let summary = format!("wait for {} to serve {}", names.join(", "), rollout.release.commit.short());
        Self::until_observed(ctx, rollout, async |again| {
            let now_ms = now_ms(ctx);
            let wait = if again { wait.again(now_ms) } else { wait.clone() };
            let options = options::await_rollout(&ctx.cancellation_token(), summary.as_str(), wait.longest(now_ms));
            let awaited = ctx.execute_activity(activities::AwaitRollout, wait, options).await;
            let awaited = awaited.map_err(|e| failure::from_observation(&e))?;
            ctx.state_mut(|s| s.notes.extend(awaited.notes));
            Self::complete(ctx, awaited.outcome, awaited.seen_from_ms)
        })
        .await
    }

    async fn check_gates(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        check: CheckGatesInput,
    ) -> Result<Vec<GatePassed>, Unfinished> {
        let summary = format!("gates of {}", rollout.environment.app);
        Self::until_observed(ctx, rollout, async |again| {
            let check = if again { check.again() } else { check.clone() };
            let besides = check.stability_seconds + check.unobserved_seconds;
            let options = options::check_gates(&ctx.cancellation_token(), summary.as_str(), besides);
            let checked = ctx.execute_activity(activities::CheckGates, check, options).await;
            let checked = checked.map_err(|e| failure::from_observation(&e))?;
            Self::complete(ctx, checked.outcome, checked.seen_from_ms)?;
            Ok(checked.gates)
        })
        .await
    }

    /// Takes the end of a look at the release, which saw something from then on.
    fn complete(ctx: &WorkflowContext<Self>, outcome: Outcome, seen_from_ms: u64) -> Result<(), Unfinished> {
        let known = |ms: u64| Some(ms).filter(|ms| *ms > 0);
        ctx.state_mut(|s| s.seen_from_ms = known(seen_from_ms));
        match outcome {
            Outcome::Complete => Ok(()),
            Outcome::Failed { verdict } => Err(verdict.into()),
            Outcome::NotObserved { reason, since_ms } => Err(failure::not_observed(reason, known(since_ms))),
        }
    }

    /// Removes the leftovers of earlier releases. The release serves already: a failure is a note, and the next prune
    /// removes them. In production it fails if it is overtaken: another writer has the objects, so the release is not proven.
    async fn prune(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        stored_release: &str,
    ) -> Result<Vec<String>, Unfinished> {
        let summary = format!("remove what {} no longer has", rollout.release.commit.short());
        let prune = PruneInput::new(rollout, stored_release);
        let pruned = ctx
            .execute_activity(activities::Prune, prune, options::prune(&ctx.cancellation_token(), summary))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied));
        match pruned {
            Ok(pruned) => {
                let stays =
                    |object: &String| format!("{object} is not in the release any more, and stays with its data");
                ctx.state_mut(|s| {
                    s.made.cluster_objects = pruned.cluster_objects;
                    s.notes.extend(pruned.reported.iter().map(stays));
                });
                Ok(pruned.removed)
            }
            Err(Unfinished::Failed(verdict))
                if verdict.failure == FailureType::Overtaken
                    && rollout.environment.kind == EnvironmentKind::Production =>
            {
                let overtaken = Unfinished::Failed(verdict);
                Self::report_overtaken(ctx, rollout, &overtaken).await;
                Err(overtaken)
            }
            Err(Unfinished::Failed(verdict)) if !ctx.cancellation_token().is_cancelled() => {
                let note = format!("leftovers of earlier releases were not removed: {}", verdict.headline());
                ctx.state_mut(|s| {
                    s.notes.push(note);
                    // Objects of earlier releases may still exist, and must go with the environment.
                    let mut known = rollout.environment.clone();
                    known.record_cluster_objects(std::mem::take(&mut s.made.cluster_objects));
                    s.made.cluster_objects = known.cluster_objects;
                });
                Ok(Vec::new())
            }
            Err(unfinished) => Err(unfinished),
        }
    }

    /// Enters a step.
    fn begin_step(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, step: RolloutStep) {
        Self::end_step(ctx);
        ctx.state_mut(|s| {
            s.step = step;
            s.waiting_for = None;
        });
        ctx.set_current_details(format!("Rolling out `{}`: waits for {}.", rollout.release.commit, step.waits_for()));
    }

    /// Records the duration of the current step.
    fn end_step(ctx: &WorkflowContext<Self>) {
        let now = now_ms(ctx);
        ctx.state_mut(|s| {
            if s.step_since_ms > 0 {
                s.steps.push(StepTime { step: s.step, ms: now.saturating_sub(s.step_since_ms) });
            }
            s.step_since_ms = now;
        });
    }

    /// The time limits in force.
    fn timings(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) -> Timings {
        let app = ctx.state(|s| s.app_timings).or(rollout.app_timings);
        rollout.timings.in_force(app.as_ref())
    }
}

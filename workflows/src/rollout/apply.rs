//! The apply of a release: of the manifests as they are now, or of a release that is stored already.

use temporalio_workflow::WorkflowContext;

use super::Rollout;
use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        apply::{Applied, ApplyInput, ApplyStoredInput},
        environment::{ClusterObject, EnvironmentKind},
        preparation::SyncedSecrets,
        rollout::RolloutStep,
        rollout_input::{DEPLOY_ID_BOUND, RolloutInput, StoredSource},
        verdict::FailureType,
    },
    failure::{self, Unfinished},
};

/// How often a rollout begins its apply again with a higher deploy id. Nothing in berth raises one twice.
const TRIES: usize = 3;

impl Rollout {
    /// Applies the release: the manifests as they are now, or a release that is stored already. Returns the rollout with
    /// the deploy id that it went on with.
    ///
    /// Its environment has stopped every other rollout, so a preview goes on if an object carries a higher deploy id: the
    /// label was changed, or the environment's last id was lost. In production somebody may have restored an earlier
    /// release by hand, which is not overwritten. The environment is told the id, so that its next rollout has a higher one.
    pub(super) async fn apply(
        ctx: &mut WorkflowContext<Self>,
        rollout: &RolloutInput,
    ) -> Result<(RolloutInput, Applied, SyncedSecrets), Unfinished> {
        let mut rollout = rollout.clone();
        let mut tries = 1;
        loop {
            let applied = match rollout.source.stored() {
                None => Self::apply_manifests(ctx, &rollout).await,
                Some(stored) => Self::apply_release(ctx, &rollout, stored).await,
            };
            let overtaken = match applied {
                Ok((applied, secrets)) => return Ok((rollout, applied, secrets)),
                Err(unfinished) => unfinished,
            };
            let Some(deploy_id) = Self::report_overtaken(ctx, &rollout, &overtaken).await else {
                return Err(overtaken);
            };
            let is_production = rollout.environment.kind == EnvironmentKind::Production;
            if is_production || tries == TRIES || ctx.cancellation_token().is_cancelled() {
                return Err(overtaken);
            }
            rollout.deploy_id = deploy_id;
            tries += 1;
        }
    }

    /// Tells the environment the next deploy id above the one that an object carries, if that is why the rollout did not
    /// go on. Returns it.
    pub(super) async fn report_overtaken(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        unfinished: &Unfinished,
    ) -> Option<u64> {
        let deploy_id = higher_deploy_id(unfinished)?;
        ctx.state_mut(|s| s.deploy_id = Some(deploy_id));
        Self::report_step(ctx, rollout).await;
        Some(deploy_id)
    }

    /// Renders the manifests as they are now and applies them, with the secrets as they are now.
    async fn apply_manifests(
        ctx: &mut WorkflowContext<Self>,
        rollout: &RolloutInput,
    ) -> Result<(Applied, SyncedSecrets), Unfinished> {
        // 1. Read the app file as it is now, which must allow the image. Cluster-scoped objects are recorded before they
        //    are made.
        Self::begin_step(ctx, rollout, RolloutStep::LoadingApp);
        let tracked = Self::load_app(ctx, rollout).await?;

        // 2. Make the namespace and fetch the secrets, at the same time: neither needs the other.
        Self::begin_step(ctx, rollout, RolloutStep::Preparing);
        let secrets = Self::prepare(ctx, rollout).await?;

        // 3. Apply the manifests, and store the release as rendered.
        Self::begin_step(ctx, rollout, RolloutStep::Applying);
        let applied = Self::apply_rendered(ctx, rollout, tracked, secrets.clone()).await?;
        Ok((applied, secrets))
    }

    async fn apply_rendered(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        tracked: Vec<ClusterObject>,
        secrets: SyncedSecrets,
    ) -> Result<Applied, Unfinished> {
        let summary = format!("apply {} to {}", rollout.release.commit.short(), rollout.environment.namespace);
        let mut deploy = rollout.clone();
        deploy.environment.record_cluster_objects(tracked);
        Self::until_gone(ctx, rollout, async |waited_for| {
            let apply = ApplyInput { deploy: deploy.clone(), secrets: secrets.clone(), waited_for };
            Self::until_observed(ctx, rollout, async |_| {
                let options = options::apply_manifests(&ctx.cancellation_token(), summary.as_str());
                let applied = ctx.execute_activity(activities::ApplyManifests, apply.clone(), options).await;
                let applied = applied.map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied));
                Self::record_applied(ctx, applied)
            })
            .await
        })
        .await
    }

    /// Applies a release that is stored already, with the secrets that it names.
    async fn apply_release(
        ctx: &mut WorkflowContext<Self>,
        rollout: &RolloutInput,
        stored: &StoredSource,
    ) -> Result<(Applied, SyncedSecrets), Unfinished> {
        Self::begin_step(ctx, rollout, RolloutStep::Applying);
        let back = if stored.rollback { " again" } else { "" };
        let summary = format!("apply {}{back} to {}", rollout.release.commit.short(), rollout.environment.namespace);
        let applied = Self::until_gone(ctx, rollout, async |waited_for| {
            let apply = ApplyStoredInput {
                deploy: rollout.clone(),
                stored_release: stored.stored_release.clone(),
                rollback: stored.rollback,
                waited_for,
            };
            Self::until_observed(ctx, rollout, async |_| {
                let options = options::apply_manifests(&ctx.cancellation_token(), summary.as_str());
                let applied = ctx.execute_activity(activities::ApplyRelease, apply.clone(), options).await;
                Self::record_applied(ctx, applied.map_err(|e| failure::from_stored(&e)))
            })
            .await
        })
        .await?;
        ctx.state_mut(|s| s.made.secrets = Some(stored.secrets.clone()));
        Ok((applied, stored.secrets.clone()))
    }

    /// Records what is known of the environment after the apply, however it ended.
    fn record_applied(
        ctx: &WorkflowContext<Self>,
        applied: Result<Applied, Unfinished>,
    ) -> Result<Applied, Unfinished> {
        ctx.state_mut(|s| {
            s.made.stored_release = applied
                .as_ref()
                .ok()
                .map(|applied| applied.stored_release.clone())
                .or_else(|| s.made.stored_release.take());
            s.made.touched |= may_be_applied(&applied);
        });
        applied
    }
}

/// Whether objects of the release may be in the environment after its apply.
fn may_be_applied(applied: &Result<Applied, Unfinished>) -> bool {
    match applied {
        // An overtaken apply names what all its attempts wrote. A refusal names what could not be put back, unless an attempt
        // before it was cut off. Any other failure may have come half way.
        Err(Unfinished::Failed(verdict)) => {
            let names_all = match verdict.failure {
                FailureType::Overtaken => true,
                other => other.is_refusal() && !verdict.retried,
            };
            !verdict.mixed.is_empty() || !names_all
        }
        Ok(applied) => applied.waits_for.is_none(),
        Err(Unfinished::Cancelled) => true,
    }
}

/// The deploy id that is higher than the one that an object carries, if that is why the apply was refused.
fn higher_deploy_id(unfinished: &Unfinished) -> Option<u64> {
    let Unfinished::Failed(verdict) = unfinished else { return None };
    let met = verdict.met_deploy_id.filter(|_| verdict.failure == FailureType::Overtaken)?;
    met.checked_add(1).filter(|id| *id < DEPLOY_ID_BOUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{apply::Plan, verdict::Verdict};

    #[test]
    fn only_a_refusal_of_the_first_attempt_leaves_nothing_behind() {
        let refused = || Verdict::new(FailureType::AdmissionDenied, "no");
        for (verdict, expected) in [
            (refused(), false),
            (Verdict { retried: true, ..refused() }, true),
            (Verdict { retried: true, ..Verdict::new(FailureType::Overtaken, "newer") }, false),
            (Verdict { mixed: vec!["Deployment/web".into()], ..refused() }, true),
            (Verdict::new(FailureType::KubernetesDenied, "no"), true),
        ] {
            assert_eq!(may_be_applied(&Err(verdict.clone().into())), expected, "{verdict:?}");
        }
        assert!(may_be_applied(&Err(Unfinished::Cancelled)));
        let applied = |waits_for: Option<&str>| Applied {
            stored_release: "berth-release-1".into(),
            plan: Plan::default(),
            workloads: Vec::new(),
            waits_for: waits_for.map(str::to_owned),
        };
        assert!(may_be_applied(&Ok(applied(None))) && !may_be_applied(&Ok(applied(Some("the old Job/x to be gone")))));
    }
}

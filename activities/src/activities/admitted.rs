//! The plan and the applies of a release, admitted first. A failure contains no value of the release's Secret.

use berth_workflows::contract::{
    apply::{Applied, ApplyInput, ApplyStoredInput},
    plan::{PlanReleaseInput, PlannedRelease},
};
use temporalio_sdk::activities::ActivityContext;

use super::Activities;
use crate::{failure::Failure, heartbeat::Progress, production, redaction::redacted_failure::hide_values_of, release};

impl Activities {
    /// See [`production::plan_release()`].
    pub(super) async fn admitted_plan(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        plan: &PlanReleaseInput,
    ) -> Result<PlannedRelease, Failure> {
        let app = self.admit_plan(ctx, progress, plan).await?;
        match production::plan_release(self.context(progress), &app, plan).await {
            Ok(planned) => Ok(planned),
            Err(failure) => {
                let namespace = &plan.environment.namespace;
                Err(hide_values_of(&plan.secrets.secret, &self.client, namespace, failure).await)
            }
        }
    }

    /// See [`release::apply_manifests()`].
    pub(super) async fn admitted_apply_manifests(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        input: &ApplyInput,
    ) -> Result<Applied, Failure> {
        let app = self.admit_apply(ctx, progress, input).await?;
        match release::apply_manifests(self.context(progress), &app, input).await {
            Ok(applied) => Ok(applied),
            Err(failure) => {
                let namespace = &input.deploy.environment.namespace;
                Err(hide_values_of(&input.secrets.secret, &self.client, namespace, failure).await)
            }
        }
    }

    /// See [`release::apply_stored()`].
    pub(super) async fn admitted_apply_release(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        input: &ApplyStoredInput,
    ) -> Result<Applied, Failure> {
        self.admit_apply_stored(ctx, progress, input).await?;
        production::check_begun(self.context(progress), input).await?;
        release::apply_stored(self.context(progress), input).await
    }
}

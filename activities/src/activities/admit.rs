//! The admission of an activity: the caller by Temporal's task information, the rest as [`crate::admission`] decides.

use berth_manifests::app::App;
use berth_workflows::contract::{
    apply::{ApplyInput, ApplyStoredInput, Workload},
    checks::{AwaitInput, CheckGatesInput},
    environment::Environment,
    plan::PlanReleaseInput,
    preparation::SyncedSecrets,
    production_record::FindRollbackInput,
    release::Release,
    script_job::StartScriptInput,
};
use temporalio_sdk::activities::ActivityContext;

use super::Activities;
use crate::{
    admission::{Admission, Caller, Owner, Purpose},
    failure::Failure,
    heartbeat::Progress,
};

impl Activities {
    /// Admits the caller, before anything is read on its behalf.
    pub(super) fn admit<'a>(
        &'a self,
        ctx: &ActivityContext,
        progress: &'a Progress,
        purpose: Purpose,
        environment: &'a Environment,
    ) -> Result<Admission<'a>, Failure> {
        let caller = caller_of(ctx);
        Admission::new(self.context(progress), caller, purpose, environment)
    }

    /// Admits the caller to the environment's own namespace, under its names.
    pub(super) async fn admit_inside<'a>(
        &'a self,
        ctx: &ActivityContext,
        progress: &'a Progress,
        purpose: Purpose,
        environment: &'a Environment,
    ) -> Result<Admission<'a>, Failure> {
        let admission = self.admit(ctx, progress, purpose, environment)?;
        admission.check_names(Owner::Environment, async || self.app(&environment.app).await).await?;
        Ok(admission)
    }

    /// Admits an activity that may come before the namespace, and that refuses a foreign one by itself. Returns the
    /// app.
    pub(super) async fn admit_preparation(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        environment: &Environment,
    ) -> Result<App, Failure> {
        let admission = self.admit(ctx, progress, Purpose::Prepare, environment)?;
        let app = self.app(&environment.app).await?;
        admission.check_names(Owner::CheckedLater, async || Ok(app.clone())).await?;
        Ok(app)
    }

    /// Admits an apply of the app's manifests. Returns the app.
    pub(super) async fn admit_apply(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        apply: &ApplyInput,
    ) -> Result<App, Failure> {
        let ApplyInput { deploy, secrets, .. } = apply;
        let admission = self.admit(ctx, progress, Purpose::RollOut, &deploy.environment)?;
        self.admit_rendering(&admission, &deploy.release, secrets, deploy.serving.as_deref()).await
    }

    /// Admits the plan of a release. Returns the app.
    pub(super) async fn admit_plan(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        plan: &PlanReleaseInput,
    ) -> Result<App, Failure> {
        let admission = self.admit(ctx, progress, Purpose::KeepRecord, &plan.environment)?;
        self.admit_rendering(&admission, &plan.release, &plan.secrets, plan.serving.as_deref()).await
    }

    /// Admits what the app's manifests are rendered with: names, images, variables, and the Secret with its address. Returns the
    /// app.
    async fn admit_rendering(
        &self,
        admission: &Admission<'_>,
        release: &Release,
        secrets: &SyncedSecrets,
        serving: Option<&str>,
    ) -> Result<App, Failure> {
        admission.check_objects(serving.into_iter().chain([&*secrets.secret]))?;
        let app = self.app(admission.app()).await?;
        admission.check_names(Owner::Environment, async || Ok(app.clone())).await?;
        admission.check_release(&app, release).await?;
        admission.check_address(&secrets.secret, &secrets.temporal_server_address).await?;
        Ok(app)
    }

    /// Admits the search for a release to roll back to. It may store one that runs with the current secrets.
    pub(super) async fn admit_rollback(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        find: &FindRollbackInput,
    ) -> Result<(), Failure> {
        let admission = self.admit_inside(ctx, progress, Purpose::KeepRecord, &find.environment).await?;
        let serving = find.serving.iter().flat_map(|serving| [&*serving.stored_release, &*serving.secrets.secret]);
        admission.check_objects(serving.chain(find.current.iter().map(|current| &*current.secret)))?;
        match &find.current {
            Some(current) => admission.check_address(&current.secret, &current.temporal_server_address).await,
            None => Ok(()),
        }
    }

    /// Admits an apply of a stored release. Its objects, images and Secret are those that were stored.
    pub(super) async fn admit_apply_stored(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        apply: &ApplyStoredInput,
    ) -> Result<(), Failure> {
        let admission = self.admit_inside(ctx, progress, Purpose::RollOut, &apply.deploy.environment).await?;
        admission.check_objects(apply.deploy.serving.as_deref().into_iter().chain([&*apply.stored_release]))?;
        admission.check_stored(&apply.stored_release).await
    }

    pub(super) async fn admit_wait(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        wait: &AwaitInput,
    ) -> Result<(), Failure> {
        let purpose = if wait.late { Purpose::LookLate } else { Purpose::RollOut };
        let admission = self.admit_inside(ctx, progress, purpose, &wait.environment).await?;
        admission.check_objects(names(&wait.workloads).chain([&*wait.secret]))
    }

    /// Admits a check of gates. It may send requests to an address, which must be the one in the environment's Secret.
    pub(super) async fn admit_gates(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        check: &CheckGatesInput,
    ) -> Result<(), Failure> {
        let admission = self.admit_inside(ctx, progress, Purpose::RollOut, &check.environment).await?;
        admission.check_objects(names(&check.workloads).chain([&*check.stored_release, &*check.secret]))?;
        match &check.temporal_server_address {
            Some(address) => admission.check_address(&check.secret, address).await,
            None => Ok(()),
        }
    }

    /// Admits the start of a script. A stored release that is not the environment's counts as none.
    pub(super) async fn admit_script_start(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        start: &StartScriptInput,
    ) -> Result<(), Failure> {
        let admission = self.admit_inside(ctx, progress, Purpose::RunScript, &start.environment).await?;
        admission.check_objects(start.stored_release.as_deref())?;
        admission.check_job(&start.job)
    }

    /// Admits a script run to its own Job.
    pub(super) async fn admit_script(
        &self,
        ctx: &ActivityContext,
        progress: &Progress,
        environment: &Environment,
        job: &str,
    ) -> Result<(), Failure> {
        let admission = self.admit_inside(ctx, progress, Purpose::RunScript, environment).await?;
        admission.check_job(job)
    }
}

/// Returns the caller, as the server's task information names it.
pub(crate) fn caller_of(ctx: &ActivityContext) -> Caller {
    let info = ctx.info();
    // An activity without a workflow may have an empty id.
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Caller { workflow_id: text(&info.workflow_id), workflow_type: text(&info.workflow_type) }
}

fn names(workloads: &[Workload]) -> impl Iterator<Item = &str> {
    workloads.iter().map(|workload| workload.name.as_str())
}

//! Messages to production of an app, and a question of it.

use std::ops::Deref;

use berth_workflows::{
    contract::{production::Production, production_answer::ProductionAnswer, production_status::ProductionStatus},
    production_environment::ProductionEnvironment,
};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use super::{
    question::{Question, not_yet, without_status},
    unsent::{Unsent, within_bound},
};
use crate::{
    envelope::Envelope,
    exit::Exit,
    poll,
    production::{
        decide::{self, People, Target},
        observe, output,
    },
    progress::Progress,
    seen::Seen,
};

type Run = <ProductionEnvironment as HasWorkflowDefinition>::Run;

/// Sends an update to production, and starts its workflow if it does not run.
///
/// # Errors
/// See [`Unsent`].
pub(crate) async fn send<U>(
    client: &Client,
    task_queue: &str,
    app: &str,
    (update, message): (U, U::Input),
) -> Result<ProductionAnswer, Unsent>
where
    U: UpdateDefinition<Workflow = Run, Output = ProductionAnswer>,
    U::Input: Send,
{
    let input = Production::new(app);
    let policy = WorkflowIdConflictPolicy::UseExisting;
    let options = WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), policy);
    let options = options.static_summary(format!("production of {app}")).build();
    let run = ProductionEnvironment::run;
    within_bound(client.execute_update_with_start_workflow(run, input.into(), update, message, options)).await
}

/// The status, or the end of the wait. A release that waits for a person ends it.
///
/// # Errors
/// Temporal or the worker does not answer.
pub(crate) async fn ask(client: &Client, app: &str, question: &Question) -> anyhow::Result<Envelope> {
    let id = Production::new(app).workflow_id();
    let handle = client.get_workflow_handle(&id);
    let Some(limit) = question.wait else {
        let status = observe::once(&handle, &id).await?;
        return status.map_or_else(|| Ok(output::not_found(app)), |status| output::from_status(&status));
    };
    let target = match (question.release, &question.commit) {
        (Some(release), _) => Target::Release(release),
        (None, Some(commit)) => Target::Commit(commit.clone()),
        (None, None) => Target::Newest,
    };
    let decide = |seen: Option<&Seen<ProductionStatus>>| {
        let status = seen.map(Deref::deref);
        let decision = decide::release(status, &target, People::EndTheWait);
        question.or_progress(decision, || observe::line(seen))
    };
    let observe = || observe::observe(&handle, &id);
    let waited = poll::until(limit, Progress::nowhere(), observe, |_| String::new(), decide).await?;
    if let Some(trouble) = waited.trouble {
        return Err(trouble);
    }
    let number = waited.status.as_ref().and_then(|status| decide::number_of(status, &target));
    match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, number, ending),
        (None, Some(ending)) => Ok(without_status(ending, output::not_found(app))),
        (Some(status), None) => Ok(not_yet(output::about(output::from_status(&status)?, &status, number), limit)),
        (None, None) => Ok(not_yet(Envelope::new("", Exit::Waiting), limit)),
    }
}

//! The status of production, asked once or until a wait is over.

use std::{ops::Deref, time::Duration};

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{production_status::ProductionStatus, release::Release},
    production_environment::ProductionEnvironment,
};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowHandle,
    WorkflowQueryOptions,
    errors::{WorkflowGetResultError, WorkflowQueryError},
};

use crate::{
    poll::{self, Decision, PATIENCE, Unobserved, Waited},
    progress::Progress,
    seen::{AsJson, Seen},
};

pub(crate) type Handle = WorkflowHandle<Client, ProductionEnvironment>;

/// Queries the status. None: nothing has been released yet.
pub(crate) async fn observe(handle: &Handle, id: &str) -> Result<Option<Seen<ProductionStatus>>, Unobserved> {
    let query = AsJson(ProductionEnvironment::status);
    match handle.query(query, (), WorkflowQueryOptions::default()).await {
        Ok(json) => {
            let status = Seen::read(json).with_context(|| format!("reading the status of {id}"));
            let status = status.map_err(Unobserved::Final)?;
            check_alive(handle, id).await.map(|()| Some(status))
        }
        Err(WorkflowQueryError::NotFound(_)) => Ok(None),
        Err(error) => Err(Unobserved::from_query(error, format!("querying {id}; does a worker poll its task queue?"))),
    }
}

/// Checks that the workflow has not been ended from outside: it would still answer, with its last status.
pub(super) async fn check_alive(handle: &Handle, id: &str) -> Result<(), Unobserved> {
    let described = handle.describe(WorkflowDescribeOptions::default()).await;
    let described = described.with_context(|| format!("describing {id}")).map_err(Unobserved::Passing)?;
    match described.status() {
        WorkflowExecutionStatus::Running | WorkflowExecutionStatus::ContinuedAsNew => Ok(()),
        WorkflowExecutionStatus::Failed => {
            Err(Unobserved::Final(anyhow!("{id} was refused: {}", why_failed(handle).await)))
        }
        ended => Err(Unobserved::Final(anyhow!(
            "{id} was ended from outside ({ended:?}); the next message starts it again, and it goes on as its namespace \
             remembers: berth production release, redeploy, freeze or rollback"
        ))),
    }
}

/// The message with which the workflow failed.
async fn why_failed(handle: &Handle) -> String {
    match handle.get_result(WorkflowGetResultOptions::default()).await {
        Err(WorkflowGetResultError::Failed(failure)) => failure.failure().message.clone(),
        _ => "temporal workflow result says why".to_owned(),
    }
}

/// Asks once.
///
/// # Errors
/// The status cannot be had.
pub(crate) async fn once(handle: &Handle, id: &str) -> anyhow::Result<Option<Seen<ProductionStatus>>> {
    observe(handle, id).await.map_err(Unobserved::into_error)
}

/// Asks until there is an answer, for the time that a restarted worker needs.
///
/// # Errors
/// The status cannot be had.
pub(super) async fn answered(handle: &Handle, id: &str) -> anyhow::Result<Option<Seen<ProductionStatus>>> {
    poll::answered(PATIENCE, || observe(handle, id)).await.map_err(Unobserved::into_error)
}

/// Asks until `decide` ends the wait, or the time is over. Shows each change, also in the log of a CI job.
///
/// # Errors
/// The status cannot be had, now or later.
pub(super) async fn until(
    handle: &Handle,
    id: &str,
    timeout: Duration,
    mut decide: impl FnMut(Option<&ProductionStatus>) -> Decision,
) -> anyhow::Result<Waited<Seen<ProductionStatus>>> {
    let decide = |seen: Option<&Seen<ProductionStatus>>| decide(seen.map(Deref::deref));
    poll::until(timeout, Progress::shown(), || observe(handle, id), line, decide).await
}

/// The line of progress for a status.
pub(crate) fn line(status: Option<&Seen<ProductionStatus>>) -> String {
    let Some(status) = status else { return "nothing has been released yet".to_owned() };
    let mut line = status.phase_name().to_owned();
    if let Some(rolling_out) = &status.rolling_out {
        let rollout = &rolling_out.rollout;
        line += &format!(": {} waits for {}", numbered(&rollout.release), rollout.waiting_for);
        if let Some(why) = &rollout.not_observed {
            line += &format!("; not observed: {why}");
        }
    }
    if let Some(queued) = &status.queued {
        line += &format!("; next: {} waits for {}", numbered(&queued.release), queued.waits_for);
    }
    line
}

/// `release 7 4f2a9c1`.
pub(super) fn numbered(release: &Release) -> String {
    let commit = release.commit.short();
    release.number.map_or_else(|| commit.to_owned(), |number| format!("release {number} {commit}"))
}

//! A push, a close and a question of the preview of a pull request.

use std::{ops::Deref, time::Duration};

use berth_workflows::{
    contract::{
        environment::PullRequest,
        signals::{Close, CloseAnswer, CloseOutcome, DeployAnswer, Push},
        status::Status,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions, errors::WorkflowUpdateError,
};

use super::{
    question::{Goal, Question, not_yet, without_status},
    unsent::{Unsent, within_bound},
};
use crate::{
    envelope::{Envelope, wire_name},
    exit::Exit,
    poll,
    preview::{output, summary, wait},
    progress::Progress,
    seen::Seen,
    temporal,
};

/// How long a deploy may take to be decided at once: skipped, or waiting for an approval.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Hands a push in, and starts the environment if it does not run. The outcome `sent` means that it goes on, and that the status
/// tells how.
///
/// # Errors
/// See [`Unsent`].
pub(crate) async fn deploy(
    client: &Client,
    task_queue: &str,
    input: &PullRequest,
    push: Push,
) -> Result<Envelope, Unsent> {
    let commit = push.commit.to_string();
    let started = temporal::until_taken(|| {
        let (run, start, push) = (PreviewEnvironment::run, input.clone().into(), push.clone().into());
        let (update, options) = (PreviewEnvironment::deploy, options(task_queue, input));
        client.start_update_with_start_workflow(run, start, update, push, options)
    });
    let handle = within_bound(started).await?;
    // Its answer comes with the end of the rollout, unless the push is decided at once.
    let answer: Option<DeployAnswer> = match tokio::time::timeout(AT_ONCE, handle.get_result(Default::default())).await
    {
        Err(_) => None,
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(WorkflowUpdateError::Failed(failure))) => return Err(Unsent::Refused(failure.message)),
        // The push has been accepted all the same.
        Ok(Err(_)) => None,
    };
    match answer {
        Some(answer) => output::from_answer(&answer).map_err(Unsent::Later),
        None => {
            let has = format!("{} has the push of {commit}", input.workflow_id());
            Ok(Envelope { commit: Some(commit), ..Envelope::sentence("sent", Exit::Done, has) })
        }
    }
}

/// Closes an environment, and starts it if it does not run: it may have left objects. The answer does not wait for the end.
///
/// # Errors
/// See [`Unsent`].
pub(crate) async fn close(
    client: &Client,
    task_queue: &str,
    input: &PullRequest,
    close: Close,
) -> Result<Envelope, Unsent> {
    let sending = temporal::until_taken(|| {
        let (run, start, close) = (PreviewEnvironment::run, input.clone().into(), close.clone().into());
        let (update, options) = (PreviewEnvironment::request_close, options(task_queue, input));
        client.execute_update_with_start_workflow(run, start, update, close, options)
    });
    let answer: CloseAnswer = within_bound(sending).await?;
    let exit = match answer.outcome {
        CloseOutcome::Closing => Exit::Done,
        CloseOutcome::Skipped => Exit::Skipped,
        CloseOutcome::Unknown => Exit::Waiting,
    };
    let envelope = Envelope { reason: answer.reason.clone(), ..Envelope::new(wire_name(&answer.outcome), exit) };
    envelope.with_data(&answer).map_err(Unsent::Later)
}

fn options(task_queue: &str, input: &PullRequest) -> WorkflowUpdateWithStartOptions {
    let policy = WorkflowIdConflictPolicy::UseExisting;
    let options = WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), policy);
    options.static_summary(summary(input)).build()
}

/// The status, or the end of the wait.
///
/// # Errors
/// Temporal or the worker does not answer.
pub(crate) async fn ask(client: &Client, input: &PullRequest, question: &Question) -> anyhow::Result<Envelope> {
    let id = input.workflow_id();
    let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
    let Some(limit) = question.wait else {
        let status = wait::once(&handle, &id).await?;
        return status.map_or_else(|| Ok(output::not_found(&id)), |status| output::from_status(&status));
    };
    let mut was_open = false;
    let decide = |seen: Option<&Seen<Status>>| {
        let status = seen.map(Deref::deref);
        let decision = match (question.goal, &question.commit) {
            (Goal::Gone, _) => wait::gone(status),
            (Goal::Live, None) => wait::live(status),
            (Goal::Live, Some(commit)) if question.seen.is_some() => wait::taken_commit(status, commit),
            (Goal::Live, Some(commit)) => wait::live_commit(status, commit, &mut was_open),
        };
        question.or_progress(decision, || wait::line(seen))
    };
    let observe = || wait::observe(&handle, &id);
    let waited = poll::until(limit, Progress::nowhere(), observe, |_| String::new(), decide).await?;
    if let Some(trouble) = waited.trouble {
        return Err(trouble);
    }
    let shown = match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, ending)?,
        (None, Some(ending)) => without_status(ending, output::not_found(&id)),
        (Some(status), None) => not_yet(output::from_status(&status)?, limit),
        (None, None) => not_yet(Envelope::new("", Exit::Waiting), limit),
    };
    Ok(match &question.commit {
        Some(commit) => output::about(shown, commit),
        None => shown,
    })
}

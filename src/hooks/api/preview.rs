//! Requests about the preview of a pull request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
};
use berth_workflows::{
    contract::{
        environment::PullRequest,
        proof::ProofAction,
        signals::{CloseOutcome, Push},
        status::Status,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{Client, WorkflowHandle};

use super::{
    Caller, believe, broken, failed,
    message::{self, About, signed},
    now,
    wait::{Goal, Question},
};
use crate::{
    envelope::{Envelope, wire_name},
    exit::Exit,
    hooks::{
        admit::{Admitted, PreviewAction, Wanted},
        answer::Answer,
        send::{self, Delivered},
        state::Hooks,
    },
    poll::{self, Unobserved},
    preview::{output, wait},
    progress::Progress,
};

/// `GET /v1/previews/{app}/{pr}`: the status, at once or when it has changed as asked for.
pub(in crate::hooks) async fn read(
    State(hooks): State<Arc<Hooks>>,
    Path((app, pr)): Path<(String, String)>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let answer = read_status(&hooks, (&app, &pr), parameters, &headers).await.unwrap_or_else(|why| why);
    hooks.metrics.count_request("previews", answer.status);
    answer
}

/// `POST /v1/previews/{app}/{pr}/{action}`: a push or a close.
pub(in crate::hooks) async fn send(
    State(hooks): State<Arc<Hooks>>,
    Path((app, pr, action)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    let answer = pass_on(&hooks, (&app, &pr), &action, request).await.unwrap_or_else(|why| why);
    hooks.metrics.count_request("previews", answer.status);
    answer
}

async fn read_status(
    hooks: &Hooks,
    (app, pr): (&str, &str),
    parameters: HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<Answer, Answer> {
    let input = pull_request(app, pr)?;
    let wanted = Wanted::Preview { pr: input.pr, action: PreviewAction::Read };
    let caller = believe(hooks, headers, app, wanted).await?;
    let question = Question::read(parameters).map_err(|why| Answer::refused(StatusCode::BAD_REQUEST, why))?;
    let id = input.workflow_id();
    let handle = caller.client.get_workflow_handle::<PreviewEnvironment>(&id);
    let envelope = answer_to(&question, &handle, &id).await.map_err(|error| failed(&error))?;
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
}

/// The status, or the end of the wait.
async fn answer_to(
    question: &Question,
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
) -> anyhow::Result<Envelope> {
    let Some(limit) = question.wait else {
        let status = wait::observe(handle, id).await?;
        return status.map_or_else(|| Ok(output::not_found(id)), |status| output::from_status(&status));
    };
    let mut was_open = false;
    let decide = |status: Option<&Status>| match (question.goal, &question.commit) {
        (Goal::Gone, _) => wait::gone(status),
        (Goal::Live, None) => wait::live(status),
        (Goal::Live, Some(commit)) => wait::live_commit(status, commit, &mut was_open),
    };
    let observe = || async { wait::observe(handle, id).await.map_err(Unobserved::Final) };
    let waited = poll::until(limit, Progress::nowhere(), observe, |_| String::new(), decide).await?;
    match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, ending),
        (None, Some(ending)) => {
            Ok(Envelope { outcome: ending.outcome, exit_code: ending.exit.code(), ..output::not_found(id) })
        }
        (Some(status), None) => Ok(not_yet(output::from_status(&status)?, limit)),
        (None, None) => Ok(not_yet(Envelope::new("", Exit::Waiting), limit)),
    }
}

/// The answer when the time of a request is over. The job asks again.
pub(super) fn not_yet(envelope: Envelope, after: Duration) -> Envelope {
    let reason = format!("not done after {after:?}: ask again");
    Envelope { outcome: "timed_out".to_owned(), exit_code: Exit::Waiting.code(), reason: Some(reason), ..envelope }
}

async fn pass_on(hooks: &Hooks, (app, pr): (&str, &str), action: &str, request: Request) -> Result<Answer, Answer> {
    let input = pull_request(app, pr)?;
    let (action, proof) = match action {
        "deploy" => (PreviewAction::Deploy, ProofAction::Deploy),
        "close" => (PreviewAction::Close, ProofAction::Close),
        _ => return Err(Answer::refused(StatusCode::NOT_FOUND, "the actions are deploy and close")),
    };
    let (head, body) = request.into_parts();
    let wanted = Wanted::Preview { pr: input.pr, action };
    let caller = believe(hooks, &head.headers, app, wanted).await?;
    let body = hooks.bodies.read(body, message::MAX_BYTES).await?.whole();
    let id = input.workflow_id();
    let about = About { environment: &id, action: proof, now: now() };
    let envelope = match (action, caller.admitted) {
        (PreviewAction::Close, Admitted::AsHint) => hint(&caller, &input).await?,
        (PreviewAction::Close, Admitted::Fully) => close(hooks, &caller, &input, &body, &about).await?,
        _ => deploy(hooks, &caller, &input, &body, &about).await?,
    };
    tracing::info!(workflow.id = %id, job.run_id = caller.claims.run_id, "{} of {id}: {}", proof.name(), envelope.outcome);
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
}

async fn deploy(
    hooks: &Hooks,
    Caller { client, claims, .. }: &Caller<'_>,
    input: &PullRequest,
    body: &[u8],
    about: &About<'_>,
) -> Result<Envelope, Answer> {
    let push: Push = signed(body, claims, &hooks.signing_key, about).map_err(unreadable)?;
    let commit = push.commit.to_string();
    match send::deploy(client, &hooks.task_queue, input, push).await? {
        Some(answer) => output::from_answer(&answer).map_err(|error| broken(&error)),
        None => {
            let sent =
                Envelope::sentence("sent", Exit::Done, format!("{} has the push of {commit}", about.environment));
            Ok(Envelope { commit: Some(commit), ..sent })
        }
    }
}

async fn close(
    hooks: &Hooks,
    Caller { client, claims, .. }: &Caller<'_>,
    input: &PullRequest,
    body: &[u8],
    about: &About<'_>,
) -> Result<Envelope, Answer> {
    let close = signed(body, claims, &hooks.signing_key, about).map_err(unreadable)?;
    let answer = send::close(client, &hooks.task_queue, input, close).await?;
    let exit = if answer.outcome == CloseOutcome::Skipped { Exit::Skipped } else { Exit::Done };
    let envelope = Envelope { reason: answer.reason.clone(), ..Envelope::new(wire_name(&answer.outcome), exit) };
    envelope.with_data(&answer).map_err(|error| broken(&error))
}

/// Passes a close on that the token cannot prove.
async fn hint(caller: &Caller<'_>, input: &PullRequest) -> Result<Envelope, Answer> {
    let id = input.workflow_id();
    match send::confirm_closed(caller.client, input).await.map_err(|error| failed(&error))? {
        Delivered::Taken => {
            let why =
                format!("the job runs after the merge, so GitHub is asked whether pull request {} is closed", input.pr);
            Ok(Envelope::sentence("sent", Exit::Done, why))
        }
        Delivered::NoEnvironment => Ok(output::not_found(&id)),
    }
}

fn unreadable(why: String) -> Answer {
    Answer::refused(StatusCode::BAD_REQUEST, why)
}

fn pull_request(app: &str, pr: &str) -> Result<PullRequest, Answer> {
    let absent = || Answer::refused(StatusCode::NOT_FOUND, "the path has no app or no number of a pull request");
    let input = PullRequest::new(app, pr.parse().map_err(|_| absent())?);
    input.check().map(|()| input).map_err(|_| absent())
}

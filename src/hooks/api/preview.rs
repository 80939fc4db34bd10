//! Requests about the preview of a pull request.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
};
use berth_workflows::contract::{environment::PullRequest, proof::ProofAction, signals::Push};

use super::{Caller, believe, failed, message};
use crate::{
    envelope::Envelope,
    exchange::{self, question::Question},
    exit::Exit,
    hooks::{
        admit::{Admitted, PreviewAction, Wanted},
        answer::Answer,
        send::{self, Delivered},
        state::Hooks,
    },
    preview::output,
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
    let envelope = exchange::preview::ask(caller.client, &input, &question).await.map_err(|error| failed(&error))?;
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
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
    let body = hooks.job_bodies.read(body, message::MAX_BYTES).await?.whole();
    let id = input.workflow_id();
    let envelope = match (action, caller.admitted) {
        (PreviewAction::Close, Admitted::AsHint) => hint(&caller, &input).await?,
        (PreviewAction::Close, Admitted::Fully) => {
            let close = caller.message(hooks, &body, &id, proof)?;
            exchange::preview::close(caller.client, &hooks.task_queue, &input, close).await?
        }
        _ => {
            let push: Push = caller.message(hooks, &body, &id, proof)?;
            exchange::preview::deploy(caller.client, &hooks.task_queue, &input, push).await?
        }
    };
    tracing::info!(workflow.id = %id, job.run_id = caller.claims.run_id, "{} of {id}: {}", proof.name(), envelope.outcome);
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
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

fn pull_request(app: &str, pr: &str) -> Result<PullRequest, Answer> {
    let absent = || Answer::refused(StatusCode::NOT_FOUND, "the path has no app or no number of a pull request");
    let input = PullRequest::new(app, pr.parse().map_err(|_| absent())?);
    input.check().map(|()| input).map_err(|_| absent())
}

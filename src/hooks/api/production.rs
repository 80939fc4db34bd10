//! Requests about production.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
};
use berth_workflows::{
    contract::{
        lenient::{Input, Lenient},
        production::{ApproveRelease, Freeze, Production, RejectRelease, Rollback, Unfreeze},
        production_answer::ProductionAnswer,
        production_status::ProductionStatus,
        proof::ProofAction,
        provable::Provable,
        signals::Push,
    },
    production_environment::ProductionEnvironment,
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use super::{
    Caller, believe, broken, failed,
    message::{self, About, signed},
    now,
    preview::not_yet,
    wait::Question,
};
use crate::{
    envelope::Envelope,
    exit::Exit,
    hooks::{admit::Wanted, answer::Answer, send, state::Hooks},
    poll,
    production::{
        decide::{self, People, Target},
        observe::{self, Handle},
        output,
    },
    progress::Progress,
};

type Run = <ProductionEnvironment as HasWorkflowDefinition>::Run;

/// `GET /v1/production/{app}`: the status, at once or when it has changed as asked for.
pub(in crate::hooks) async fn read(
    State(hooks): State<Arc<Hooks>>,
    Path(app): Path<String>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let answer = read_status(&hooks, &app, parameters, &headers).await.unwrap_or_else(|why| why);
    hooks.metrics.count_request("production", answer.status);
    answer
}

/// `POST /v1/production/{app}/{action}`: a message.
pub(in crate::hooks) async fn send(
    State(hooks): State<Arc<Hooks>>,
    Path((app, action)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let answer = pass_on(&hooks, &app, &action, request).await.unwrap_or_else(|why| why);
    hooks.metrics.count_request("production", answer.status);
    answer
}

async fn read_status(
    hooks: &Hooks,
    app: &str,
    parameters: HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<Answer, Answer> {
    let caller = believe(hooks, headers, app, Wanted::Production).await?;
    let question = Question::read(parameters).map_err(|why| Answer::refused(StatusCode::BAD_REQUEST, why))?;
    let id = Production::new(app).workflow_id();
    let handle = caller.client.get_workflow_handle(&id);
    let envelope = answer_to(&question, app, &handle, &id).await.map_err(|error| failed(&error))?;
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
}

/// The status, or the end of the wait. A release that waits for a person ends it.
async fn answer_to(question: &Question, app: &str, handle: &Handle, id: &str) -> anyhow::Result<Envelope> {
    let Some(limit) = question.wait else {
        let status = observe::once(handle, id).await?;
        return status.map_or_else(|| Ok(output::not_found(app)), |status| output::from_status(&status));
    };
    let target = match (question.release, &question.commit) {
        (Some(release), _) => Target::Release(release),
        (None, Some(commit)) => Target::Commit(commit.clone()),
        (None, None) => Target::Newest,
    };
    let decide = |status: Option<&ProductionStatus>| decide::release(status, &target, People::EndTheWait);
    let observe = || observe::observe(handle, id);
    let waited = poll::until(limit, Progress::nowhere(), observe, |_| String::new(), decide).await?;
    let number = waited.status.as_ref().and_then(|status| decide::number_of(status, &target));
    match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, number, ending),
        (None, Some(_)) => Ok(output::not_found(app)),
        (Some(status), None) => Ok(not_yet(output::about(output::from_status(&status)?, &status, number), limit)),
        (None, None) => Ok(not_yet(Envelope::new("", Exit::Waiting), limit)),
    }
}

async fn pass_on(hooks: &Hooks, app: &str, action: &str, request: Request) -> Result<Answer, Answer> {
    type Workflow = ProductionEnvironment;
    let (head, body) = request.into_parts();
    let caller = believe(hooks, &head.headers, app, Wanted::Production).await?;
    let body = hooks.bodies.read(body, message::MAX_BYTES).await?.whole();
    let sending = Sending { hooks, app, caller: &caller, body: &body };
    let answer = match action {
        "release" => sending.send::<Push, _>(ProofAction::Release, Workflow::answer_release).await,
        "approve" => sending.send::<ApproveRelease, _>(ProofAction::Approve, Workflow::answer_approve).await,
        "reject" => sending.send::<RejectRelease, _>(ProofAction::Reject, Workflow::answer_reject).await,
        "rollback" => sending.send::<Rollback, _>(ProofAction::Rollback, Workflow::answer_rollback).await,
        "freeze" => sending.send::<Freeze, _>(ProofAction::Freeze, Workflow::answer_freeze).await,
        "unfreeze" => sending.send::<Unfreeze, _>(ProofAction::Unfreeze, Workflow::answer_unfreeze).await,
        _ => {
            let actions = "the actions are release, approve, reject, rollback, freeze and unfreeze";
            Err(Answer::refused(StatusCode::NOT_FOUND, actions))
        }
    }?;
    let id = Production::new(app).workflow_id();
    let envelope = output::from_answer(app, action, &answer).map_err(|error| broken(&error))?;
    tracing::info!(workflow.id = %id, job.run_id = caller.claims.run_id, "{action} of {id}: {}", envelope.outcome);
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
}

/// A request that is about to become a message.
struct Sending<'a> {
    hooks: &'a Hooks,
    app: &'a str,
    caller: &'a Caller<'a>,
    body: &'a [u8],
}

impl Sending<'_> {
    /// Signs the message `T`, and sends it as the update `U`.
    async fn send<T, U>(&self, action: ProofAction, update: U) -> Result<ProductionAnswer, Answer>
    where
        T: Input + Provable + Send,
        U: UpdateDefinition<Workflow = Run, Output = ProductionAnswer, Input = Lenient<T>>,
    {
        let Self { hooks, app, caller, body } = self;
        let id = Production::new(*app).workflow_id();
        let about = About { environment: &id, action, now: now() };
        let message: T = signed(body, &caller.claims, &hooks.signing_key, &about)
            .map_err(|why| Answer::refused(StatusCode::BAD_REQUEST, why))?;
        Ok(send::to_production(caller.client, &hooks.task_queue, app, (update, message.into())).await?)
    }
}

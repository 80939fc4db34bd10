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
        proof::ProofAction,
        provable::Provable,
        signals::Push,
    },
    production_environment::ProductionEnvironment,
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use super::{Caller, believe, broken, failed, message};
use crate::{
    exchange::{self, question::Question},
    hooks::{admit::Wanted, answer::Answer, state::Hooks},
    production::output,
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
    let envelope = exchange::production::ask(caller.client, app, &question).await.map_err(|error| failed(&error))?;
    Ok(Answer::new(StatusCode::OK, envelope).about(id.clone(), hooks.page(&id)))
}

async fn pass_on(hooks: &Hooks, app: &str, action: &str, request: Request) -> Result<Answer, Answer> {
    type Workflow = ProductionEnvironment;
    let (head, body) = request.into_parts();
    let caller = believe(hooks, &head.headers, app, Wanted::Production).await?;
    let body = hooks.job_bodies.read(body, message::MAX_BYTES).await?.whole();
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
        let message: T = caller.message(hooks, body, &id, action)?;
        Ok(exchange::production::send(caller.client, &hooks.task_queue, app, (update, message.into())).await?)
    }
}

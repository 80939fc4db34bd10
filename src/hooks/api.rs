//! The API for jobs of GitHub Actions: what a job may do follows from its token, and it holds no other credential.

mod message;
mod preview;
mod production;

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use berth_workflows::contract::{lenient::Input, proof::ProofAction, provable::Provable};
use temporalio_client::Client;
use tokio::sync::SemaphorePermit;

use self::message::About;
use super::{
    admit::{Admitted, Wanted, admit},
    answer::{Answer, UNKNOWN_APPS},
    kind::Kind,
    state::Hooks,
    token::{Claims, Unbelieved},
};
use crate::exchange::unsent::Unsent;

/// The routes of a kind of environment.
pub(super) fn routes(kind: Kind) -> Router<Arc<Hooks>> {
    match kind {
        Kind::Previews => Router::new()
            .route("/v1/previews/{app}/{pr}", get(preview::read))
            .route("/v1/previews/{app}/{pr}/{action}", post(preview::send)),
        Kind::Production => Router::new()
            .route("/v1/production/{app}", get(production::read))
            .route("/v1/production/{app}/{action}", post(production::send)),
    }
}

/// A request whose token allows it.
struct Caller<'a> {
    client: &'a Client,
    claims: Claims,
    admitted: Admitted,
    /// The job's variables that a push of the app brings.
    job_variables: BTreeSet<String>,
    /// Room among the requests of jobs. Only those that are believed take any.
    _room: SemaphorePermit<'a>,
}

impl Caller<'_> {
    /// Reads a request's body as the message of this action to an environment, and signs it.
    fn message<T: Input + Provable>(
        &self,
        hooks: &Hooks,
        body: &[u8],
        environment: &str,
        action: ProofAction,
    ) -> Result<T, Answer> {
        let about = About { environment, action, job_variables: &self.job_variables, now: now() };
        let signed = message::signed(body, &self.claims, &hooks.signing_key, &about);
        signed.map_err(|why| Answer::refused(StatusCode::BAD_REQUEST, why))
    }
}

/// Believes the token of a request, or answers why not. The token comes first: apps are named only to jobs.
async fn believe<'a>(hooks: &'a Hooks, headers: &HeaderMap, app: &str, wanted: Wanted) -> Result<Caller<'a>, Answer> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let missing = || Answer::refused(StatusCode::UNAUTHORIZED, "there is no token: Authorization: Bearer …");
    let claims = hooks.tokens.verify(token.ok_or_else(missing)?).await.map_err(|why| match why {
        Unbelieved::Token(why) => Answer::refused(StatusCode::UNAUTHORIZED, why),
        Unbelieved::Issuer => Answer::later("the keys of the tokens' issuer cannot be had"),
    })?;
    let facts = hooks.apps.find(app);
    let facts = facts.ok_or_else(|| match hooks.apps.has_unknown() {
        true => Answer::later(UNKNOWN_APPS),
        false => Answer::refused(StatusCode::NOT_FOUND, format!("there is no app {app:?}")),
    })?;
    let admitted = admit(&claims, &facts, wanted).map_err(|why| {
        tracing::info!(app = facts.name, job.run_id = claims.run_id, "Refused a job of {}: {why}", facts.name);
        Answer::refused(StatusCode::FORBIDDEN, why)
    })?;
    let client = hooks.temporal().ok_or_else(|| Answer::later("Temporal has not been reached yet"))?;
    let room = hooks.jobs.try_acquire().map_err(|_| Answer::later("too many requests at once"))?;
    Ok(Caller { client, claims, admitted, job_variables: facts.job_variables, _room: room })
}

impl From<Unsent> for Answer {
    fn from(why: Unsent) -> Self {
        match why {
            Unsent::Refused(why) => Self::refused(StatusCode::UNPROCESSABLE_ENTITY, why),
            Unsent::Later(error) => failed(&error),
        }
    }
}

/// Temporal or the worker does not answer.
fn failed(error: &anyhow::Error) -> Answer {
    tracing::warn!(error = format!("{error:#}"), "Could not pass a job's request on");
    Answer::later("Temporal or the worker does not answer")
}

/// An answer that could not be written, which is a fault of berth's.
fn broken(error: &anyhow::Error) -> Answer {
    tracing::error!(error = format!("{error:#}"), "Could not write an answer");
    Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written")
}

/// Unix time in seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

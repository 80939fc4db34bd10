//! `POST /hooks/github`: a webhook is verified over its raw body, decided, and passed on. It is taken once Temporal has it.

mod decide;
mod event;
mod facts;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
};

use decide::{Decision, decide};

use super::{
    answer::{Answer, UNKNOWN_APPS},
    kind::Kind,
    outgoing::Outgoing,
    send::{self, Delivered},
    signature,
    state::Hooks,
};
use crate::{envelope::Envelope, exit::Exit};

/// The longest body. GitHub caps payloads at 25 MB; those that are taken here stay far below 1 MB.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// The longest name in a header. GitHub's ids of deliveries have 36 characters, and its events fewer.
const MAX_NAME: usize = 64;

/// Takes a webhook.
pub(super) async fn take(State(hooks): State<Arc<Hooks>>, request: Request) -> Answer {
    let event = name(request.headers(), "x-github-event");
    let delivery = name(request.headers(), "x-github-delivery");
    let answer = answer(&hooks, &event, &delivery, request).await;
    hooks.metrics.count_webhook(&event, answer.status);
    // A flood of wrong signatures is counted, and not logged.
    if answer.status != StatusCode::UNAUTHORIZED {
        let (status, outcome) = (answer.status.as_u16(), answer.outcome());
        tracing::info!(webhook.event = event, webhook.delivery = delivery, status, "Webhook {event:?}: {outcome}");
    }
    answer
}

async fn answer(hooks: &Hooks, event: &str, delivery: &str, request: Request) -> Answer {
    if hooks.webhook_secrets.is_empty() {
        return Answer::refused(StatusCode::NOT_FOUND, "webhooks are not taken here (--webhook-secret-file)");
    }
    // Without a signature, no body is read.
    let signature = text(request.headers(), "x-hub-signature-256").and_then(signature::parse);
    let Some(signature) = signature else {
        return Answer::refused(StatusCode::UNAUTHORIZED, "there is no X-Hub-Signature-256");
    };
    let is_form = text(request.headers(), header::CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let decision = {
        let body = match hooks.bodies.read(request.into_body(), MAX_BYTES).await {
            Ok(body) => body,
            Err(why) => return why.into(),
        };
        if !hooks.webhook_secrets.verify(|| body.blocks(), &signature) {
            return Answer::refused(StatusCode::UNAUTHORIZED, "the signature is not that of the webhook's secret");
        }
        if is_form {
            let why = "set the webhook's content type to application/json";
            return Answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        match hooks.kind {
            Kind::Previews => decide(event, &body.whole(), &hooks.apps.all()),
            Kind::Production => Decision::nothing("this process serves production, which no webhook changes"),
        }
    };
    match decision {
        Decision::Nothing(why) => Answer::new(StatusCode::ACCEPTED, Envelope::sentence("ignored", Exit::Done, why)),
        Decision::NoApp if hooks.apps.has_unknown() => Answer::later(UNKNOWN_APPS),
        Decision::NoApp => {
            let why = "no app here has this repository";
            Answer::new(StatusCode::ACCEPTED, Envelope::sentence("ignored", Exit::Done, why))
        }
        Decision::Unreadable(why) => Answer::refused(StatusCode::BAD_REQUEST, why),
        Decision::Send(messages) => pass_on(hooks, delivery, messages).await,
    }
}

/// Passes messages on, all at once. A webhook counts as taken only if Temporal has them all: GitHub may send it again, and a
/// message that comes twice changes nothing more.
async fn pass_on(hooks: &Hooks, delivery: &str, messages: Vec<Outgoing>) -> Answer {
    let Some(client) = hooks.temporal() else { return Answer::later("Temporal has not been reached yet") };
    let sending = messages.iter().map(|message| send::signal(client, &hooks.task_queue, message, delivery));
    let Ok(sent) = send::all(sending).await else { return Answer::later("Temporal does not answer") };
    let ids = messages.iter().zip(&sent).filter(|(_, sent)| **sent == Delivered::Taken);
    let ids: Vec<_> = ids.map(|(message, _)| message.input.workflow_id()).collect();
    let outcome = if ids.is_empty() { "ignored" } else { "sent" };
    let sentence = match ids.as_slice() {
        [] => "there is no environment that it is about".to_owned(),
        ids => format!("passed on to {}", ids.join(", ")),
    };
    let mut envelope = Envelope::sentence(outcome, Exit::Done, sentence);
    envelope.environment = ids.into_iter().next();
    Answer::new(StatusCode::ACCEPTED, envelope)
}

/// A header with a name of GitHub's: letters, digits, `-` and `_`. Anything else is none: headers are not signed, and a stranger's
/// text must not reach the log.
fn name(headers: &HeaderMap, header: &str) -> String {
    let is_name = |text: &&str| {
        text.len() <= MAX_NAME && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text(headers, header).filter(is_name).unwrap_or_default().to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn header_that_is_no_name_of_github_is_none() {
        let read = |text: &str| {
            let headers =
                HeaderMap::from_iter([("x-github-event".parse().unwrap(), HeaderValue::from_str(text).unwrap())]);
            name(&headers, "x-github-event")
        };
        assert_eq!(read("pull_request"), "pull_request");
        assert_eq!(read("6f1ed002-ab59-11ef-9cd2-0242ac120002"), "6f1ed002-ab59-11ef-9cd2-0242ac120002");
        for text in ["x".repeat(65).as_str(), "pull request", "ping\tcolour=red", "a=\"b\"", "ä"] {
            assert_eq!(read(text), "", "{text}");
        }
    }
}

//! Webhooks: their payloads, signatures and deliveries.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{Github, apps::App, client, repositories::Repository, state::State};

/// GitHub gives a receiver ten seconds, and sends nothing a second time by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The URLs below an organisation's own.
const ORGANIZATION_URLS: [(&str, &str); 6] = [
    ("repos_url", "repos"),
    ("events_url", "events"),
    ("hooks_url", "hooks"),
    ("issues_url", "issues"),
    ("members_url", "members{/member}"),
    ("public_members_url", "public_members{/member}"),
];

/// A webhook that was sent, or dropped as a test asked.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The header `X-GitHub-Delivery`.
    pub id: String,
    pub event: String,
    pub payload: Value,
    pub is_dropped: bool,
    /// The receiver's answer; none while it is under way, or if there was no answer.
    pub status: Option<u16>,
}

impl Delivery {
    /// The event with its action, such as `pull_request.closed`.
    pub fn name(&self) -> String {
        name(&self.event, &self.payload)
    }
}

fn name(event: &str, payload: &Value) -> String {
    payload["action"].as_str().map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))
}

#[derive(Debug, Default)]
pub(super) struct Webhooks {
    /// The receiver's URL and the secret.
    receiver: Option<(String, String)>,
    pub(super) dropped: BTreeSet<String>,
    pub(super) deliveries: Vec<Delivery>,
    queue: Option<mpsc::UnboundedSender<usize>>,
    /// The number of deliveries under way.
    pub(super) under_way: watch::Sender<usize>,
}

impl Webhooks {
    /// The App's webhook, as GitHub shows it in the event `ping`.
    pub(super) fn hook_json(&self, app: &App) -> Value {
        let url = self.receiver.as_ref().map(|(url, _)| url.as_str()).unwrap_or_default();
        json!({
            "type": "App", "id": 1, "name": "web", "active": true, "app_id": app.id, "events": app.events,
            "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url},
            "created_at": app.created_at, "updated_at": app.created_at,
        })
    }

    pub(super) fn send_through(&mut self, queue: mpsc::UnboundedSender<usize>) {
        self.queue = Some(queue);
        self.under_way.send_replace(0);
    }

    pub(super) fn send_to(&mut self, url: &str, secret: &str) {
        self.receiver = Some((url.to_owned(), secret.to_owned()));
    }

    /// Queues a webhook, unless there is no receiver or its kind is dropped.
    pub(super) fn send(&mut self, event: &str, payload: Value) {
        let name = name(event, &payload);
        let is_dropped = self.dropped.contains(event) || self.dropped.contains(&name);
        let id = format!("00000000-0000-4000-8000-{:012}", self.deliveries.len() + 1);
        self.deliveries.push(Delivery { id, event: event.to_owned(), payload, is_dropped, status: None });
        if !is_dropped {
            self.queue(self.deliveries.len() - 1);
        }
    }

    pub(super) fn queue(&self, index: usize) {
        if let (Some(queue), Some(_)) = (&self.queue, &self.receiver)
            && queue.send(index).is_ok()
        {
            self.under_way.send_modify(|count| *count += 1);
        }
    }

    fn request(&self, index: usize, app: u64) -> Option<Result<Request<Body>>> {
        let (delivery, (url, secret)) = (self.deliveries.get(index)?, self.receiver.as_ref()?);
        let body = delivery.payload.to_string();
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("user-agent", "GitHub-Hookshot/0000000")
            .header("accept", "*/*")
            .header("x-github-event", &delivery.event)
            .header("x-github-delivery", &delivery.id)
            .header("x-github-hook-id", "1")
            .header("x-github-hook-installation-target-id", app)
            .header("x-github-hook-installation-target-type", "integration")
            .header("x-hub-signature-256", signature(secret, body.as_bytes()))
            .body(Body::from(body));
        Some(request.map_err(Into::into))
    }
}

/// The header `X-Hub-Signature-256` of a body.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Delivers what is queued, one after the other, so that a test sees them in order.
pub(super) async fn deliver_all(github: Github, mut queue: mpsc::UnboundedReceiver<usize>) {
    while let Some(index) = queue.recv().await {
        let request = {
            let state = github.state();
            state.webhooks.request(index, state.app.id)
        };
        let status = match request {
            Some(Ok(request)) => match tokio::time::timeout(ANSWER_WITHIN, client::send(request)).await {
                Ok(Ok(response)) => Some(response.status().as_u16()),
                _ => None,
            },
            _ => None,
        };
        let mut state = github.state();
        if let Some(delivery) = state.webhooks.deliveries.get_mut(index) {
            delivery.status = status;
        }
        state.webhooks.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
    // Another queue took this one's place, and this server is about to end.
    std::future::pending().await
}

impl State {
    /// Sends a webhook with what each one about a repository has.
    pub(super) fn announce(&mut self, event: &str, repository: u64, sender: &str, action: &str, mut payload: Value) {
        let Some(found) = self.repositories.get(&repository) else { return };
        let installation = json!({"id": self.app.installation, "node_id": format!("I_{}", self.app.installation)});
        payload["action"] = json!(action);
        payload["repository"] = found.json(self);
        payload["organization"] = self.organization_json(found);
        payload["sender"] = self.account(sender).json(&self.base);
        payload["installation"] = installation;
        self.webhooks.send(event, payload);
    }

    fn organization_json(&self, repository: &Repository) -> Value {
        let owner = self.account(&repository.owner);
        let url = format!("{}/orgs/{}", self.base, owner.login);
        let mut organization = json!({
            "login": owner.login, "id": owner.id, "node_id": owner.node_id(), "url": url, "description": "",
            "avatar_url": format!("{}/avatars/o/{}", self.base, owner.id),
        });
        for (field, path) in ORGANIZATION_URLS {
            organization[field] = json!(format!("{url}/{path}"));
        }
        organization
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_that_of_github_s_own_example() {
        // docs.github.com, "Validating webhook deliveries".
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}

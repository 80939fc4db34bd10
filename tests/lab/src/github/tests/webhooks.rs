use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::HeaderMap, routing::post};

use super::*;
use crate::github::webhooks::signature;

const SECRET: &str = "a secret of this test";

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver of webhooks, and its URL.
async fn receiver() -> (Received, String) {
    let received = Received::default();
    let keep = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        received.lock().unwrap().push((headers, body));
        axum::http::StatusCode::ACCEPTED
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/github", listener.local_addr().unwrap());
    let router = Router::new().route("/hooks/github", post(keep)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (received, url)
}

#[tokio::test]
async fn each_act_is_announced_in_order_and_signed() {
    let client = Client::start().await;
    let (received, url) = receiver().await;
    client.github.send_webhooks(&url, SECRET);
    client.github.ping();
    client.github.open(REPOSITORY, NewPull::new("feature", HEAD)).unwrap();
    client.github.push(REPOSITORY, 1, NEXT);
    client.github.add_label(REPOSITORY, 1, "preview");
    client.github.comment(REPOSITORY, 1, "octocat", "/berth status");
    client.post("/repos/acme/web/check-runs", json!({"name": "berth", "head_sha": NEXT})).await;
    let check = client.github.checks(REPOSITORY, NEXT)[0].id;
    client.github.rerequest_check(REPOSITORY, check);
    client.github.rerequest_suite(REPOSITORY, NEXT);
    client.github.close(REPOSITORY, 1);
    client.github.delivered().await;
    let names: Vec<_> = client.github.deliveries().iter().map(|one| (one.name(), one.status)).collect();
    let expected = [
        "ping",
        "pull_request.opened",
        "pull_request.synchronize",
        "pull_request.labeled",
        "issue_comment.created",
        "check_run.rerequested",
        "check_suite.rerequested",
        "pull_request.closed",
    ];
    assert_eq!(names, expected.map(|name| (name.to_owned(), Some(202))));
    let received = received.lock().unwrap();
    for ((headers, body), delivery) in received.iter().zip(client.github.deliveries()) {
        assert_eq!(headers["x-hub-signature-256"], signature(SECRET, body));
        assert_eq!(headers["x-github-event"], delivery.event.as_str());
        assert_eq!(headers["x-github-delivery"], delivery.id.as_str());
    }
    let pushed: Value = serde_json::from_slice(&received[2].1).unwrap();
    assert_eq!((&pushed["before"], &pushed["after"]), (&json!(HEAD), &json!(NEXT)));
    assert_eq!(
        (&pushed["repository"]["id"], &pushed["installation"]["id"]),
        (&json!(REPOSITORY), &json!(client.github.installation()))
    );
    assert_eq!((&pushed["pull_request"]["head"]["sha"], &pushed["number"]), (&json!(NEXT), &json!(1)));
}

#[tokio::test]
async fn dropped_webhook_is_lost_until_it_is_sent_again() {
    let client = Client::with_pull().await;
    let (received, url) = receiver().await;
    client.github.send_webhooks(&url, SECRET);
    client.github.drop_webhooks("pull_request.closed");
    client.github.close(REPOSITORY, 1);
    client.github.reopen(REPOSITORY, 1);
    client.github.delivered().await;
    assert_eq!(received.lock().unwrap().len(), 1);
    let lost = client.github.deliveries().into_iter().find(|one| one.is_dropped).unwrap();
    assert_eq!((lost.name().as_str(), lost.status), ("pull_request.closed", None));
    client.github.redeliver(&lost.id);
    client.github.delivered().await;
    let received = received.lock().unwrap();
    assert_eq!(received[1].0["x-github-delivery"], lost.id.as_str());
}

#[tokio::test]
async fn webhook_to_nobody_is_lost() {
    let client = Client::with_pull().await;
    client.github.send_webhooks("http://127.0.0.1:1/", SECRET);
    client.github.close(REPOSITORY, 1);
    client.github.delivered().await;
    assert_eq!(client.github.deliveries().last().unwrap().status, None);
}

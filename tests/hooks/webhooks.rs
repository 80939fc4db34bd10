//! Webhooks: signatures, bounds, and the signals that reach a workflow.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use berth_lab::github::GithubServer;
use berth_test_support::preview::{Preview, connect, preview};
use serde_json::{Value, json};

use crate::{
    REPOSITORY,
    history::{await_messages, messages},
    process::Hooks,
};

/// The event `pull_request` of pull request 1.
fn pull_request(action: &str, updated_at: &str) -> Value {
    json!({
        "action": action,
        "pull_request": {
            "number": 1, "state": "open", "draft": false, "locked": false, "user": {"login": "octocat", "type": "User"},
            "head": {"sha": "a".repeat(40), "repo": {"id": REPOSITORY}}, "base": {"repo": {"id": REPOSITORY}},
            "labels": [], "updated_at": updated_at,
        },
        "repository": {"id": REPOSITORY}, "sender": {"login": "octocat", "type": "User"},
    })
}

/// A process that serves previews, and no worker.
async fn hooks(app: &str) -> Hooks {
    let (_, address) = connect().await;
    Hooks::start("previews", app, &address, &format!("nobody-{app}"), &GithubServer::start().unwrap()).await
}

#[tokio::test]
async fn facts_reach_the_environment_that_opened_starts() {
    preview("hooks-facts", async |t: Preview| {
        let hooks = Hooks::start("previews", "hooks-facts", &t.address, &t.task_queue, &GithubServer::start().unwrap()).await;
        let closed = hooks.webhook("pull_request", &pull_request("closed", "2026-11-28T07:00:00Z")).await;
        assert_eq!((closed.status, closed.json["outcome"].as_str()), (202, Some("ignored")), "{closed:?}");
        assert_eq!(messages(&t.client, &t.input.workflow_id()).await, [], "only three actions may start one");

        let opened = hooks.webhook("pull_request", &pull_request("opened", "2026-11-28T07:15:00Z")).await;
        assert_eq!((opened.status, opened.json["outcome"].as_str()), (202, Some("sent")), "{opened:?}");
        assert_eq!(opened.json["environment"], t.input.workflow_id(), "{opened:?}");
        let pushed = hooks.webhook("pull_request", &pull_request("synchronize", "2026-11-28T07:16:00Z")).await;
        assert_eq!(pushed.status, 202, "{pushed:?}");
        let comment = json!({
            "action": "created", "issue": {"number": 1, "pull_request": {}}, "repository": {"id": REPOSITORY},
            "comment": {"id": 99, "body": "/berth redeploy", "author_association": "MEMBER"}, "sender": {"login": "octocat", "type": "User"},
        });
        assert_eq!(hooks.webhook("issue_comment", &comment).await.status, 202);
        let check = json!({
            "action": "rerequested", "check_run": {"external_id": t.input.workflow_id()},
            "repository": {"id": REPOSITORY}, "sender": {"login": "octocat", "type": "User"},
        });
        assert_eq!(hooks.webhook("check_run", &check).await.status, 202);

        let sent = await_messages(&t.client, &t.input.workflow_id(), 4).await;
        let names: Vec<_> = sent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["pull_request", "pull_request", "command", "redeploy"]);
        let head = "a".repeat(40);
        let facts = json!({
            "head": head, "state": "open", "author": "octocat", "updated_at": "2026-11-28T07:15:00Z",
        });
        assert_eq!(sent[0].1, facts);
        assert_eq!((&sent[2].1, &sent[3].1), (&json!({"comment": 99}), &json!({"by": "octocat"})));
    })
    .await;
}

#[tokio::test]
async fn webhook_that_changes_nothing_is_taken_and_ignored() {
    let hooks = hooks("hooks-nothing").await;
    let mut labeled = pull_request("labeled", "2026-11-28T07:15:00Z");
    labeled["label"] = json!({"name": "bug"});
    for (event, payload) in [
        ("ping", json!({"zen": "Keep it logically awesome."})),
        ("push", json!({"ref": "refs/heads/main"})),
        ("pull_request", labeled),
        ("pull_request", pull_request("edited", "2026-11-28T07:15:00Z")),
    ] {
        let reply = hooks.webhook(event, &payload).await;
        assert_eq!((reply.status, reply.json["outcome"].as_str()), (202, Some("ignored")), "{event}: {reply:?}");
    }
    let broken = hooks.webhook("pull_request", &json!({"action": "opened"})).await;
    assert_eq!(broken.status, 400, "{broken:?}");
    let (_, metrics) = hooks.probe("metrics").await;
    assert!(metrics.contains(r#"berth_hooks_webhooks_total{event="ping",status="202"} 1"#), "{metrics}");
    assert_eq!(hooks.probe("healthz").await.0, 200);
}

#[tokio::test]
async fn each_flipped_byte_of_a_signed_body_is_refused() {
    let hooks = hooks("hooks-flipped").await;
    let body = pull_request("edited", "2026-11-28T07:15:00Z").to_string().into_bytes();
    let signature = hooks.signature(&body);
    assert_eq!(hooks.deliver("pull_request", body.clone(), Some(&signature)).await.status, 202);
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 1;
        let reply = hooks.deliver("pull_request", flipped, Some(&signature)).await;
        assert_eq!(reply.status, 401, "byte {at} of {}: {reply:?}", body.len());
    }
    println!("each of {} bytes of a signed body was flipped: 401 every time", body.len());
}

#[tokio::test]
async fn body_without_its_signature_is_refused() {
    let hooks = hooks("hooks-unsigned").await;
    let body = b"{}".to_vec();
    let signature = hooks.signature(&body);
    for wrong in [
        None,
        Some(""),
        Some("sha256="),
        Some(&*signature.replacen("sha256", "sha1", 1)),
        Some(&signature[..signature.len() - 1]),
        Some(&*format!("{signature}0")),
        Some(&*hooks.signature(b"{ }")),
    ] {
        let reply = hooks.deliver("ping", body.clone(), wrong).await;
        assert_eq!((reply.status, reply.json["outcome"].as_str()), (401, Some("refused")), "{wrong:?}: {reply:?}");
    }
    assert_eq!(hooks.deliver("ping", body, Some(&signature)).await.status, 202);
}

#[tokio::test]
async fn headers_of_a_stranger_do_not_reach_the_log() {
    let hooks = hooks("hooks-names").await;
    let secret = "a-text-of-a-stranger ".repeat(100);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let signature = hooks.signature(b"another body");
    // A wrong signature, and a body that is too long for one to be compared.
    for (length, status) in [(0, 401), (6 * 1024 * 1024, 413)] {
        let request = http.post(hooks.webhook_url()).header("X-GitHub-Event", &secret);
        let request = request.header("X-GitHub-Delivery", &secret).header("X-Hub-Signature-256", &signature);
        // The server may close the connection while the rest is sent.
        if let Ok(answer) = request.body(vec![b'x'; length]).send().await {
            assert_eq!(answer.status(), status);
        }
    }
    assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202);
    assert!(hooks.log().contains("Webhook") && !hooks.log().contains("stranger"), "{}", hooks.log());
}

#[tokio::test]
async fn body_above_five_megabytes_is_refused() {
    let hooks = hooks("hooks-long").await;
    let limit = 5 * 1024 * 1024;
    let body = |length: usize| {
        let text = "x".repeat(length - r#"{"zen":""}"#.len());
        json!({ "zen": text }).to_string().into_bytes()
    };
    let fits = body(limit);
    let signature = hooks.signature(&fits);
    assert_eq!(hooks.deliver("ping", fits, Some(&signature)).await.status, 202);
    // The server may close the connection while the rest is sent, so the answer is read by hand.
    let mut stream = TcpStream::connect(hooks.address()).unwrap();
    let head = format!(
        "POST /hooks/github HTTP/1.1\r\nHost: hooks\r\nX-GitHub-Event: ping\r\nX-Hub-Signature-256: {signature}\r\nContent-Length: {}\r\n\r\n",
        limit + 1
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
}

#[tokio::test]
async fn connection_without_its_headers_is_closed() {
    let hooks = hooks("hooks-slow").await;
    let address = hooks.address().to_owned();
    let closed = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"POST /hooks/github HTTP/1.1\r\nHost: ").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).is_ok()
    });
    assert!(closed.await.unwrap(), "a connection without headers must not stay open");
}

#[tokio::test]
async fn webhook_is_not_taken_while_temporal_is_away() {
    let hooks = Hooks::begin("previews", "hooks-away", "127.0.0.1:1", "nobody", "http://127.0.0.1:1").await;
    let opened = hooks.webhook("pull_request", &pull_request("opened", "2026-11-28T07:15:00Z")).await;
    assert_eq!((opened.status, opened.retry_after.as_deref()), (503, Some("5")), "{opened:?}");
    assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202, "it needs no Temporal");
    let (status, why) = hooks.probe("readyz").await;
    assert_eq!((status, &*why), (503, "Temporal has not been reached yet\n"));
    assert_eq!(hooks.probe("healthz").await.0, 200);
}

#[tokio::test]
async fn webhook_of_an_app_whose_file_is_broken_is_not_taken() {
    let (_, address) = connect().await;
    // An app's name has no space, so the file cannot be used.
    let hooks = Hooks::begin("previews", "hooks broken", &address, "nobody", "http://127.0.0.1:1").await;
    hooks.await_ready().await;
    let opened = hooks.webhook("pull_request", &pull_request("opened", "2026-11-28T07:15:00Z")).await;
    assert_eq!((opened.status, opened.retry_after.as_deref()), (503, Some("5")), "{opened:?}");
    assert!(hooks.log().contains("hooks broken.yaml"), "{}", hooks.log());
    assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202, "it is about no app");
}

#[tokio::test]
async fn webhook_is_taken_after_sigterm_and_has_its_answer() {
    let hooks = hooks("hooks-sigterm").await;
    let body = b"{}";
    let head = format!(
        "POST /hooks/github HTTP/1.1\r\nHost: hooks\r\nX-GitHub-Event: ping\r\nX-Hub-Signature-256: {}\r\nContent-Length: 2\r\n\r\n",
        hooks.signature(body)
    );
    hooks.terminate().await;
    // Proxies do not know yet that it is not ready.
    assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202);
    let mut stream = TcpStream::connect(hooks.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    hooks.await_refusal().await;
    stream.write_all(body).unwrap();
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 202");
    assert!(hooks.ended().await);
}

#[tokio::test]
async fn production_takes_webhooks_and_ignores_them() {
    let (_, address) = connect().await;
    let hooks = Hooks::start("production", "hooks-prod", &address, "nobody", &GithubServer::start().unwrap()).await;
    let reply = hooks.webhook("pull_request", &pull_request("opened", "2026-11-28T07:15:00Z")).await;
    assert_eq!((reply.status, reply.json["outcome"].as_str()), (202, Some("ignored")), "{reply:?}");
}

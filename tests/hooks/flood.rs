//! Floods: a thousand webhooks in ten seconds are all taken, and strangers' bodies neither fill the memory nor stop the process.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use berth_lab::github::GithubServer;
use berth_test_support::preview::connect;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{REPOSITORY, history::messages, process::Hooks};

/// The number of webhooks, of the pull requests that they are about, and of those on their way at once.
const WEBHOOKS: u64 = 1000;
const PULL_REQUESTS: u64 = 50;
const AT_ONCE: usize = 32;
/// How long they may take together.
const WITHIN: Duration = Duration::from_secs(10);

/// The most memory, in KiB.
const MEMORY: u64 = 128 * 1024;

/// How long a probe may take. The kubelet waits for a second by default, and forgives two failures; this machine is shared.
const PROBE: Duration = Duration::from_secs(3);

/// Probes the process until a flood is over. Returns the flood's answers, the number of probes and the slowest one's time.
async fn probed_during<T>(hooks: &Hooks, flood: impl Future<Output = T>) -> (T, usize, Duration) {
    let mut flood = std::pin::pin!(flood);
    let (mut probes, mut slowest) = (0, Duration::ZERO);
    loop {
        let begun = Instant::now();
        tokio::select! {
            answers = &mut flood => return (answers, probes, slowest),
            (status, why) = hooks.probe("healthz") => assert_eq!(status, 200, "{why}"),
        }
        (probes, slowest) = (probes + 1, slowest.max(begun.elapsed()));
    }
}

fn pull_request(number: u64, action: &str, second: u64) -> Value {
    let updated_at = format!("2026-11-28T07:{:02}:{:02}Z", second / 60, second % 60);
    json!({
        "action": action,
        "pull_request": {
            "number": number, "state": "open", "user": {"login": "octocat", "type": "User"}, "updated_at": updated_at,
            "head": {"sha": "a".repeat(40), "repo": {"id": REPOSITORY}}, "base": {"repo": {"id": REPOSITORY}},
        },
        "repository": {"id": REPOSITORY},
    })
}

#[tokio::test]
async fn thousand_webhooks_in_ten_seconds_are_all_taken() {
    let (client, address) = connect().await;
    let hooks = Hooks::start("previews", "flood-good", &address, "nobody-flood", &GithubServer::start().unwrap()).await;
    for number in 1..=PULL_REQUESTS {
        assert_eq!(hooks.webhook("pull_request", &pull_request(number, "opened", 0)).await.status, 202);
    }
    let begun = Instant::now();
    let statuses: Vec<_> = stream::iter(0..WEBHOOKS)
        .map(async |at| {
            let event = pull_request(at % PULL_REQUESTS + 1, "synchronize", 1 + at / PULL_REQUESTS);
            hooks.webhook("pull_request", &event).await.status
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let took = begun.elapsed();
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");
    let mut signals = 0;
    for number in 1..=PULL_REQUESTS {
        signals += messages(&client, &format!("preview-flood-good-{number}")).await.len() as u64;
    }
    assert_eq!(signals, WEBHOOKS + PULL_REQUESTS, "taken means that Temporal has the signal");
    println!("{WEBHOOKS} webhooks in {took:?}");
    assert!(took < WITHIN, "{took:?}");
}

#[tokio::test]
async fn flood_of_bad_signatures_leaves_it_small_and_healthy() {
    let (_, address) = connect().await;
    let hooks = Hooks::start("previews", "flood-bad", &address, "nobody", &GithubServer::start().unwrap()).await;
    let body = vec![b'x'; 5 * 1024 * 1024];
    let signature = hooks.signature(b"another body");
    let flood = stream::iter(0..400)
        .map(async |_| hooks.try_deliver("pull_request", body.clone(), &signature).await)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let (statuses, probes, slowest) = probed_during(&hooks, flood).await;
    assert!(statuses.iter().all(|status| matches!(status, None | Some(401 | 503))), "{statuses:?}");
    let (refused, peak) = (statuses.iter().filter(|status| **status == Some(401)).count(), hooks.memory("VmHWM"));
    let anonymous = hooks.memory("RssAnon");
    println!(
        "{refused} of {} bad signatures were read; peak {peak} KiB, now {anonymous} KiB without files; healthy in \
         {probes} probes meanwhile, the slowest took {slowest:?}",
        statuses.len()
    );
    assert!(refused > 0 && peak < MEMORY, "peak {peak} KiB");
    assert!(probes > 0 && slowest < PROBE, "{probes} probes, the slowest took {slowest:?}");
    assert_eq!((hooks.probe("healthz").await.0, hooks.probe("readyz").await.0), (200, 200));
    assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202, "it takes webhooks all the same");
}

#[tokio::test]
async fn webhook_is_taken_while_strangers_hold_their_bodies_back() {
    let (_, address) = connect().await;
    let hooks = Hooks::start("previews", "flood-slow", &address, "nobody", &GithubServer::start().unwrap()).await;
    let signature = hooks.signature(b"another body");
    let head = format!(
        "POST /hooks/github HTTP/1.1\r\nHost: hooks\r\nX-GitHub-Event: ping\r\nX-Hub-Signature-256: {signature}\r\n\
         Content-Length: 1000\r\n\r\n{{"
    );
    // More than there is room for, so that all places are taken.
    let strangers: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(hooks.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(hooks.webhook("ping", &json!({})).await.status, 202);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "the strangers have not been given up yet: {:?}",
        begun.elapsed()
    );
    drop(strangers);
}

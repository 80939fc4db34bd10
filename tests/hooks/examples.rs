//! GitHub's own examples of webhooks: each is signed and posted.

use std::collections::{BTreeMap, BTreeSet};

use berth_lab::github::{GithubServer, example_webhooks};
use berth_test_support::preview::connect;
use serde_json::Value;

use crate::{history::messages, process::Hooks};

/// The number of examples in the package.
const EXAMPLES: usize = 329;

/// The repository whose pull request 2 most examples are about.
const HELLO_WORLD: u64 = 186_853_002;

/// The examples that reach its environment, and how many there are of each.
const REACHING: [(&str, usize); 9] = [
    ("check_suite.rerequested", 2),
    ("pull_request.closed", 2),
    ("pull_request.converted_to_draft", 3),
    ("pull_request.locked", 2),
    ("pull_request.opened", 4),
    ("pull_request.ready_for_review", 3),
    ("pull_request.reopened", 2),
    ("pull_request.synchronize", 1),
    ("pull_request.unlocked", 2),
];

/// The event with its action.
fn name(event: &str, payload: &Value) -> String {
    payload["action"].as_str().map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))
}

/// An app for each repository of an example, so that none is ignored for its repository.
fn apps(examples: &[(String, Value)]) -> Vec<(String, u64)> {
    let ids = examples.iter().filter_map(|(_, payload)| payload["repository"]["id"].as_u64());
    ids.collect::<BTreeSet<_>>().into_iter().map(|id| (format!("repo-{id}"), id)).collect()
}

#[tokio::test]
async fn every_example_of_github_is_taken() {
    let (client, address) = connect().await;
    let mut examples = tokio::task::spawn_blocking(|| example_webhooks().unwrap()).await.unwrap();
    assert_eq!(examples.len(), EXAMPLES);
    // Pull requests come first, since a message reaches only an environment that there is.
    examples.sort_by_key(|(event, _)| event != "pull_request");
    let (apps, github) = (apps(&examples), GithubServer::start().unwrap());
    let hooks = Hooks::begin_with("previews", &apps, &address, "nobody-examples", &github.url()).await;
    hooks.await_ready().await;

    let mut answers = BTreeMap::<_, usize>::new();
    for (event, payload) in &examples {
        let reply = hooks.webhook(event, payload).await;
        assert_eq!(reply.status, 202, "{}: {reply:?}", name(event, payload));
        let text = |name: &str| reply.json[name].as_str().unwrap_or_default().to_owned();
        *answers.entry((text("outcome"), name(event, payload), text("reason"))).or_default() += 1;
    }
    println!("\n{} examples were posted: {} kinds, none answered with 4xx or 5xx", examples.len(), answers.len());
    for ((outcome, name, reason), count) in &answers {
        println!("| {count:>3} | {name:<45} | {outcome:<7} | {reason}");
    }
    let sent = answers.iter().filter(|((outcome, ..), _)| outcome == "sent");
    let sent: Vec<_> = sent.map(|((_, name, _), count)| (name.as_str(), *count)).collect();
    assert_eq!(sent, REACHING);
    let total: usize = REACHING.iter().map(|(_, count)| count).sum();
    let reached = messages(&client, &format!("preview-repo-{HELLO_WORLD}-2")).await;
    assert_eq!(reached.len(), total, "{reached:#?}");
}

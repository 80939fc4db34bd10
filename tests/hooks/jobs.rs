//! Jobs of pull requests: push, close and wait through the API, beside a worker with fake activities.

use berth_activities::proof::{ProofKeys, check_proof};
use berth_lab::github::GithubServer;
use berth_test_support::preview::{Does, Preview, preview, push};
use berth_workflows::contract::{
    phase::Phase,
    proof::{CheckProofInput, ProofAction},
    provable::Provable,
    signals::{Close, Push},
    status::Status,
    verdict::FailureType,
};
use serde_json::{Value, json};

use crate::{
    claims::{RUN, changed, now, of_pull_request},
    history::await_messages,
    process::Hooks,
};

/// The body of a deploy of the commit of that digit.
fn body(digit: char) -> Value {
    let Push { commit, image, .. } = push(digit);
    json!({ "commit": commit, "image": image })
}

async fn start(t: &Preview) -> (Hooks, GithubServer) {
    let github = GithubServer::start().unwrap();
    (Hooks::start("previews", &t.input.app, &t.address, &t.task_queue, &github).await, github)
}

/// Whether the worker would count the message as proved.
fn is_proved(hooks: &Hooks, message: &impl Provable, environment: &str, action: ProofAction) -> bool {
    let keys = ProofKeys::read(&hooks.public_key_file()).unwrap();
    let content = message.proven_content(environment, action);
    let check = CheckProofInput { proof: message.proof().unwrap().clone(), content, received_ms: now() * 1000 };
    check_proof(&keys, &check).proved
}

#[tokio::test]
async fn job_deploys_waits_and_closes() {
    preview("jobs-deploy", async |t: Preview| {
        let (hooks, github) = start(&t).await;
        let token = github.sign(&of_pull_request(&github)).unwrap();
        let path = "/v1/previews/jobs-deploy/1";
        t.world.next("await_rollout", Does::HangUntilFreed);
        let sent = hooks.post(&format!("{path}/deploy"), &token, &body('a').to_string()).await;
        assert_eq!((sent.status, sent.json["outcome"].as_str()), (200, Some("sent")), "{sent:?}");
        assert_eq!(sent.json["environment"], t.input.workflow_id(), "{sent:?}");
        let page = "https://temporal.example.com/namespaces/default/workflows/preview-jobs-deploy-1";
        assert_eq!(sent.json["temporal_ui_url"], page, "{sent:?}");

        let waits = format!("{path}?commit={}&wait=", "a".repeat(40));
        let early = hooks.get(&format!("{waits}1s"), &token).await;
        assert_eq!(
            (early.json["outcome"].as_str(), early.json["exit_code"].as_u64()),
            (Some("timed_out"), Some(5)),
            "{early:?}"
        );
        assert_eq!(early.json["data"]["phase"], "RollingOut", "{early:?}");
        let waits_for = "every workload to serve the release";
        let is_waiting = |status: &Status| status.rolling_out.as_ref().is_some_and(|now| now.waiting_for == waits_for);
        t.until("waiting for workloads", is_waiting).await;
        let line = format!("RollingOut: aaaaaaa waits for {waits_for}");
        let changed = hooks.get(&format!("{waits}25s&seen="), &token).await;
        let answer = (changed.json["outcome"].as_str(), changed.json["reason"].as_str());
        assert_eq!(answer, (Some("progress"), Some(&*line)), "{changed:?}");
        let same = hooks.get(&format!("{waits}1s&seen={}", line.replace(' ', "+")), &token).await;
        assert_eq!(same.json["outcome"], "timed_out", "{same:?}");
        t.world.free();
        let live = hooks.get(&format!("{waits}25s"), &token).await;
        assert_eq!(
            (live.json["outcome"].as_str(), live.json["exit_code"].as_u64()),
            (Some("live"), Some(0)),
            "{live:?}"
        );
        assert!(live.json["url"].is_string() && live.json["rollout"].is_string(), "{live:?}");

        let closed = hooks.post(&format!("{path}/close"), &token, "").await;
        assert_eq!((closed.status, closed.json["outcome"].as_str()), (200, Some("closing")), "{closed:?}");
        let gone = hooks.get(&format!("{path}?for=gone&wait=25s"), &token).await;
        assert_eq!(
            (gone.json["outcome"].as_str(), gone.json["exit_code"].as_u64()),
            (Some("gone"), Some(0)),
            "{gone:?}"
        );
        let closed = hooks.get(&format!("{waits}25s&seen="), &token).await;
        assert_eq!(closed.json["outcome"], "closed", "a push that was taken: {closed:?}");
    })
    .await;
}

#[tokio::test]
async fn messages_of_a_job_carry_its_sender_and_a_proof() {
    preview("jobs-proof", async |t: Preview| {
        let (hooks, github) = start(&t).await;
        let token = github.sign(&of_pull_request(&github)).unwrap();
        let mut forged = body('a');
        forged["author"] = json!("mallory");
        forged["sequence"] = json!(u64::MAX);
        assert_eq!(hooks.post("/v1/previews/jobs-proof/1/deploy", &token, &forged.to_string()).await.status, 200);
        t.until("live", |status| status.phase == Phase::Live).await;
        assert_eq!(hooks.post("/v1/previews/jobs-proof/1/close", &token, "{}").await.status, 200);

        let id = t.input.workflow_id();
        let sent = await_messages(&t.client, &id, 2).await;
        let names: Vec<_> = sent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["deploy", "close"]);
        let push: Push = serde_json::from_value(sent[0].1.clone()).unwrap();
        let author = push.author.as_ref().map(|author| author.as_str());
        assert_eq!((author, push.sequence), (Some("octocat"), Some(RUN)), "the token's, whatever the job writes");
        assert!(is_proved(&hooks, &push, &id, ProofAction::Deploy));
        assert!(!is_proved(&hooks, &push, "preview-jobs-proof-2", ProofAction::Deploy), "copied to another one");
        let close: Close = serde_json::from_value(sent[1].1.clone()).unwrap();
        assert!(is_proved(&hooks, &close, &id, ProofAction::Close));
    })
    .await;
}

#[tokio::test]
async fn failed_and_refused_deploys_say_why() {
    preview("jobs-failed", async |t: Preview| {
        let (hooks, github) = start(&t).await;
        let token = github.sign(&of_pull_request(&github)).unwrap();
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let path = "/v1/previews/jobs-failed/1";
        assert_eq!(hooks.post(&format!("{path}/deploy"), &token, &body('a').to_string()).await.status, 200);
        let failed = hooks.get(&format!("{path}?commit={}&wait=25s", "a".repeat(40)), &token).await;
        let outcome = (failed.json["outcome"].as_str(), failed.json["exit_code"].as_u64());
        assert_eq!(outcome, (Some("failed"), Some(1)), "{failed:?}");
        assert_eq!(failed.json["verdict"]["failure"], "CrashLoop", "{failed:?}");

        let mut draft = body('b');
        draft["draft"] = json!(true);
        let skipped = hooks.post(&format!("{path}/deploy"), &token, &draft.to_string()).await;
        let outcome = (skipped.json["outcome"].as_str(), skipped.json["exit_code"].as_u64());
        assert_eq!(outcome, (Some("skipped"), Some(6)), "a push that is decided at once: {skipped:?}");

        for wrong in ["", "{", "[]", r#"{"commit":"x"}"#, r#"{"comit":"1234567"}"#] {
            let reply = hooks.post(&format!("{path}/deploy"), &token, wrong).await;
            assert_eq!((reply.status, reply.json["outcome"].as_str()), (400, Some("refused")), "{wrong}: {reply:?}");
        }
        let long = format!("{{\"commit\":\"{}\"}}", "a".repeat(9000));
        assert_eq!(hooks.post(&format!("{path}/deploy"), &token, &long).await.status, 413);
        for parameters in ["wait=25", "commit=x", "wiat=25s", "for=ever"] {
            assert_eq!(hooks.get(&format!("{path}?{parameters}"), &token).await.status, 400, "{parameters}");
        }
    })
    .await;
}

#[tokio::test]
async fn close_after_a_merge_asks_the_environment_to_find_out() {
    preview("jobs-merged", async |t: Preview| {
        let (hooks, github) = start(&t).await;
        t.push(push('a')).await;
        t.until("live", |status| status.phase == Phase::Live).await;
        let claims = changed(&of_pull_request(&github), &[("ref", json!("refs/heads/main"))]);
        let hint = hooks.post("/v1/previews/jobs-merged/1/close", &github.sign(&claims).unwrap(), "").await;
        assert_eq!((hint.status, hint.json["outcome"].as_str()), (200, Some("sent")), "{hint:?}");
        assert!(hint.json["reason"].as_str().unwrap().contains("GitHub is asked"), "{hint:?}");
        let sent = await_messages(&t.client, &t.input.workflow_id(), 2).await;
        assert_eq!(sent.last(), Some(&("confirm_closed".to_owned(), json!({}))));
        assert_eq!(t.status().await.phase, Phase::Live, "nothing closes on this word alone");
    })
    .await;
}

#[tokio::test]
async fn deploy_is_refused_for_now_while_no_worker_runs() {
    let (_, address) = berth_test_support::preview::connect().await;
    let github = GithubServer::start().unwrap();
    let hooks = Hooks::start("previews", "jobs-alone", &address, "nobody-alone", &github).await;
    let token = github.sign(&of_pull_request(&github)).unwrap();
    let reply = hooks.post("/v1/previews/jobs-alone/1/deploy", &token, &body('a').to_string()).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{reply:?}");
}

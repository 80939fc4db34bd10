//! Jobs of production: every message through the API, beside a worker with fake activities.

use std::sync::atomic::Ordering;

use berth_activities::proof::{ProofKeys, check_proof};
use berth_lab::github::GithubServer;
use berth_test_support::production::{Production, production, push};
use berth_workflows::contract::{
    production::ApproveRelease,
    production_answer::ProductionOutcome,
    proof::{CheckProofInput, ProofAction},
    provable::Provable,
    signals::Push,
};
use serde_json::json;

use crate::{
    claims::{now, of_release},
    history::await_messages,
    process::Hooks,
};

fn release(digit: char) -> String {
    let Push { commit, image, .. } = push(digit);
    json!({ "commit": commit, "image": image }).to_string()
}

async fn start(t: &Production) -> (Hooks, GithubServer) {
    let github = GithubServer::start().unwrap();
    (Hooks::start("production", &t.input.app, &t.address, &t.task_queue, &github).await, github)
}

#[tokio::test]
async fn job_releases_approves_and_rolls_back() {
    production("prod-hooks", async |t: Production| {
        let (hooks, github) = start(&t).await;
        let token = github.sign(&of_release(&github)).unwrap();
        let path = "/v1/production/prod-hooks";
        let none = hooks.get(path, &token).await;
        assert_eq!((none.status, none.json["outcome"].as_str()), (200, Some("awaiting_release")), "{none:?}");

        t.world.needs_approval.store(true, Ordering::Relaxed);
        let released = hooks.post(&format!("{path}/release"), &token, &release('a')).await;
        assert_eq!((released.status, released.json["data"]["release"].as_u64()), (200, Some(1)), "{released:?}");
        let waits = hooks.get(&format!("{path}?release=1&wait=25s"), &token).await;
        let outcome = (waits.json["outcome"].as_str(), waits.json["exit_code"].as_u64());
        assert_eq!(outcome, (Some("awaiting_approval"), Some(5)), "{waits:?}");
        let plan = waits.json["data"]["queued"]["plan"]["id"].as_str().unwrap().to_owned();
        let approval = json!({"release": 1, "plan": plan, "by": "mallory"}).to_string();
        let approved = hooks.post(&format!("{path}/approve"), &token, &approval).await;
        assert_eq!((approved.status, approved.json["outcome"].as_str()), (200, Some("approved")), "{approved:?}");
        let live = hooks.get(&format!("{path}?release=1&wait=25s"), &token).await;
        assert_eq!(
            (live.json["outcome"].as_str(), live.json["exit_code"].as_u64()),
            (Some("live"), Some(0)),
            "{live:?}"
        );

        for (action, body, outcome) in [
            ("freeze", r#"{"reason":"incident 42"}"#, "frozen"),
            ("unfreeze", "", "unfrozen"),
            ("reject", r#"{"release":1}"#, "live"),
            ("rollback", r#"{"to":9}"#, "refused"),
        ] {
            let reply = hooks.post(&format!("{path}/{action}"), &token, body).await;
            assert_eq!((reply.status, reply.json["outcome"].as_str()), (200, Some(outcome)), "{action}: {reply:?}");
        }
        check_approval(&t, &hooks).await;
    })
    .await;
}

#[tokio::test]
async fn approval_of_a_job_counts_where_only_proved_ones_do() {
    production("prod-proved", async |t: Production| {
        let (hooks, github) = start(&t).await;
        let token = github.sign(&of_release(&github)).unwrap();
        let path = "/v1/production/prod-proved";
        t.world.trust(&hooks.public_key_file());
        t.world.needs_approval.store(true, Ordering::Relaxed);
        t.world.needs_proof.store(true, Ordering::Relaxed);
        hooks.post(&format!("{path}/release"), &token, &release('a')).await;
        let waits = hooks.get(&format!("{path}?release=1&wait=25s"), &token).await;
        let queued = &waits.json["data"]["queued"];
        assert_eq!((&queued["proved"], &queued["needs_proof"]), (&json!(true), &json!(true)), "{waits:?}");
        let plan = queued["plan"]["id"].as_str().unwrap().to_owned();

        let claimed = t.approve(1, &plan).await;
        assert_eq!(claimed.outcome, ProductionOutcome::Refused, "over Temporal it is a claim: {claimed:?}");
        let approval = json!({"release": 1, "plan": plan}).to_string();
        let approved = hooks.post(&format!("{path}/approve"), &token, &approval).await;
        assert_eq!(approved.json["outcome"].as_str(), Some("approved"), "{approved:?}");
        let status = t.until_serves(1).await;
        assert!(status.serving.unwrap().release.proved && status.notes.is_empty());
    })
    .await;
}

/// Asserts that the approval names the token's account, and is proved.
async fn check_approval(t: &Production, hooks: &Hooks) {
    let id = t.input.workflow_id();
    let sent = await_messages(&t.client, &id, 6).await;
    let (_, approval) = sent.iter().find(|(name, _)| name == "approve").unwrap();
    let approval: ApproveRelease = serde_json::from_value(approval.clone()).unwrap();
    assert_eq!(approval.by.as_str(), "octocat");
    let keys = ProofKeys::read(&hooks.public_key_file()).unwrap();
    let proof = approval.proof().unwrap().clone();
    let content = approval.proven_content(&id, ProofAction::Approve);
    let check = CheckProofInput { proof, content, received_ms: now() * 1000 };
    assert!(check_proof(&keys, &check).proved);
    let other_plan = ApproveRelease { plan: "another".to_owned(), ..approval };
    let content = other_plan.proven_content(&id, ProofAction::Approve);
    assert!(!check_proof(&keys, &CheckProofInput { content, ..check }).proved, "a copied signature");
}

//! `berth production …` beside a worker with fake activities: answers, exit codes, waits and next steps.

use std::{process::Command, sync::atomic::Ordering};

use berth_test_support::{
    Answer, Commands, commit,
    fake_activities::Does,
    production::{Production, production, push},
};
use berth_workflows::contract::{phase::Phase, signals::Push, verdict::FailureType};
use serde_json::{Value, json};
use temporalio_client::WorkflowTerminateOptions;

use crate::{BERTH, exit_codes::assert_documented, kubernetes::Kubernetes};

/// A kubeconfig that leads nowhere.
const NO_CLUSTER: (&str, &str) = ("KUBECONFIG", "/nonexistent/config");

fn begin(t: &Production, verb: &str, more: &[&str]) -> tokio::task::JoinHandle<Answer> {
    let (temporal_address, task_queue) = (t.address.clone(), t.task_queue.clone());
    let commands = Commands { berth: BERTH.into(), temporal_address, task_queue };
    let begun = commands.begin_production(verb, &t.input.app, more);
    // The worker runs on this thread, so the command runs on another.
    tokio::task::spawn_blocking(|| begun.wait())
}

async fn berth(t: &Production, verb: &str, more: &[&str]) -> Answer {
    let answer = begin(t, verb, more).await.unwrap();
    assert_documented(&["production", verb], answer.code);
    assert_eq!(answer.json["environment"], t.input.workflow_id(), "{answer:?}");
    answer
}

fn begin_release(t: &Production, digit: char, more: &[&str]) -> tokio::task::JoinHandle<Answer> {
    let Push { commit, image, .. } = push(digit);
    let (commit, image) = (commit.to_string(), image.to_string());
    begin(t, "release", &[&["--commit", &commit, "--image", &image], more].concat())
}

async fn release(t: &Production, digit: char, more: &[&str]) -> Answer {
    let answer = begin_release(t, digit, more).await.unwrap();
    assert_documented(&["production", "release"], answer.code);
    answer
}

#[track_caller]
fn assert_ended(answer: &Answer, code: i32, outcome: &str) {
    assert_eq!((answer.code, answer.json["outcome"].as_str()), (code, Some(outcome)), "{answer:?}");
}

#[track_caller]
fn assert_reason(answer: &Answer, expected: &str) {
    let reason = answer.json["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(expected), "{expected:?} should be in {answer:?}");
}

#[tokio::test]
async fn release_waits_until_it_is_live_and_shows_each_change() {
    production("cmd-p-live", async |t: Production| {
        let live = release(&t, 'a', &["--sequence", "7", "--author", "octocat"]).await;
        assert_ended(&live, 0, "live");
        let expected = (json!(commit('a').to_string()), json!("production-cmd-p-live-rollout-1"));
        assert_eq!((live.json["commit"].clone(), live.json["rollout"].clone()), expected, "{live:?}");
        assert_eq!(live.data["serving"]["number"], 1);
        assert!(live.stderr.contains("waits for"), "a log shows progress too: {live:?}");
        // The same again is a retry.
        assert_ended(&release(&t, 'a', &["--sequence", "7"]).await, 0, "live");
        let old = release(&t, 'b', &["--sequence", "6"]).await;
        assert_ended(&old, 3, "superseded");
        assert_reason(&old, "berth production rollback");
    })
    .await;
}

#[tokio::test]
async fn failed_release_ends_when_production_serves_again() {
    production("cmd-p-fail", async |t: Production| {
        assert_ended(&release(&t, 'a', &[]).await, 0, "live");
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let failed = release(&t, 'b', &[]).await;
        assert_ended(&failed, 1, "rolled_back");
        assert_eq!(failed.json["verdict"]["failure"], "CrashLoop", "{failed:?}");
        assert_eq!(failed.json["commit"], commit('b').to_string());
        assert_eq!(failed.data["serving"]["number"], 1);
        assert_ended(&berth(&t, "status", &[]).await, 1, "rolled_back");
        assert_ended(&berth(&t, "wait", &["--release", "1"]).await, 0, "live");
        assert_ended(&berth(&t, "wait", &["--commit", "bbbbbbb"]).await, 1, "rolled_back");

        t.world.next("plan_release", Does::Fail(FailureType::ManifestInvalid));
        let refused = release(&t, 'c', &[]).await;
        assert_ended(&refused, 1, "failed");
        assert_eq!(refused.json["verdict"]["failure"], "ManifestInvalid", "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn approval_names_the_plan_that_is_in_force() {
    production("cmd-p-approve", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        let waiting = release(&t, 'a', &[]).await;
        assert_ended(&waiting, 5, "awaiting_approval");
        let plan = waiting.data["queued"]["plan"]["id"].as_str().unwrap().to_owned();
        assert_reason(&waiting, &format!("approve cmd-p-approve --release 1 --plan {plan}"));

        let other = berth(&t, "approve", &["--release", "1", "--plan", "old", "--by", "lead"]).await;
        assert_ended(&other, 10, "refused");
        assert_eq!(other.data["plan"], plan.as_str());
        assert_reason(&other, "berth production plan cmd-p-approve");
        let early = berth(&t, "wait", &["--release", "1", "--timeout", "1s"]).await;
        assert_ended(&early, 5, "timed_out");
        assert_reason(&early, "berth production wait cmd-p-approve --release 1");

        let later = begin(&t, "wait", &["--release", "1"]);
        let approved = berth(&t, "approve", &["--release", "1", "--plan", &plan, "--by", "lead"]).await;
        assert_ended(&approved, 0, "approved");
        assert_ended(&later.await.unwrap(), 0, "live");
        let late = berth(&t, "reject", &["--release", "1", "--by", "lead"]).await;
        assert_ended(&late, 10, "live");
    })
    .await;
}

#[tokio::test]
async fn rejected_or_replaced_release_ends_its_wait() {
    production("cmd-p-reject", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        assert_ended(&release(&t, 'a', &[]).await, 5, "awaiting_approval");
        let first = begin(&t, "wait", &["--release", "1"]);
        assert_ended(&release(&t, 'b', &[]).await, 5, "awaiting_approval");
        let first = first.await.unwrap();
        assert_ended(&first, 3, "superseded");
        assert_reason(&first, "release 2 has replaced it");
        let late = berth(&t, "approve", &["--release", "1", "--plan", "x", "--by", "lead"]).await;
        assert_ended(&late, 3, "superseded");

        let second = begin(&t, "wait", &["--commit", &commit('b').to_string()]);
        let rejected = berth(&t, "reject", &["--release", "2", "--by", "lead", "--reason", "wait for Monday"]).await;
        assert_ended(&rejected, 0, "rejected");
        let second = second.await.unwrap();
        assert_ended(&second, 1, "rejected");
        assert_reason(&second, "wait for Monday");
    })
    .await;
}

#[tokio::test]
async fn freeze_holds_a_release_until_unfreeze() {
    production("cmd-p-freeze", async |t: Production| {
        let frozen = berth(&t, "freeze", &["--reason", "incident 42", "--by", "ops"]).await;
        assert_ended(&frozen, 0, "frozen");
        let queued = release(&t, 'a', &[]).await;
        assert_ended(&queued, 5, "frozen");
        assert_reason(&queued, "frozen by ops: incident 42; berth production unfreeze cmd-p-freeze");
        let sent = release(&t, 'b', &["--no-wait"]).await;
        assert_ended(&sent, 0, "queued");
        assert_ended(&berth(&t, "status", &[]).await, 5, "frozen");
        let waiting = begin(&t, "wait", &[]);
        assert_ended(&berth(&t, "unfreeze", &["--by", "ops"]).await, 0, "unfrozen");
        assert_ended(&waiting.await.unwrap(), 0, "live");
        assert_ended(&berth(&t, "redeploy", &[]).await, 0, "live");
        assert_eq!(t.world.count("apply_release"), 2);
    })
    .await;
}

#[tokio::test]
async fn rollback_waits_until_the_earlier_release_serves() {
    production("cmd-p-back", async |t: Production| {
        let nothing = berth(&t, "rollback", &["--by", "ops", "--to", "0"]).await;
        assert_ended(&nothing, 10, "refused");
        assert_reason(&nothing, "berth production history cmd-p-back");
        assert_ended(&release(&t, 'a', &[]).await, 0, "live");
        t.world.next("await_rollout", Does::Hang);
        let second = begin_release(&t, 'b', &[]);
        t.until_called("await_rollout", 2).await;
        let back = berth(&t, "rollback", &["--to", "1", "--by", "ops", "--reason", "broken"]).await;
        assert_ended(&back, 0, "live");
        assert_reason(&back, "berth production unfreeze cmd-p-back lets queued releases go on");
        assert_eq!(back.data["serving"]["number"], 1);
        assert_ended(&second.await.unwrap(), 1, "rolled_back");
        t.until("frozen", |s| s.phase == Phase::Frozen).await;
    })
    .await;
}

#[tokio::test]
async fn plan_and_history_say_what_a_kubeconfig_would_show() {
    production("cmd-p-plan", async |t: Production| {
        let none = berth(&t, "plan", &[]).await;
        assert_ended(&none, 4, "not_found");
        assert_ended(&release(&t, 'a', &[]).await, 0, "live");
        t.world.needs_approval.store(true, Ordering::Relaxed);
        assert_ended(&release(&t, 'b', &[]).await, 5, "awaiting_approval");
        let show = |verb: &'static str, more: &'static [&'static str]| {
            let mut command = Command::new(BERTH);
            command.args(["production", verb, "cmd-p-plan", "--output", "json"]).args(more);
            command.env("TEMPORAL_ADDRESS", &t.address).env(NO_CLUSTER.0, NO_CLUSTER.1);
            let run = tokio::task::spawn_blocking(move || command.output().unwrap());
            async move { serde_json::from_slice::<Value>(&run.await.unwrap().stdout).unwrap() }
        };
        let plan = show("plan", &[]).await;
        assert_eq!((&plan["outcome"], &plan["data"]["release"]), (&json!("planned"), &json!(2)), "{plan:#}");
        let id = plan["data"]["plan"]["id"].as_str().unwrap();
        assert!(plan["reason"].as_str().unwrap().contains(&format!("kubectl get secret berth-plan-{id}")), "{plan:#}");
        let other = show("plan", &["--release", "1"]).await;
        assert_eq!((&other["exit_code"], &other["outcome"]), (&json!(4), &json!("not_found")), "{other:#}");

        let history = show("history", &[]).await;
        let data = &history["data"];
        assert_eq!((&data["from"], &data["rollouts"][0]["release"]), (&json!("status"), &json!(1)), "{history:#}");
        assert!(history["reason"].as_str().unwrap().contains("a kubeconfig that may list the Secrets"), "{history:#}");
        let alone = show("history", &["--namespace", "web-production"]).await;
        assert_eq!((&alone["exit_code"], &alone["outcome"]), (&json!(10), &json!("error")), "{alone:#}");
    })
    .await;
}

#[tokio::test]
async fn plan_and_history_show_what_a_kubeconfig_may_read() {
    production("cmd-p-read", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        let waiting = release(&t, 'a', &[]).await;
        assert_ended(&waiting, 5, "awaiting_approval");
        let (data, namespace) = (&waiting.data, waiting.data["namespace"].as_str().unwrap());
        let plan = data["queued"]["plan"]["id"].as_str().unwrap();
        let stored = |name: &str, release: &str, by: &str| {
            let annotations = json!({"berth.dev/release": release, "berth.dev/commit": "4f2a9c1", "berth.dev/released-by": by,
                "berth.dev/proven-at": "2026-11-27T10:00:00Z"});
            json!({"metadata": {"name": name, "annotations": annotations}})
        };
        let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {},
            "items": [stored("berth-release-b", "9", "octocat"), stored("berth-release-a", "10", "hubot")]});
        let difference = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": format!("berth-plan-{plan}")},
            "data": {"plan.txt": "LXJlcGxpY2FzOiAxCityZXBsaWNhczogMg=="}});
        let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
        let cluster = Kubernetes::with([
            (format!("{secrets}?&labelSelector=berth.dev%2Fcontent%3Drelease"), list),
            (format!("{secrets}/berth-plan-{plan}"), difference),
        ]);
        let cluster = cluster.await;
        let show = async |arguments: &[&str]| {
            let mut command = Command::new(BERTH);
            command.arg("production").args(arguments).env("KUBECONFIG", cluster.kubeconfig());
            command.env("TEMPORAL_ADDRESS", &t.address);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let shown = show(&["plan", "cmd-p-read"]).await;
        assert!(shown.contains("-replicas: 1\n+replicas: 2"), "{shown}");
        let shown = show(&["history", "cmd-p-read"]).await;
        let rows: Vec<_> = shown.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!((rows[0][0], rows[1][0], rows[0][4]), ("10", "9", "hubot"), "newest first: {shown}");
        let alone = ["history", "cmd-p-read", "--namespace", namespace, "--output", "json"];
        let json: Value = serde_json::from_str(&show(&alone).await).unwrap();
        assert_eq!((&json["data"]["from"], &json["data"]["releases"][0]["release"]), (&json!("namespace"), &json!(10)));
    })
    .await;
}

#[tokio::test]
async fn production_ended_from_outside_is_started_again_by_a_message() {
    production("cmd-p-ended", async |t: Production| {
        assert_ended(&release(&t, 'a', &[]).await, 0, "live");
        t.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
        for verb in ["status", "wait", "plan"] {
            let answer = berth(&t, verb, &[]).await;
            assert_ended(&answer, 10, "error");
            assert_reason(&answer, "was ended from outside (Terminated); the next message starts it again");
        }
        assert_ended(&berth(&t, "freeze", &["--reason", "look first", "--by", "ops"]).await, 0, "frozen");
        assert_eq!(berth(&t, "status", &[]).await.data["frozen"]["reason"], "look first");
    })
    .await;
}

#[tokio::test]
async fn unknown_app_is_refused_by_its_name() {
    production("cmd-p-known", async |t: Production| {
        t.until_called("recall_production", 1).await;
        t.world.next("load_app", Does::Fail(FailureType::UnknownApp));
        let (temporal_address, task_queue) = (t.address.clone(), t.task_queue.clone());
        let commands = Commands { berth: BERTH.into(), temporal_address, task_queue };
        for (verb, more) in [("freeze", ["--reason", "r", "--by", "ops"].as_slice()), ("status", &[])] {
            let begun = commands.begin_production(verb, "cmd-p-unknown", more);
            let answer = tokio::task::spawn_blocking(|| begun.wait()).await.unwrap();
            assert_ended(&answer, 10, "error");
            assert_reason(&answer, "production-cmd-p-unknown was refused: ");
            assert_reason(&answer, "as ordered");
        }
    })
    .await;
}

#[tokio::test]
async fn caller_is_named_by_flag_or_environment() {
    let freeze = |by: Option<&str>, environment: &[(&str, &str)]| {
        let mut command = Command::new(BERTH);
        command.args(["production", "freeze", "web", "--reason", "r"]).args(by.map(|by| format!("--by={by}")));
        command.env_remove("GITHUB_ACTOR").env_remove("USER").envs(environment.iter().copied());
        let output = command.env("TEMPORAL_ADDRESS", "127.0.0.1:1").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = freeze(None, &[]);
    assert!(code == 2 && stderr.contains("--by NAME: GITHUB_ACTOR and USER are not set"), "{code}: {stderr}");
    for (by, environment) in
        [(Some("ops"), [].as_slice()), (None, &[("GITHUB_ACTOR", "octocat")]), (None, &[("USER", "ops")])]
    {
        let (code, stderr) = freeze(by, environment);
        assert!(code == 10 && stderr.contains("connecting to Temporal"), "{code}: {stderr}");
    }
}

#[tokio::test]
async fn wrong_command_line_of_production_is_refused_before_any_request() {
    let image = push('a').image.to_string();
    for (arguments, expected) in [
        (["wait", "Web"].as_slice(), "app must be a DNS label"),
        (&["wait", "web", "--release", "1", "--commit", "1234567"], "cannot be used with"),
        (&["approve", "web", "--release", "1"], "--plan <PLAN>"),
        (&["freeze", "web"], "--reason <REASON>"),
        (&["rollback", "web", "--to", "last"], "invalid digit"),
        (&["rollback", "web", "--secrets", "new"], "[possible values: stored, current]"),
        (&["release", "web", "--commit", "x", "--image", &image], "commit must be 7 to 64 hexadecimal digits"),
        (&["release", "web", "--commit", "1234567", "--image", "web:v1"], "has no digest"),
        (&["release", "web", "--fork"], "unexpected argument '--fork'"),
    ] {
        let output = Command::new(BERTH).arg("production").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

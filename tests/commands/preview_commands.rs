//! `berth preview …` beside a worker with fake activities: answers, exit codes, timeouts.

use std::process::{Command, Stdio};

use berth_test_support::{
    Answer, Commands, commit,
    preview::{Does, Preview, preview, push},
};
use berth_workflows::contract::{phase::Phase, signals::Push, verdict::FailureType};
use serde_json::Value;
use temporalio_client::WorkflowTerminateOptions;

use crate::{BERTH, exit_codes::assert_documented};

fn begin(t: &Preview, verb: &str, more: &[&str]) -> tokio::task::JoinHandle<Answer> {
    let (temporal_address, task_queue) = (t.address.clone(), t.task_queue.clone());
    let commands = Commands { berth: BERTH.into(), temporal_address, task_queue };
    let begun = commands.begin(verb, (&t.input.app, 1), more);
    // The worker runs on this thread, so the command runs on another.
    tokio::task::spawn_blocking(|| begun.wait())
}

async fn berth(t: &Preview, verb: &str, more: &[&str]) -> Answer {
    let answer = begin(t, verb, more).await.unwrap();
    assert_documented(&["preview", verb], answer.code);
    assert_eq!(answer.json["environment"], t.input.workflow_id(), "{answer:?}");
    answer
}

async fn push_by_command(t: &Preview, digit: char, more: &[&str]) -> Answer {
    let Push { commit, image, .. } = push(digit);
    let (commit, image) = (commit.to_string(), image.to_string());
    berth(t, "push", &[&["--commit", &commit, "--image", &image], more].concat()).await
}

#[tokio::test]
async fn redeploy_waits_until_the_newest_release_is_live_again() {
    preview("cmd-redeploy", async |t: Preview| {
        let none = berth(&t, "redeploy", &[]).await;
        assert_eq!(none.code, 4, "there is no such environment: {none:?}");
        let pushed = push_by_command(&t, 'a', &[]).await;
        assert_eq!(pushed.code, 0, "{pushed:?}");
        let urls = [&pushed.json["url"], &pushed.json["temporal_dashboard_url"]];
        assert_eq!(urls, ["https://pr-1.example.com", "https://pr-1-temporal.example.com"], "{pushed:?}");
        let answer = berth(&t, "redeploy", &[]).await;
        assert_eq!((answer.code, answer.data["phase"].as_str()), (0, Some("Live")), "{answer:?}");
        assert_eq!(answer.data["rollouts"].as_array().unwrap().len(), 2);

        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let failed = berth(&t, "redeploy", &[]).await;
        assert_eq!(
            (failed.code, failed.data["failed"]["verdict"]["failure"].as_str()),
            (1, Some("CrashLoop")),
            "{failed:?}"
        );
        assert_eq!(failed.json["verdict"], failed.data["failed"]["verdict"]);
        let answer = berth(&t, "redeploy", &["--no-wait"]).await;
        assert_eq!((answer.code, answer.json["outcome"].as_str()), (0, Some("sent")));
        assert!(answer.json["reason"].as_str().unwrap().contains("has the redeploy"));
        t.until("live", |s| s.phase == Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn push_brings_named_images_and_variables() {
    preview("cmd-named", async |t: Preview| {
        let worker = format!("WORKER=acme/worker@sha256:{}", "b".repeat(64));
        let pushed = push_by_command(&t, 'a', &["--image", &worker, "--set", "FLAGS=a,b"]).await;
        assert_eq!(pushed.code, 0, "{pushed:?}");
        let release = t.status().await.serving.unwrap().release;
        let images: Vec<_> = release.images.iter().map(|(name, image)| format!("{name}={image}")).collect();
        assert_eq!((images, release.variables.get("FLAGS")), (vec![worker.clone()], Some("a,b")));
        let twice = push_by_command(&t, 'a', &["--image", &worker, "--image", &worker]).await;
        assert_eq!(twice.code, 2, "{twice:?}");
        assert!(twice.stderr.contains("--image WORKER=… is there twice"), "{twice:?}");
    })
    .await;
}

#[tokio::test]
async fn close_ends_when_all_is_gone_though_the_pull_request_was_opened_again() {
    preview("cmd-reopened", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::HangUntilFreed);
        let reopen = async {
            t.until_called("delete_environment", 1).await;
            t.push(push('b')).await;
            t.until("queued", |s| s.queued.is_some()).await;
            t.world.free();
        };
        let (closed, ()) = tokio::join!(berth(&t, "close", &[]), reopen);
        assert_eq!((closed.code, closed.data["number"].as_u64()), (0, Some(1)), "{closed:?}");
        assert_eq!(closed.json["reason"], "its pull request was opened again", "{closed:?}");
        t.until("live", |s| s.serving.as_ref().is_some_and(|serving| serving.release.commit == commit('b'))).await;
    })
    .await;
}

#[tokio::test]
async fn close_older_than_a_push_is_ignored_and_a_long_one_times_out() {
    preview("cmd-close", async |t: Preview| {
        t.push(Push { sequence: Some(9), ..push('a') }).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let old = berth(&t, "close", &["--sequence", "8"]).await;
        assert_eq!(old.code, 6, "{old:?}");
        let reason = "preview-cmd-close-1 ignores the close: sequence 8 is older than 9, already seen";
        assert_eq!((old.json["reason"].as_str(), old.data["seen"].as_u64()), (Some(reason), Some(9)), "{old:?}");
        assert_eq!(t.status().await.phase, Phase::Live);

        t.world.next("delete_environment", Does::Hang);
        let impatient = berth(&t, "close", &["--sequence", "9", "--timeout", "1s"]).await;
        assert_eq!(impatient.code, 5, "{impatient:?}");
        assert!(impatient.stderr.contains("not done after 1s (--timeout)"), "{impatient:?}");
        let (outcome, phase) = (&impatient.json["outcome"], &impatient.data["phase"]);
        assert_eq!((outcome.as_str(), phase.as_str()), (Some("timed_out"), Some("TearingDown")), "{impatient:?}");
    })
    .await;
}

#[tokio::test]
async fn wait_ends_with_the_outcome_of_the_commit() {
    preview("cmd-wait", async |t: Preview| {
        let (a, b) = (commit('a').to_string(), commit('b').to_string());
        assert_eq!(berth(&t, "wait", &[]).await.code, 4, "nothing was ever pushed");
        let early = begin(&t, "wait", &["--commit", &a]);
        t.world.next("await_rollout", Does::Hang);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        let impatient = berth(&t, "wait", &["--commit", &a, "--timeout", "1s"]).await;
        assert_eq!(impatient.code, 5, "{impatient:?}");
        assert!(impatient.stderr.contains("not done after 1s (--timeout)"), "{impatient:?}");
        assert_eq!(impatient.data["phase"], "RollingOut");
        assert!(impatient.stderr.contains(" s  RollingOut: aaaaaaa waits for "), "without a terminal: {impatient:?}");

        t.push(push('b')).await;
        let late = berth(&t, "wait", &["--commit", &b]).await;
        assert_eq!((late.code, &late.data["serving"]["commit"]), (0, &Value::from(b)), "{late:?}");
        let early = early.await.unwrap();
        assert_eq!(early.code, 3, "superseded: {early:?}");

        assert_eq!(berth(&t, "wait", &["--for", "gone", "--timeout", "1s"]).await.code, 5);
        let gone = begin(&t, "wait", &["--for", "gone"]);
        assert_eq!(berth(&t, "close", &[]).await.code, 0);
        assert_eq!(gone.await.unwrap().code, 0);
        assert_eq!(berth(&t, "status", &[]).await.code, 4);
    })
    .await;
}

#[tokio::test]
async fn wait_ends_for_a_commit_that_never_began() {
    preview("cmd-wait-never", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.push(Push { sequence: Some(7), ..push('a') }).await;
        t.until_called("await_rollout", 1).await;
        t.push(Push { sequence: Some(6), ..push('b') }).await;
        let [a, b] = ['a', 'b'].map(|digit| commit(digit).to_string());
        let skipped = berth(&t, "wait", &["--commit", &b]).await;
        assert_eq!((skipped.code, skipped.json["outcome"].as_str()), (6, Some("skipped")), "{skipped:?}");
        assert_eq!(skipped.json["reason"], "sequence 6 is older than 7, already seen");
        assert_eq!(skipped.json["commit"], b.as_str());

        // The rollout in flight must stop before the next one begins, so the first of the two never does.
        t.worker.stop().await;
        t.push(push('c')).await;
        t.push(push('d')).await;
        t.worker.start().await;
        let overtaken = berth(&t, "wait", &["--commit", commit('c').short()]).await;
        assert_eq!((overtaken.code, overtaken.json["outcome"].as_str()), (3, Some("superseded")), "{overtaken:?}");
        let live = berth(&t, "wait", &["--commit", commit('d').short()]).await;
        assert_eq!((live.code, live.json["outcome"].as_str()), (0, Some("live")), "{live:?}");
        assert_eq!(berth(&t, "wait", &["--commit", &a]).await.code, 3);
    })
    .await;
}

#[tokio::test]
async fn wait_for_a_draft_is_skipped() {
    preview("cmd-wait-draft", async |t: Preview| {
        t.push(Push { draft: true, ..push('a') }).await;
        let draft = berth(&t, "wait", &["--commit", commit('a').as_str()]).await;
        assert_eq!((draft.code, draft.json["outcome"].as_str()), (6, Some("skipped")), "{draft:?}");
        assert!(draft.json["reason"].as_str().unwrap().contains("draft"), "{draft:?}");
    })
    .await;
}

#[tokio::test]
async fn approval_is_only_for_the_commit_that_waits() {
    preview("cmd-approve", async |t: Preview| {
        let waiting = push_by_command(&t, 'a', &["--fork", "--author", "octocat"]).await;
        assert_eq!((waiting.code, waiting.json["outcome"].as_str()), (5, Some("awaiting_approval")), "{waiting:?}");
        let (a, b) = (commit('a').to_string(), commit('b').to_string());
        let other = berth(&t, "approve", &["--commit", &b]).await;
        assert_eq!(other.code, 10);
        assert!(other.stderr.contains(&format!("no push of {b} waits for approval, but {a} does")), "{other:?}");
        let approved = berth(&t, "approve", &["--commit", &a, "--by", "hubot"]).await;
        assert_eq!((approved.code, approved.json["outcome"].as_str()), (0, Some("live")), "{approved:?}");
    })
    .await;
}

#[tokio::test]
async fn redeploy_is_live_beside_a_fork_that_waits() {
    preview("cmd-redeploy-fork", async |t: Preview| {
        let (a, b) = (commit('a').to_string(), commit('b').to_string());
        assert_eq!(push_by_command(&t, 'a', &[]).await.code, 0);
        assert_eq!(push_by_command(&t, 'b', &["--fork"]).await.code, 5);
        let live = berth(&t, "redeploy", &[]).await;
        assert_eq!((live.code, live.json["outcome"].as_str()), (0, Some("live")), "{live:?}");
        assert_eq!(live.json["commit"], a.as_str(), "{live:?}");
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let failed = berth(&t, "redeploy", &[]).await;
        assert_eq!((failed.code, failed.json["commit"].as_str()), (1, Some(a.as_str())), "{failed:?}");
        let waited = berth(&t, "wait", &["--commit", &b, "--timeout", "1s"]).await;
        assert_eq!((waited.code, waited.json["commit"].as_str()), (5, Some(b.as_str())), "{waited:?}");
        assert!(waited.json.get("verdict").is_none(), "the verdict is another commit's: {waited:?}");
    })
    .await;
}

#[tokio::test]
async fn environment_ended_from_outside_is_not_shown_as_before() {
    preview("cmd-ended", async |t: Preview| {
        assert_eq!(push_by_command(&t, 'a', &[]).await.code, 0);
        t.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
        for verb in ["status", "redeploy", "wait"] {
            let answer = berth(&t, verb, &[]).await;
            assert_eq!(answer.code, 10, "{verb}: {answer:?}");
            assert!(answer.stderr.contains("was ended from outside (Terminated): berth preview close"), "{answer:?}");
        }
        assert_eq!(berth(&t, "close", &[]).await.code, 0);
        assert_eq!(t.world.count("delete_environment"), 1);
    })
    .await;
}

#[tokio::test]
async fn run_exits_as_the_script_or_cron_job_does() {
    preview("cmd-run", async |t: Preview| {
        assert_eq!(push_by_command(&t, 'a', &[]).await.code, 0);
        for (arguments, started) in [
            (["--cron", "nightly"].as_slice(), "start_script CronJob nightly of berth-release-aaaaaaa"),
            (&["nightly"], "start_script nightly"),
        ] {
            let answer = begin(&t, "run", arguments).await.unwrap();
            assert_eq!((answer.code, answer.json["outcome"].as_str()), (3, Some("exited")), "{answer:?}");
            assert_eq!(answer.data["log_tail"], "last words");
            assert!(t.world.calls().contains(&started.to_owned()), "{:?}", t.world.calls());
        }
        t.world.next("start_script", Does::Fail(FailureType::InvalidInput));
        let refused = begin(&t, "run", &["--cron", "absent"]).await.unwrap();
        assert_eq!((refused.code, refused.json["outcome"].as_str()), (10, Some("error")), "{refused:?}");
        assert!(refused.json["reason"].as_str().unwrap().contains("as ordered"), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn wrong_command_line_is_refused_before_any_request() {
    let image = push('a').image.to_string();
    for (arguments, expected) in [
        (["wait", "Web", "1"].as_slice(), "app must be a DNS label"),
        (&["wait", "web", "0"], "0 is not in 1..=9999999999"),
        (&["wait", "web", "1", "--timeout", "90"], "`90` is not a duration: write it as `72h`"),
        (&["wait", "web", "1", "--for", "ever"], "[possible values: live, gone]"),
        (&["approve", "web", "1"], "--commit <COMMIT>"),
        (
            &["push", "web", "1", "--commit", "$(touch x)", "--image", &image],
            "commit must be 7 to 64 hexadecimal digits",
        ),
        (&["push", "web", "1", "--commit", "1234567", "--image", "web:v1"], "has no digest"),
        (&["list", "--app", "x' OR 1=1"], "app must be a DNS label"),
        (&["run", "web", "1"], "<SCRIPT>"),
        (&["run", "web", "1", "--cron", "A b"], "the name of a CronJob has at most 52"),
        (&["run", "web", "1", "--cron", "nightly", "remind"], "cannot be used with"),
        (&["run", "web", "1", "remind", "--cron", "nightly"], "cannot be used with"),
    ] {
        let output = Command::new(BERTH).arg("preview").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn push_without_a_worker_says_so() {
    preview("cmd-nobody", async |t: Preview| {
        let mut command = Command::new(BERTH);
        let Push { commit, image, .. } = push('a');
        command.args(["preview", "push", &t.input.app, "1", "--task-queue", "nobodys"]);
        command.args(["--commit", commit.as_str(), "--image", &image.to_string()]);
        let mut child = command.env("TEMPORAL_ADDRESS", &t.address).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(stderr), &mut line).unwrap();
            line
        });
        let line = line.await.unwrap();
        assert!(line.contains("no worker takes work from the task queue nobodys"), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    })
    .await;
}

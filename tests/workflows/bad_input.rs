//! Bad input to an environment: its sender reads what is wrong, and the environment answers `status` and takes a good push
//! after each.
//!
//! `cargo test -p berth --test workflows -- bad_input --nocapture` prints the text for each case.

mod cases;

use std::{process::Command, time::Duration};

use berth_workflows::{
    contract::{phase::Phase, verdict::FailureType},
    preview_environment::PreviewEnvironment,
};
use cases::{Case, Table, pushes, starts};
use serde_json::json;
use temporalio_client::{
    UntypedSignal, UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions, WorkflowGetResultOptions,
    WorkflowHandle, WorkflowSignalOptions, WorkflowStartOptions, WorkflowTerminateOptions,
    errors::WorkflowGetResultError,
};
use temporalio_common::{
    RetryPolicy,
    data_converters::RawValue,
    protos::temporal::api::{common::v1::Payload, history::v1::history_event::Attributes},
};

use berth_test_support::preview::{Does, Preview, commit, preview, push};

type Handle = WorkflowHandle<temporalio_client::Client, UntypedWorkflow>;

async fn start(t: &Preview, input: RawValue) -> Result<Handle, String> {
    let options = WorkflowStartOptions::new(t.task_queue.clone(), t.input.workflow_id()).build();
    let workflow = UntypedWorkflow::new("PreviewEnvironment");
    t.client.start_workflow(workflow, input, options).await.map_err(|e| format!("{:#}", anyhow::Error::from(e)))
}

/// Pushes the next commit, and waits until it is live.
async fn takes_a_good_push(t: &Preview, turn: &mut usize) {
    *turn += 1;
    let digit = if turn.is_multiple_of(2) { 'a' } else { 'b' };
    t.push(push(digit)).await;
    let live = |s: &berth_workflows::contract::status::Status| {
        s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))
    };
    t.until("live", |s| s.phase == Phase::Live && live(s)).await;
}

#[tokio::test]
async fn bad_start_fails_with_a_message_and_the_id_stays_free() {
    preview("badstart", async |t: Preview| {
        let mut table = Table::default();
        for case in starts(&t.input.app) {
            let handle = start(&t, case.input()).await.unwrap();
            match handle.get_result(WorkflowGetResultOptions::default()).await {
                Err(WorkflowGetResultError::Failed(error)) => {
                    let message = &error.failure().message;
                    table.row("start", case.name, message);
                    assert!(message.contains(case.message), "{}: {message}", case.name);
                }
                other => panic!("{}: {:?}", case.name, other.map(|_| ())),
            }
            // A failed environment still answers a query.
            t.status().await;
        }
        takes_a_good_push(&t, &mut 0).await;
    })
    .await;
}

#[tokio::test]
async fn start_with_an_option_that_ends_the_workflow_is_refused() {
    preview("ended", async |t: Preview| {
        let hour = Duration::from_secs(3600);
        let options = || WorkflowStartOptions::new(t.task_queue.clone(), t.input.workflow_id());
        let once = RetryPolicy::builder().maximum_attempts(1).build();
        for (options, named) in [
            (options().execution_timeout(hour).build(), "--execution-timeout"),
            (options().run_timeout(hour).build(), "--run-timeout"),
            (options().retry_policy(once).build(), "a retry policy"),
            (options().cron_schedule("@every 1s".to_owned()).build(), "--cron"),
        ] {
            let handle =
                t.client.start_workflow(PreviewEnvironment::run, t.input.clone().into(), options).await.unwrap();
            let of_first_run = WorkflowGetResultOptions::builder().follow_runs(false).build();
            assert!(handle.get_result(of_first_run).await.is_err(), "{named}");
            let events = handle.fetch_history(Default::default()).into_events().await.unwrap();
            let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) = &events.last().unwrap().attributes
            else {
                panic!("{named}: {events:?}")
            };
            let message = &failed.failure.as_ref().unwrap().message;
            assert!(message.contains(&format!("started with {named}:")), "{message}");
        }
        // Under --cron the server begins a run after each that has failed.
        t.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
        takes_a_good_push(&t, &mut 0).await;
    })
    .await;
}

#[tokio::test]
async fn bad_signal_is_noted_and_the_environment_goes_on() {
    preview("badsignal", async |t: Preview| {
        let (mut table, mut turn) = (Table::default(), 0);
        takes_a_good_push(&t, &mut turn).await;
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for case in pushes() {
            let before = t.status().await.notes;
            let signal = UntypedSignal::new("push");
            handle.signal(signal, case.input(), WorkflowSignalOptions::default()).await.unwrap();
            let status = t.until("noted", |s| s.notes != before).await;
            let note = status.notes.last().unwrap();
            table.row("signal push", case.name, note);
            assert!(note.starts_with("push: ") && note.contains(case.message), "{}: {note}", case.name);
            assert_eq!(status.phase, Phase::Live);
            takes_a_good_push(&t, &mut turn).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bad_update_is_refused_with_the_same_message() {
    preview("badupdate", async |t: Preview| {
        let (mut table, mut turn) = (Table::default(), 0);
        takes_a_good_push(&t, &mut turn).await;
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for case in pushes() {
            let update = UntypedUpdate::new("deploy");
            let refused = handle.execute_update(update, case.input(), WorkflowExecuteUpdateOptions::default()).await;
            let refused = format!("{:?}", refused.map(|_| ()).unwrap_err());
            let expected = format!("{:?}", case.message);
            assert!(refused.contains(expected.trim_matches('"')), "{}: {refused}", case.name);
            t.status().await;
            takes_a_good_push(&t, &mut turn).await;
        }
        assert!(t.status().await.notes.is_empty(), "only its sender is told");
        table.row("update deploy", "all of the above", "refused with the same message");
    })
    .await;
}

#[tokio::test]
async fn other_signals_note_bad_input_too() {
    preview("badothers", async |t: Preview| {
        let (mut table, mut turn) = (Table::default(), 0);
        takes_a_good_push(&t, &mut turn).await;
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for (signal, json, expected) in [
            ("close", json!({"sequence": -1}), "close: invalid type: integer `-1`, expected a whole number from 0"),
            ("close", json!({"force": true}), "close: unknown field `force`, expected `sequence`"),
            ("close", json!(7), "close: expected a JSON object"),
            ("approve", json!({}), "approve: missing field `commit`"),
            ("approve", json!({"commit": "HEAD"}), "approve: commit must be 7 to 64 hexadecimal digits"),
            ("approve", json!({"commit": "a".repeat(40)}), "waits for approval"),
            ("redeploy", json!({"commit": "a".repeat(40)}), "redeploy: unknown field `commit`"),
        ] {
            let before = t.status().await.notes;
            let options = WorkflowSignalOptions::default();
            handle.signal(UntypedSignal::new(signal), RawValue::new(vec![json_payload(&json)]), options).await.unwrap();
            let status = t.until("noted", |s| s.notes != before).await;
            let note = status.notes.last().unwrap();
            table.row(&format!("signal {signal}"), &json.to_string(), note);
            assert!(note.contains(expected), "{signal} {json}: {note}");
            takes_a_good_push(&t, &mut turn).await;
        }
        // Signals that are unknown or internal change nothing.
        for signal in ["rollout_step", "pusch"] {
            let options = WorkflowSignalOptions::default();
            let input = RawValue::new(vec![json_payload(&json!([1]))]);
            handle.signal(UntypedSignal::new(signal), input, options).await.unwrap();
            table.row(&format!("signal {signal}"), "[1]", "nothing: Temporal drops a signal that no workflow has");
            takes_a_good_push(&t, &mut turn).await;
        }
    })
    .await;
}

#[tokio::test]
async fn odd_but_valid_input_is_taken() {
    preview("odd", async |t: Preview| {
        let mut table = Table::default();
        for (digit, author, branch) in
            [('a', "🦀 Ⓞcto", "ünïcode/✓"), ('b', "", "$(touch x); --help"), ('c', "<b>`x`</b>", "a b")]
        {
            let mut odd =
                json!({"commit": commit(digit), "image": push(digit).image, "author": author, "branch": branch});
            odd["sequence"] = json!(u32::from(digit));
            let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
            t.push(push(digit)).await;
            let input = RawValue::new(vec![json_payload(&odd)]);
            handle.signal(UntypedSignal::new("push"), input, WorkflowSignalOptions::default()).await.unwrap();
            let status =
                t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
            table.row("signal push", &format!("author {author:?} branch {branch:?}"), status.phase.name());
            assert!(status.notes.is_empty(), "{:?}", status.notes);
        }
    })
    .await;
}

#[tokio::test]
async fn input_of_three_megabytes_is_refused_by_the_server() {
    preview("three-mb", async |t: Preview| {
        let (mut table, mut turn) = (Table::default(), 0);
        let huge = || RawValue::new(vec![json_payload(&json!("x".repeat(3_000_000)))]);
        let refused = start(&t, huge()).await.map(|_| ()).unwrap_err();
        table.row("start", "3 MB", &refused);
        assert!(refused.contains("exceeds"), "{refused}");
        takes_a_good_push(&t, &mut turn).await;
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        let signalled = handle.signal(UntypedSignal::new("push"), huge(), WorkflowSignalOptions::default()).await;
        let refused = format!("{:#}", anyhow::Error::from(signalled.unwrap_err()));
        table.row("signal push", "3 MB", &refused);
        assert!(refused.contains("exceeds"), "{refused}");
        takes_a_good_push(&t, &mut turn).await;
    })
    .await;
}

#[tokio::test]
async fn push_for_an_unknown_app_fails_and_says_so() {
    preview("unknownapp", async |t: Preview| {
        let mut table = Table::default();
        t.world.next("load_app", Does::Fail(FailureType::UnknownApp));
        t.push(push('a')).await;
        let status = t.until("ended", |s| s.phase == Phase::Closed).await;
        table.row("signal push", "unknown app", &status.failed.unwrap().verdict.headline());
        takes_a_good_push(&t, &mut 0).await;
    })
    .await;
}

#[tokio::test]
async fn carried_state_from_a_caller_is_ignored() {
    preview("forged", async |t: Preview| {
        let mut table = Table::default();
        let forged = json!({"app": t.input.app, "pr": 1, "carried": {"last_number": 41, "environment": {
            "app": t.input.app, "pr": 1, "workflow_id": t.input.workflow_id(), "namespace": "kube-system", "host": "x", "scheme": "http"}}});
        start(&t, RawValue::new(vec![json_payload(&forged)])).await.unwrap();
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        table.row("start", "forged `carried`", &format!("ignored: namespace {:?}", status.namespace));
        assert_eq!((status.rollouts[0].number, status.namespace.as_deref()), (1, Some("pr-1")));
    })
    .await;
}

#[tokio::test]
async fn temporal_cli_shows_the_same_messages() {
    preview("badcli", async |t: Preview| {
        let mut table = Table::default();
        let app = t.input.app.clone();
        for case in starts(&app) {
            let Some(text) = short(&case) else { continue };
            let output = temporal(
                &t,
                &[
                    "workflow",
                    "execute",
                    "--type",
                    "PreviewEnvironment",
                    "--task-queue",
                    &t.task_queue,
                    "--workflow-id",
                    &t.input.workflow_id(),
                    "--input",
                    &text,
                ],
            )
            .await;
            let result = output.1.rsplit("Results:").next().unwrap_or_default();
            table.row("temporal execute", case.name, result);
            assert!(!output.0, "{}: {}", case.name, output.1);
        }
        let mut turn = 0;
        takes_a_good_push(&t, &mut turn).await;
        let id = t.input.workflow_id();
        for case in pushes() {
            let Some(text) = short(&case) else { continue };
            let output = temporal(
                &t,
                &["workflow", "update", "execute", "--workflow-id", &id, "--name", "deploy", "--input", &text],
            )
            .await;
            table.row("temporal update", case.name, &output.1);
            assert!(!output.0, "{}: {}", case.name, output.1);
            let output =
                temporal(&t, &["workflow", "signal", "--workflow-id", &id, "--name", "push", "--input", &text]).await;
            table.row("temporal signal", case.name, &output.1);
            t.status().await;
        }
        takes_a_good_push(&t, &mut turn).await;
    })
    .await;
}

/// The text of a case that people type. Only some are tried: a process of the CLI takes a second beside a busy worker.
fn short(case: &Case) -> Option<String> {
    const TYPED: [&str; 12] = [
        "not JSON",
        "cut JSON",
        "null",
        "an array",
        "an unknown field",
        "pr as a text",
        "pr 0",
        "app with a command",
        "another pull request's id",
        "no image",
        "a tag without digest",
        "a commit with a command",
    ];
    case.text().filter(|_| TYPED.contains(&case.name))
}

/// Runs the `temporal` CLI: success, and all of its output.
async fn temporal(t: &Preview, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(berth_lab::temporal_cli().unwrap());
    command.args(arguments).args(["--address", &t.address]);
    // The worker runs on this thread, so the command runs on another.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn json_payload(value: &serde_json::Value) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: serde_json::to_vec(value).unwrap(),
        ..Default::default()
    }
}

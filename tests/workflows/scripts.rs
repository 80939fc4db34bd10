//! Scripts run by hand during the life of a preview, on a real dev server, with fake activities.

use berth_workflows::{
    contract::{
        environment::{Environment, EnvironmentKind},
        phase::Phase,
        run_script::RunScript,
        script::{ScriptAnswer, ScriptRunInput},
        verdict::FailureType,
    },
    preview_environment::PreviewEnvironment,
    script_run::ScriptRun,
};
use serde_json::json;
use temporalio_client::{
    Client, UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions, WorkflowDescribeOptions,
    WorkflowExecuteUpdateOptions, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowHandle,
    WorkflowStartOptions, WorkflowTerminateOptions,
    errors::{WorkflowGetResultError, WorkflowUpdateError},
};

use berth_test_support::{
    histories,
    preview::{Does, Preview, commit, preview, push},
};

const NAME: &str = "send-appointment-reminder";

fn script(name: &str) -> RunScript {
    serde_json::from_value(json!({"name": name, "args": ["--dry-run"]})).unwrap()
}

pub(crate) fn script_run(t: &Preview, number: u64) -> WorkflowHandle<Client, ScriptRun> {
    t.client.get_workflow_handle(format!("{}-script-{number}", t.input.workflow_id()))
}

/// Runs a script. Returns the answer, or the refusal's message.
async fn run(t: &Preview, name: &str) -> Result<ScriptAnswer, String> {
    run_asked(t, script(name)).await
}

/// Runs a script or a `CronJob`. Returns the answer, or the refusal's message.
pub(crate) async fn run_asked(t: &Preview, asked: RunScript) -> Result<ScriptAnswer, String> {
    let options = WorkflowExecuteUpdateOptions::default();
    let answer = t.handle().execute_update(PreviewEnvironment::run_script, asked.into(), options).await;
    answer.map_err(|e| match e {
        WorkflowUpdateError::Failed(failure) => failure.message,
        other => other.to_string(),
    })
}

pub(crate) async fn live(t: &Preview) {
    t.push(push('a')).await;
    t.until("live", |s| s.phase == Phase::Live).await;
}

/// Runs a script that does not end by itself, and meanwhile something else.
async fn while_running<F: Future<Output = ()>>(t: &Preview, name: &str, then: F) -> Result<ScriptAnswer, String> {
    while_asked_runs(t, script(name), then).await
}

/// The same for a script or a `CronJob`.
pub(crate) async fn while_asked_runs<F: Future<Output = ()>>(
    t: &Preview,
    asked: RunScript,
    then: F,
) -> Result<ScriptAnswer, String> {
    t.world.next("await_script", Does::Hang);
    let called = t.world.count("await_script");
    let then = async {
        t.until_called("await_script", called + 1).await;
        then.await;
    };
    tokio::join!(run_asked(t, asked), then).0
}

pub(crate) async fn status_of(t: &Preview, number: u64) -> WorkflowExecutionStatus {
    script_run(t, number).describe(WorkflowDescribeOptions::default()).await.unwrap().status()
}

#[tokio::test]
async fn a_script_runs_in_what_is_live_and_answers_with_its_own_end() {
    preview("script-life", async |t: Preview| {
        live(&t).await;
        let answer = run(&t, NAME).await.unwrap();
        let id = format!("{}-script-1", t.input.workflow_id());
        assert_eq!((answer.exit_code, answer.log_tail.as_str(), &answer.script_run), (Some(3), "last words", &id));
        assert_eq!(script_run(&t, 1).get_result(WorkflowGetResultOptions::default()).await.unwrap(), answer);
        let calls = t.world.calls();
        let of_scripts: Vec<_> = calls.iter().filter(|call| call.contains("_script ")).cloned().collect();
        let expected = [format!("start_script {NAME}"), format!("await_script {id}"), format!("remove_script {id}")];
        assert_eq!(of_scripts, expected);
        assert_eq!(t.status().await.scripts, []);
        assert_eq!(run(&t, NAME).await.unwrap().script_run, format!("{}-script-2", t.input.workflow_id()));
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        record(&t, "ended", Some(1)).await;
    })
    .await;
}

/// Records histories for `replay.rs`, as [`Preview::record`] does.
pub(crate) async fn record(t: &Preview, name: &str, number: Option<u64>) {
    t.record(&format!("script-{name}"), None).await;
    if let Some(number) = number {
        histories::record(&format!("script-run-{name}"), &script_run(t, number)).await;
    }
}

#[tokio::test]
async fn each_failed_step_is_reported_and_the_next_script_runs() {
    preview("script-steps", async |t: Preview| {
        live(&t).await;
        t.world.next("start_script", Does::Fail(FailureType::QuotaExceeded));
        let answer = run(&t, NAME).await.unwrap();
        let verdict = answer.verdict.unwrap();
        assert_eq!((answer.exit_code, verdict.failure), (None, FailureType::QuotaExceeded));
        assert_eq!(t.world.count("remove_script"), 1, "what it may have made by then goes too");
        record(&t, "failed", Some(1)).await;

        t.world.next("await_script", Does::Verdict(FailureType::ImageUnavailable));
        let verdict = run(&t, NAME).await.unwrap().verdict.unwrap();
        assert_eq!((verdict.failure, verdict.advice.as_str()), (FailureType::ImageUnavailable, "fix it"));
        assert_eq!(status_of(&t, 2).await, WorkflowExecutionStatus::Failed);

        t.world.next("await_script", Does::Fail(FailureType::KubernetesDenied));
        assert_eq!(run(&t, NAME).await.unwrap().verdict.unwrap().failure, FailureType::KubernetesDenied);

        t.world.next("remove_script", Does::Fail(FailureType::KubernetesDenied));
        assert_eq!(run(&t, NAME).await.unwrap().exit_code, Some(3), "its end is what was asked for");
        assert_eq!(run(&t, NAME).await.unwrap().exit_code, Some(3));
        assert_eq!(t.status().await.scripts, []);
    })
    .await;
}

#[tokio::test]
async fn script_that_cannot_run_is_refused_with_a_message() {
    preview("script-refused", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        assert!(run(&t, NAME).await.unwrap_err().contains("nothing is live"));
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;

        t.world.next("start_script", Does::Fail(FailureType::InvalidInput));
        assert_eq!(run(&t, "rm").await.unwrap_err(), "as ordered", "the app's list is the activity's to know");

        let answer = while_running(
            &t,
            NAME,
            Box::pin(async {
                let message = run(&t, NAME).await.unwrap_err();
                assert!(message.contains("is running already") && message.contains("-script-2"), "{message}");
                assert_eq!(run(&t, "another").await.unwrap().exit_code, Some(3), "one of another name runs beside it");
                let running = t.status().await.scripts;
                assert_eq!((running.len(), running[0].name.as_str()), (1, NAME));
                script_run(&t, 2).cancel(WorkflowCancelOptions::default()).await.unwrap();
            }),
        );
        assert!(answer.await.unwrap_err().contains("was stopped before it ended"));
        assert_eq!(status_of(&t, 2).await, WorkflowExecutionStatus::Canceled);
        let calls = t.world.calls();
        assert!(calls.contains(&format!("remove_script {}-script-2", t.input.workflow_id())), "{calls:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_close_stops_the_script_and_tears_down_after_it() {
    for cancelled in [false, true] {
        preview(&format!("script-close-{cancelled}"), async |mut t: Preview| {
            t.input.timings.stuck_seconds = Some(1);
            live(&t).await;
            let answer = while_running(
                &t,
                NAME,
                Box::pin(async {
                    t.world.next("remove_script", Does::Hang); // until it is tried again: a hanging one is cancelled by nobody
                    match cancelled {
                        false => t.close().await,
                        true => t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap(),
                    }
                    t.until_called("remove_script", 1).await;
                    let status = t.until("it stops", |s| s.scripts.first().is_some_and(|s| s.stopping)).await;
                    assert_eq!((status.phase, t.world.count("delete_environment")), (Phase::TearingDown, 0));
                    assert!(run(&t, "another").await.unwrap_err().contains("closes"));
                    let status = t.until("it is named", |s| !s.stuck.is_empty()).await;
                    assert_eq!(status.stuck[0].workflow, status.scripts[0].script_run);
                    // The fake activity never ends, so the script run is terminated.
                    script_run(&t, 1).terminate(WorkflowTerminateOptions::default()).await.unwrap();
                }),
            );
            answer.await.unwrap_err();
            let ended = t.handle().get_result(WorkflowGetResultOptions::default()).await;
            assert_eq!(matches!(ended, Err(WorkflowGetResultError::Cancelled { .. })), cancelled, "{ended:?}");
            assert_eq!(t.world.count("delete_environment"), 1);
        })
        .await;
    }
}

#[tokio::test]
async fn a_stopped_script_whose_step_fails_ends_as_stopped() {
    preview("script-stopped", async |t: Preview| {
        live(&t).await;
        for (number, step) in [(1, "start_script"), (2, "await_script")] {
            t.world.next(step, Does::FailWhenCancelled(FailureType::KubernetesDenied));
            let called = t.world.count(step);
            let stop = async {
                t.until_called(step, called + 1).await;
                script_run(&t, number).cancel(WorkflowCancelOptions::default()).await.unwrap();
            };
            let (answer, ()) = tokio::join!(run(&t, NAME), stop);
            assert!(answer.unwrap_err().contains("was stopped before it ended"), "{step}");
            assert_eq!(status_of(&t, number).await, WorkflowExecutionStatus::Canceled, "{step}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_script_that_a_close_stops_is_removed_before_the_environment_is() {
    preview("script-order", async |t: Preview| {
        live(&t).await;
        while_running(&t, NAME, t.close()).await.unwrap_err();
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        let calls = t.world.calls();
        let at = |what: &str| calls.iter().position(|call| call.starts_with(what)).unwrap();
        assert!(at("await_script cancelled") < at("remove_script") && at("remove_script") < at("delete_environment"));
        assert_eq!(status_of(&t, 1).await, WorkflowExecutionStatus::Canceled);
        record(&t, "closed", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn pushes_and_scripts_do_not_disturb_each_other() {
    preview("script-push", async |t: Preview| {
        live(&t).await;
        while_running(
            &t,
            NAME,
            Box::pin(async {
                t.push(push('b')).await;
                t.until("b is live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit('b'))).await;
                assert_eq!(t.status().await.scripts.len(), 1);
                t.world.next("await_rollout", Does::Hang);
                t.push(push('c')).await;
                t.until_called("await_rollout", 3).await;
                assert_eq!(run(&t, "another").await.unwrap().exit_code, Some(3), "during a rollout");
                script_run(&t, 1).cancel(WorkflowCancelOptions::default()).await.unwrap();
            }),
        )
        .await
        .unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn long_history_continues_as_new_after_the_script_with_its_number() {
    preview("script-long", async |mut t: Preview| {
        t.input.timings.history_events = 44;
        live(&t).await;
        let events = async || t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap().history_length();
        while_running(
            &t,
            NAME,
            Box::pin(async {
                t.push(push('b')).await;
                t.until("b is live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit('b'))).await;
                assert_eq!(t.status().await.scripts.len(), 1, "it did not continue as new");
                assert!(events().await > 44, "though it would like to");
                script_run(&t, 1).cancel(WorkflowCancelOptions::default()).await.unwrap();
            }),
        )
        .await
        .unwrap_err();
        assert!(events().await < 44, "now it did");
        let answer = run(&t, NAME).await.unwrap();
        assert!(answer.script_run.ends_with("-script-2"), "{}", answer.script_run);
    })
    .await;
}

#[tokio::test]
async fn only_an_environment_starts_a_script_run_and_only_in_a_preview() {
    preview("script-stranger", async |t: Preview| {
        for (kind, message) in [
            (EnvironmentKind::Preview { pr: 1 }, "is started by its environment"),
            (EnvironmentKind::Production, "never in production"),
        ] {
            let environment = Environment::unrecorded("web", kind, "preview-web-1");
            let input = ScriptRunInput {
                environment,
                script: script(NAME),
                number: 1,
                commit: commit('a').to_string(),
                author: None,
                stored_release: None,
            };
            let id = format!("stranger-{}", kind.name());
            let options = WorkflowStartOptions::new(t.task_queue.clone(), id).build();
            let started = t.client.start_workflow(ScriptRun::run, input.into(), options).await.unwrap();
            let error = started.get_result(WorkflowGetResultOptions::default()).await.unwrap_err();
            assert!(format!("{error:?}").contains(message), "{error:?}");
        }
        assert_eq!(t.world.calls(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_refused_and_wedges_nothing() {
    preview("script-bad", async |t: Preview| {
        live(&t).await;
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for json in [
            json!({}),
            json!([]),
            json!("x"),
            json!({"name": "a b"}),
            json!({"name": "-rf"}),
            json!({"name": 7}),
            json!({"name": "x", "args": vec!["a"; 21]}),
            json!({"name": "x", "args": ["\u{1b}[2J"]}),
            json!({"name": "x", "args": ["a".repeat(256)]}),
            json!({"name": "x", "shell": true}),
            json!({"cron": "A b"}),
            json!({"cron": "x", "name": "x"}),
            json!({"cron": "x", "args": ["a"]}),
        ] {
            let payload = temporalio_common::data_converters::RawValue::new(vec![
                temporalio_common::protos::temporal::api::common::v1::Payload {
                    metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
                    data: json.to_string().into_bytes(),
                    ..Default::default()
                },
            ]);
            let refused = handle
                .execute_update(UntypedUpdate::new("run_script"), payload, WorkflowExecuteUpdateOptions::default())
                .await;
            let Err(WorkflowUpdateError::Failed(failure)) = refused else { panic!("{json}: {:?}", refused.err()) };
            assert!(failure.message.contains("send {\"name\""), "{json}: {}", failure.message);
        }
        assert_eq!(run(&t, NAME).await.unwrap().exit_code, Some(3));
    })
    .await;
}

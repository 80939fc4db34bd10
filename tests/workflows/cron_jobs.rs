//! `CronJob`s run by hand during the life of a preview, on a real dev server, with fake activities.

use berth_workflows::{
    contract::{
        environment::{Environment, EnvironmentKind},
        phase::Phase,
        run_script::RunScript,
        script::ScriptRunInput,
        verdict::FailureType,
    },
    script_run::ScriptRun,
};
use serde_json::json;
use temporalio_client::{
    WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions,
    WorkflowStartOptions,
};

use berth_test_support::preview::{Does, Preview, commit, preview, push};

use crate::scripts::{live, record, run_asked, script_run, status_of, while_asked_runs};

fn cron(name: &str) -> RunScript {
    serde_json::from_value(json!({"cron": name})).unwrap()
}

/// The calls of the activities of scripts, in order.
fn calls(t: &Preview) -> Vec<String> {
    t.world.calls().into_iter().filter(|call| call.contains("_script ")).collect()
}

/// The stored release of a commit, as the fake activity `apply_manifests` names it.
fn stored(digit: char) -> String {
    format!("berth-release-{:.7}", commit(digit).to_string())
}

#[tokio::test]
async fn cron_job_runs_in_the_release_that_serves() {
    preview("cron-life", async |t: Preview| {
        live(&t).await;
        let answer = run_asked(&t, cron("nightly")).await.unwrap();
        let id = format!("{}-script-1", t.input.workflow_id());
        assert_eq!((answer.exit_code, answer.log_tail.as_str(), &answer.script_run), (Some(3), "last words", &id));
        let start = format!("start_script CronJob nightly of {}", stored('a'));
        assert_eq!(calls(&t), [start, format!("await_script {id}"), format!("remove_script {id}")]);
        assert_eq!(t.status().await.scripts, []);
        let described = script_run(&t, 1).describe(WorkflowDescribeOptions::default()).await.unwrap();
        let summary = format!("CronJob nightly for {} #{}", t.input.app, t.input.pr);
        assert_eq!(described.static_summary(), Some(summary.as_str()));
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        record(&t, "cron", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn cron_job_runs_once_at_a_time_under_both_of_its_names() {
    preview("cron-twice", async |t: Preview| {
        live(&t).await;
        let full = format!("{}-pr-{}-nightly", t.input.app, t.input.pr);
        let answer = while_asked_runs(
            &t,
            cron("nightly"),
            Box::pin(async {
                for name in ["nightly", &full] {
                    let refusal = run_asked(&t, cron(name)).await.unwrap_err();
                    assert!(refusal.starts_with(&format!("CronJob {name} is running already")), "{refusal}");
                }
                assert_eq!(run_asked(&t, cron("weekly")).await.unwrap().exit_code, Some(3), "another runs beside it");
                let script = serde_json::from_value(json!({"name": "nightly"})).unwrap();
                assert_eq!(run_asked(&t, script).await.unwrap().exit_code, Some(3), "so does a script of that name");
                let running = t.status().await.scripts;
                assert_eq!((running.len(), running[0].name.as_str(), running[0].cron), (1, "nightly", true));
                script_run(&t, 1).cancel(WorkflowCancelOptions::default()).await.unwrap();
            }),
        );
        assert!(answer.await.unwrap_err().contains("was stopped before it ended"));
        assert_eq!(status_of(&t, 1).await, WorkflowExecutionStatus::Canceled);
        assert!(calls(&t).contains(&format!("remove_script {}-script-1", t.input.workflow_id())));
    })
    .await;
}

#[tokio::test]
async fn rollout_in_flight_or_failed_does_not_change_the_cron_job() {
    preview("cron-rollout", async |t: Preview| {
        live(&t).await;
        t.world.next("await_rollout", Does::Hang);
        t.push(push('b')).await;
        t.until_called("await_rollout", 2).await;
        run_asked(&t, cron("in-flight")).await.unwrap();
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        t.push(push('c')).await;
        t.until("c failed", |s| s.failed.as_ref().is_some_and(|failed| failed.release.commit == commit('c'))).await;
        run_asked(&t, cron("failed")).await.unwrap();
        t.push(push('d')).await;
        t.until("d is live", |s| s.phase == Phase::Live).await;
        run_asked(&t, cron("live")).await.unwrap();
        let starts: Vec<_> = calls(&t).into_iter().filter(|call| call.starts_with("start_script")).collect();
        let expected = [("in-flight", 'a'), ("failed", 'a'), ("live", 'd')];
        assert_eq!(starts, expected.map(|(name, digit)| format!("start_script CronJob {name} of {}", stored(digit))));
    })
    .await;
}

#[tokio::test]
async fn unknown_cron_job_is_refused_and_a_failed_one_reported() {
    preview("cron-refused", async |t: Preview| {
        live(&t).await;
        t.world.next("start_script", Does::Fail(FailureType::InvalidInput));
        assert_eq!(
            run_asked(&t, cron("absent")).await.unwrap_err(),
            "as ordered",
            "the names are the activity's to know"
        );
        t.world.next("await_script", Does::Verdict(FailureType::JobFailed));
        let verdict = run_asked(&t, cron("nightly")).await.unwrap().verdict.unwrap();
        assert_eq!(verdict.failure, FailureType::JobFailed);
        assert_eq!(status_of(&t, 2).await, WorkflowExecutionStatus::Failed);
    })
    .await;
}

#[tokio::test]
async fn close_removes_the_cron_job_before_the_environment() {
    preview("cron-close", async |t: Preview| {
        live(&t).await;
        while_asked_runs(&t, cron("nightly"), t.close()).await.unwrap_err();
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        let calls = t.world.calls();
        let at = |what: &str| calls.iter().position(|call| call.starts_with(what)).unwrap();
        assert!(at("await_script cancelled") < at("remove_script") && at("remove_script") < at("delete_environment"));
        assert_eq!(status_of(&t, 1).await, WorkflowExecutionStatus::Canceled);
    })
    .await;
}

#[tokio::test]
async fn cron_job_of_production_is_not_run_by_hand() {
    preview("cron-production", async |t: Preview| {
        let input = ScriptRunInput {
            environment: Environment::unrecorded("web", EnvironmentKind::Production, "production-web"),
            script: cron("nightly"),
            number: 1,
            commit: commit('a').to_string(),
            author: None,
            stored_release: Some(stored('a')),
        };
        let options = WorkflowStartOptions::new(t.task_queue.clone(), input.workflow_id()).build();
        let started = t.client.start_workflow(ScriptRun::run, input.into(), options).await.unwrap();
        let error = started.get_result(WorkflowGetResultOptions::default()).await.unwrap_err();
        assert!(format!("{error:?}").contains("never in production"), "{error:?}");
        assert_eq!(t.world.calls(), Vec::<String>::new());
    })
    .await;
}

//! State that a run of another version of berth carries over, on a real dev server.

use berth_test_support::preview::{PATIENCE, Preview, preview, push};
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    phase::Phase,
    rollout_input::{RolloutInput, Source},
    timings::StartTimings,
};
use serde_json::{Value, json};
use temporalio_client::{UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecutionStatus};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

fn input(t: &Preview, carried: &Value) -> Value {
    json!({ "app": t.input.app, "pr": 1, "carried": carried })
}

/// Waits until a workflow task has failed, and the workflow has not. Returns the task's message.
async fn failed_task(t: &Preview) -> String {
    failed_task_of(t, t.input.workflow_id()).await
}

async fn failed_task_of(t: &Preview, workflow_id: String) -> String {
    let handle = t.client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
    loop {
        let events = handle.fetch_history(Default::default()).into_events().await.unwrap();
        for event in events {
            if let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = event.attributes {
                return failed.failure.unwrap().message;
            }
        }
        let described = handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_eq!(described.status(), WorkflowExecutionStatus::Running);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Asserts that the task fails with that message, the workflow runs on, and the other version takes it.
async fn assert_waits_for_other_version(t: &Preview, says: &str) {
    let message = tokio::time::timeout(PATIENCE, failed_task(t)).await.unwrap();
    assert!(message.contains(says), "{message}");
    let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
    assert_eq!(described.status(), WorkflowExecutionStatus::Running);
    t.worker.stop().await;
    assert_eq!(t.end_by_other_version().await, "read by the other version");
}

#[tokio::test]
async fn state_of_a_newer_version_fails_the_task_until_that_version_takes_it() {
    preview("carried-newer", async |t: Preview| {
        let carried = json!({ "last_number": 7, "mailbox": { "last_ticket": 3, "frozen": { "by": "octocat" } } });
        t.continue_from_other_version(input(&t, &carried)).await;
        assert_waits_for_other_version(&t, "carried state: mailbox.frozen is not known to this version of berth").await;
    })
    .await;
}

#[tokio::test]
async fn input_of_a_newer_version_fails_the_task_only() {
    preview("carried-input", async |t: Preview| {
        let mut next = input(&t, &json!({}));
        next["expire_after"] = json!("72h");
        t.continue_from_other_version(next).await;
        assert_waits_for_other_version(&t, "input of the run before: unknown field `expire_after`").await;
    })
    .await;
}

#[tokio::test]
async fn state_of_an_older_version_is_read() {
    preview("carried-older", async |t: Preview| {
        let carried = json!({ "last_number": 7, "notes": ["of the older version"], "mailbox": { "seen_sequence": 9 } });
        t.continue_from_other_version(input(&t, &carried)).await;
        let status = t.until("read", |s| !s.notes.is_empty()).await;
        assert_eq!(
            (status.phase, status.notes.as_slice()),
            (Phase::AwaitingPush, ["of the older version".to_owned()].as_slice())
        );
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.rollouts[0].number, 8);
    })
    .await;
}

#[tokio::test]
async fn carried_state_may_be_longer_than_an_input_of_a_caller() {
    preview("carried-long", async |t: Preview| {
        let carried = json!({ "notes": ["x".repeat(20_000)] });
        t.continue_from_other_version(input(&t, &carried)).await;
        let status = t.until("read", |s| !s.notes.is_empty()).await;
        assert_eq!(status.notes[0].len(), 20_000);
    })
    .await;
}

#[tokio::test]
async fn rollout_input_of_a_newer_version_fails_the_task_only() {
    preview("carried-rollout", async |t: Preview| {
        let id = t.input.workflow_id();
        let rollout = RolloutInput {
            environment: Environment::unrecorded(&t.input.app, EnvironmentKind::Preview { pr: 1 }, id.as_str()),
            release: push('a').release(),
            number: 1,
            deploy_id: 1,
            keep: Vec::new(),
            timings: StartTimings::default(),
            app_timings: None,
            serving: None,
            source: Source::default(),
            keep_proven: 0,
        };
        let mut newer = serde_json::to_value(rollout).unwrap();
        newer["release"]["canary"] = json!(5);
        t.start_rollout_by_other_version(newer).await;
        let message = tokio::time::timeout(PATIENCE, failed_task_of(&t, id + "-rollout-1")).await.unwrap();
        assert!(message.contains("release.canary is not known to this version of berth"), "{message}");
        t.worker.stop().await;
        assert_eq!(t.end_rollout_by_other_version().await, "rolled out by the other version");
    })
    .await;
}

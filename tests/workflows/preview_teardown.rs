//! The end of a preview: closed, cancelled, blocked or reopened; on a real dev server, with fake activities.

use berth_workflows::{
    contract::{
        phase::Phase,
        signals::{Close, DeployOutcome, Push},
        verdict::FailureType,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    RpcOptions, WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions,
    WorkflowSignalOptions, WorkflowStartUpdateOptions, errors::WorkflowGetResultError,
};

use temporalio_common::protos::temporal::api::enums::v1::EventType;

use berth_test_support::preview::{Does, Preview, STEPS, commit, preview, push};

async fn cancel(t: &Preview) {
    t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
}

async fn ends_canceled(t: &Preview) {
    let ended = t.handle().get_result(WorkflowGetResultOptions::default()).await;
    assert!(matches!(ended, Err(WorkflowGetResultError::Cancelled { .. })), "{ended:?}");
}

#[tokio::test]
async fn cancelling_the_workflow_tears_down_and_ends_canceled() {
    preview("cancel", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        cancel(&t).await;
        ends_canceled(&t).await;
        assert_eq!(t.world.count("delete_environment"), 1);
        t.record("cancelled", Some(1)).await;
        // A later push starts a new run.
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn a_push_during_the_teardown_gets_a_new_environment_in_the_same_workflow() {
    preview("reopen", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.rollouts.last().unwrap().number, 2);
        assert_eq!(t.world.count("delete_environment"), 2);
        let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_eq!(described.status(), WorkflowExecutionStatus::Running);
        t.record("reopened", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_push_during_the_teardown_of_a_cancelled_workflow_is_not_lost() {
    preview("cancel-reopen", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        cancel(&t).await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.push(push('b')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'));
    })
    .await;
}

#[tokio::test]
async fn blocked_teardown_reports_the_rest_with_commands_and_retries() {
    preview("blocked", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.world.next("delete_environment", Does::Fail(FailureType::KubernetesDenied));
        t.close().await;
        let status = t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        let remaining = &status.teardown.unwrap().remaining[0];
        assert_eq!(
            (remaining.object.as_str(), remaining.command.as_str()),
            ("Widget/stuck", "kubectl get Widget/stuck")
        );
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert!(report.remaining.is_empty());
        assert_eq!(t.world.count("delete_environment"), 3);
        t.record("blocked", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_close_that_is_older_than_a_push_is_ignored() {
    preview("late-close", async |t: Preview| {
        t.push(Push { sequence: Some(9), ..push('a') }).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let options = WorkflowSignalOptions::default();
        t.handle()
            .signal(PreviewEnvironment::close, Close { sequence: Some(8), proof: None }.into(), options)
            .await
            .unwrap();
        let status = t.until("noted", |s| s.notes.len() == 1).await;
        assert_eq!(status.phase, Phase::Live);
    })
    .await;
}

#[tokio::test]
async fn a_close_during_any_step_stops_it_and_then_tears_down() {
    for (n, step) in STEPS.into_iter().enumerate() {
        preview(&format!("close-at-{n}"), async |t: Preview| {
            if matches!(step, "load_app" | "prune") {
                // The first call of load_app names the environment, and the rollout's own is the second. Only a second rollout
                // prunes.
                t.push(push('a')).await;
                t.until("live", |s| s.phase == Phase::Live).await;
            }
            let before = t.world.count(step);
            t.world.next(step, Does::Hang);
            t.push(push('b')).await;
            t.until_called(step, before + 1).await;
            t.close().await;
            t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
            let calls = t.world.calls();
            let stopped = calls.iter().position(|call| *call == format!("{step} cancelled"));
            let deleted = calls.iter().position(|call| call.starts_with("delete_environment")).unwrap();
            assert!(stopped.unwrap() < deleted, "{step}: {calls:#?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_second_close_hurries_a_blocked_teardown() {
    preview("hurry", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        let events = t.handle().fetch_history(Default::default()).into_events().await.unwrap();
        assert!(events.iter().any(|event| event.event_type() == EventType::TimerCanceled), "the pause was waited out");
        t.record("hurried", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_child_that_does_not_stop_is_named_and_waited_for() {
    preview("stuck", async |mut t: Preview| {
        t.input.timings.stuck_seconds = Some(1);
        t.world.next("await_rollout", Does::HangDeaf);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        t.close().await;
        let stuck = t.until("named", |s| !s.stuck.is_empty()).await;
        let rollout = "preview-stuck-1-rollout-1";
        let command = format!("temporal workflow terminate --namespace default --workflow-id {rollout}");
        assert_eq!((stuck.stuck[0].workflow.as_str(), &stuck.stuck[0].command), (rollout, &command));
        assert!(stuck.notes.last().unwrap().ends_with(&command), "{:?}", stuck.notes);
        t.until_called("report_stuck", 1).await;
        assert_eq!(t.world.count("delete_environment"), 0, "there would be two writers");
        t.world.free();
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert!(t.status().await.stuck.is_empty());
        t.record("stuck", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_push_after_a_cancel_is_kept_and_one_before_it_is_closed() {
    preview("cancel-order", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        cancel(&t).await;
        t.until_called("await_rollout cancelled", 1).await;
        t.push(push('b')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'), "it came after the cancel");
        assert_eq!(t.world.count("apply_manifests bbbbbbb"), 1, "not in the environment that was being closed");

        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.push(push('c')).await;
        cancel(&t).await;
        ends_canceled(&t).await;
        assert_eq!(t.world.count("apply_manifests ccccccc"), 0, "it came before the cancel");
    })
    .await;
}

#[tokio::test]
async fn long_blocked_teardown_continues_as_new_and_ends_as_asked() {
    preview("blocked-long", async |mut t: Preview| {
        t.input.timings.history_events = 50;
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        for _ in 0..6 {
            t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        }
        cancel(&t).await;
        ends_canceled(&t).await;
        assert_eq!(t.world.count("delete_environment pr-1"), 7, "{:#?}", t.world.calls());
        let last = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert!(last.history_length() < 50, "{} events", last.history_length());
        assert_eq!(t.status().await.rollouts.len(), 1, "what was known is known");
        t.record("blocked-long", None).await;
    })
    .await;
}

#[tokio::test]
async fn deploy_during_a_blocked_teardown_is_reported_as_queued() {
    preview("queued", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        for _ in 0..3 {
            t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        }
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        let answer = t.deploy(push('b')).await;
        assert_eq!((answer.outcome, answer.commit), (DeployOutcome::Queued, commit('b')));
        assert!(answer.reason.unwrap().contains("not gone yet"));
        assert_eq!(t.status().await.queued.unwrap().commit, commit('b'));
        t.world.next("await_rollout", Does::Hang);
        t.until_called("await_rollout", 2).await;
        let options = WorkflowStartUpdateOptions::builder().build();
        let joined = t.handle().start_update(PreviewEnvironment::deploy, push('b').into(), options).await.unwrap();
        t.push(push('c')).await;
        let joined = joined.get_result(RpcOptions::default()).await.unwrap();
        assert_eq!(joined.outcome, DeployOutcome::Superseded, "the answer of its rollout, not of the line");
        t.until("live", |s| s.phase == Phase::Live).await;
        t.record("queued", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_redeploy_that_comes_too_late_makes_nothing_anew() {
    preview("late-redeploy", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.redeploy().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(t.status().await.notes, ["redeploy: the environment closes"]);
        assert_eq!(t.world.count("apply_manifests"), 1);
    })
    .await;
}

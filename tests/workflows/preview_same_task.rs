//! A close, a cancel and a push that one workflow task brings, on a real dev server, with fake activities.
//!
//! The worker is stopped, the messages are sent, and the worker is started again. The SDK then delivers all signals, all
//! updates and the cancel, in this order, whatever was sent first.

use berth_test_support::preview::{Does, Preview, commit, preview, push};
use berth_workflows::{
    contract::{
        phase::Phase,
        signals::{Approve, Close, CloseOutcome, DeployOutcome, Push},
        status::Status,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    WorkflowCancelOptions, WorkflowGetResultOptions, WorkflowSignalOptions, errors::WorkflowGetResultError,
};
use temporalio_common::protos::temporal::api::enums::v1::EventType;

const AT_ONCE: &str = "a close arrived at the same moment; push again if the pull request is open";

fn sequenced(digit: char, sequence: impl Into<Option<u64>>) -> Push {
    Push { sequence: sequence.into(), ..push(digit) }
}

fn close(sequence: impl Into<Option<u64>>) -> Close {
    Close { sequence: sequence.into(), proof: None }
}

/// Makes commit a live, then stops the worker.
async fn live_without_worker(t: &Preview) {
    t.push(push('a')).await;
    t.until("live", |s| s.phase == Phase::Live).await;
    t.worker.stop().await;
}

/// Waits until the environment is gone. Returns its last status.
async fn ends(t: &Preview) -> Status {
    t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    t.status().await
}

/// Waits until a commit is live in a new environment.
async fn reopened_with(t: &Preview, digit: char) {
    t.until("reopened", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
    assert_eq!(t.world.count("delete_environment"), 1);
}

/// Asserts that the last messages before the newest accepted update came in its task.
async fn came_in_one_task(t: &Preview, message: EventType) {
    let events = t.handle().fetch_history(Default::default()).into_events().await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event_type()).collect();
    let update = kinds.iter().rposition(|kind| *kind == EventType::WorkflowExecutionUpdateAccepted).unwrap();
    let message = kinds[..update].iter().rposition(|kind| *kind == message).unwrap();
    let completed = kinds[message..update].iter().filter(|kind| **kind == EventType::WorkflowTaskCompleted);
    assert_eq!(completed.count(), 1, "{:?}", &kinds[message..=update]);
}

#[tokio::test]
async fn deploy_and_close_that_wait_for_a_first_worker_make_nothing() {
    preview("once-first", async |t: Preview| {
        t.worker.stop().await;
        t.start().await;
        let deployed = t.begin_deploy(push('a')).await;
        t.close().await;
        t.worker.start().await;
        let answer = deployed.await.unwrap();
        assert_eq!((answer.outcome, answer.reason.as_deref()), (DeployOutcome::Closed, Some(AT_ONCE)));
        ends(&t).await;
        assert_eq!(t.world.count("apply_manifests"), 0, "{:#?}", t.world.calls());
        came_in_one_task(&t, EventType::WorkflowExecutionSignaled).await;
        t.record("closed-at-once", None).await;
    })
    .await;
}

#[tokio::test]
async fn deploy_is_closed_by_a_close_that_its_sequence_does_not_follow() {
    for (n, (deployed, closed, outcome)) in [
        (None, None, DeployOutcome::Closed),
        (Some(7), None, DeployOutcome::Closed),
        (Some(7), Some(7), DeployOutcome::Closed),
        (Some(7), Some(8), DeployOutcome::Skipped),
    ]
    .into_iter()
    .enumerate()
    {
        preview(&format!("once-deploy-{n}"), async |t: Preview| {
            live_without_worker(&t).await;
            let answer = t.begin_deploy(sequenced('b', deployed)).await;
            t.close_with(close(closed)).await;
            t.worker.start().await;
            assert_eq!(answer.await.unwrap().outcome, outcome, "case {n}");
            ends(&t).await;
            assert_eq!((t.world.count("apply_manifests bbbbbbb"), t.world.count("delete_environment")), (0, 1));
            came_in_one_task(&t, EventType::WorkflowExecutionSignaled).await;
        })
        .await;
    }
}

#[tokio::test]
async fn deploy_with_a_higher_sequence_than_the_close_reopens() {
    preview("once-reopen", async |t: Preview| {
        live_without_worker(&t).await;
        let answer = t.begin_deploy(sequenced('b', 8)).await;
        t.close_with(close(7)).await;
        t.worker.start().await;
        assert_eq!(answer.await.unwrap().outcome, DeployOutcome::Live);
        reopened_with(&t, 'b').await;
        t.record("reopened-at-once", None).await;
    })
    .await;
}

#[tokio::test]
async fn close_by_update_wins_over_a_push_without_a_higher_sequence() {
    for (n, (pushed, closed)) in
        [(None, None), (Some(7), None), (Some(7), Some(7)), (Some(6), Some(7))].into_iter().enumerate()
    {
        preview(&format!("once-push-{n}"), async |t: Preview| {
            live_without_worker(&t).await;
            let answer = t.begin_close(close(closed)).await;
            t.push(sequenced('b', pushed)).await;
            t.worker.start().await;
            assert_eq!(answer.await.unwrap().outcome, CloseOutcome::Closing, "case {n}");
            ends(&t).await;
            assert_eq!((t.world.count("apply_manifests bbbbbbb"), t.world.count("delete_environment")), (0, 1));
        })
        .await;
    }
}

#[tokio::test]
async fn close_by_update_is_skipped_by_a_push_with_a_higher_sequence() {
    preview("once-skipped", async |t: Preview| {
        live_without_worker(&t).await;
        let answer = t.begin_close(close(7)).await;
        t.push(sequenced('b', 8)).await;
        t.worker.start().await;
        let answer = answer.await.unwrap();
        assert_eq!((answer.outcome, answer.seen), (CloseOutcome::Skipped, Some(8)));
        t.until("b is live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit('b'))).await;
        assert_eq!(t.world.count("delete_environment"), 0);
    })
    .await;
}

#[tokio::test]
async fn updates_of_one_task_count_in_the_order_of_sending() {
    preview("once-updates-1", async |t: Preview| {
        live_without_worker(&t).await;
        let deployed = t.begin_deploy(push('b')).await;
        let closed = t.begin_close(close(None)).await;
        t.worker.start().await;
        assert_eq!(deployed.await.unwrap().outcome, DeployOutcome::Closed);
        assert_eq!(closed.await.unwrap().outcome, CloseOutcome::Closing);
        ends(&t).await;
        assert_eq!(t.world.count("apply_manifests bbbbbbb"), 0);
    })
    .await;
    preview("once-updates-2", async |t: Preview| {
        live_without_worker(&t).await;
        let closed = t.begin_close(close(None)).await;
        let deployed = t.begin_deploy(push('b')).await;
        t.worker.start().await;
        assert_eq!(closed.await.unwrap().outcome, CloseOutcome::Closing);
        assert_eq!(deployed.await.unwrap().outcome, DeployOutcome::Live, "it followed the close");
        reopened_with(&t, 'b').await;
    })
    .await;
}

#[tokio::test]
async fn redeploy_or_approval_beside_a_close_rolls_nothing_out() {
    preview("once-redeploy", async |t: Preview| {
        live_without_worker(&t).await;
        let closed = t.begin_close(close(None)).await;
        t.redeploy().await;
        t.worker.start().await;
        assert_eq!(closed.await.unwrap().outcome, CloseOutcome::Closing);
        ends(&t).await;
        assert_eq!(t.world.count("apply_manifests"), 1);
    })
    .await;
    preview("once-approve", async |t: Preview| {
        t.push(Push { fork: true, ..push('a') }).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        t.worker.stop().await;
        let closed = t.begin_close(close(None)).await;
        let approve = Approve { commit: commit('a'), image: None, by: None };
        let options = WorkflowSignalOptions::default();
        t.handle().signal(PreviewEnvironment::approve, approve.into(), options).await.unwrap();
        t.worker.start().await;
        assert_eq!(closed.await.unwrap().outcome, CloseOutcome::Closing);
        ends(&t).await;
        assert_eq!(t.world.count("apply_manifests"), 0);
    })
    .await;
}

#[tokio::test]
async fn cancel_wins_over_each_message_of_its_task() {
    preview("once-cancel", async |t: Preview| {
        live_without_worker(&t).await;
        let deployed = t.begin_deploy(sequenced('b', 9)).await;
        t.push(push('c')).await;
        t.redeploy().await;
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        t.worker.start().await;
        let answer = deployed.await.unwrap();
        assert_eq!((answer.outcome, answer.reason.as_deref()), (DeployOutcome::Closed, Some(AT_ONCE)));
        let ended = t.handle().get_result(WorkflowGetResultOptions::default()).await;
        assert!(matches!(ended, Err(WorkflowGetResultError::Cancelled { .. })), "{ended:?}");
        assert_eq!((t.world.count("apply_manifests"), t.world.count("delete_environment")), (1, 1));
        came_in_one_task(&t, EventType::WorkflowExecutionCancelRequested).await;
        t.record("cancelled-at-once", None).await;
    })
    .await;
}

#[tokio::test]
async fn deploy_in_a_later_task_than_a_cancel_reopens() {
    preview("once-later", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        // Nothing takes the cancel out of the mailbox during an attempt at the teardown.
        t.world.next("delete_environment", Does::Hang);
        t.close().await;
        t.until_called("delete_environment", 1).await;
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        t.status().await;
        let answer = t.begin_deploy(push('b')).await;
        t.worker.stop().await;
        t.worker.start().await;
        assert_eq!(answer.await.unwrap().outcome, DeployOutcome::Queued, "it followed the cancel");
        t.until("b is live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit('b'))).await;
    })
    .await;
}

#[tokio::test]
async fn cancel_of_a_long_blocked_teardown_closes_an_earlier_push() {
    preview("once-blocked", async |mut t: Preview| {
        t.input.timings.history_events = 60;
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        for _ in 0..8 {
            t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        }
        t.close().await;
        t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        t.push(push('b')).await;
        t.until("queued", |s| s.queued.is_some()).await;
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        let ended = t.handle().get_result(WorkflowGetResultOptions::default()).await;
        assert!(matches!(ended, Err(WorkflowGetResultError::Cancelled { .. })), "{ended:?}");
        assert_eq!(t.world.count("apply_manifests bbbbbbb"), 0, "{:#?}", t.world.calls());
    })
    .await;
}

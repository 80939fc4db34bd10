//! What was seen of a pull request outlives the run of its workflow, on a real dev server, with fake activities.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use berth_activities::environment::recall_preview;
use berth_test_support::{
    histories,
    preview::{Preview, closed, commit, facts, preview, push},
};
use berth_workflows::{
    contract::{
        memory::{Memory, RecallPreviewInput, memory_id},
        phase::Phase,
        signals::{Close, CloseOutcome, DeployAnswer, DeployOutcome, Push},
        status::Status,
    },
    preview_memory::PreviewMemory,
};
use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};

fn sequenced(digit: char, sequence: impl Into<Option<u64>>) -> Push {
    Push { sequence: sequence.into(), ..push(digit) }
}

fn close(sequence: impl Into<Option<u64>>) -> Close {
    Close { sequence: sequence.into(), proof: None }
}

/// Waits until the environment's workflow has ended. Returns its last status.
async fn ends(t: &Preview) -> Status {
    t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    let status = t.status().await;
    assert_eq!(status.phase, Phase::Closed, "{status:#?}");
    status
}

/// Makes an environment with the first sequence, and closes it with the second one.
async fn closed_with(t: &Preview, pushed: impl Into<Option<u64>>, closed: impl Into<Option<u64>>) {
    t.push(sequenced('a', pushed)).await;
    t.until("live", |s| s.phase == Phase::Live).await;
    t.close_with(close(closed)).await;
    ends(t).await;
}

/// Sends the update `deploy` to a new run. Returns its answer.
async fn deploy_with_start(t: &Preview, push: Push) -> DeployAnswer {
    t.start().await;
    t.deploy(push).await
}

/// Asserts that a push to a closed pull request is skipped, that its run has ended, and that nothing was made for it.
async fn is_skipped(t: &Preview, push: Push) {
    let made = t.world.count("apply_manifests");
    let answer = deploy_with_start(t, push).await;
    assert_eq!(answer.outcome, DeployOutcome::Skipped, "{answer:?}");
    ends(t).await;
    assert_eq!(t.world.count("apply_manifests"), made);
}

async fn is_live(t: &Preview, digit: char) {
    t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
}

#[tokio::test]
async fn build_that_ends_after_the_close_makes_nothing() {
    preview("seen-late", async |t: Preview| {
        closed_with(&t, 7, 9).await;
        let calls = t.world.calls();
        is_skipped(&t, sequenced('b', 8)).await;
        t.push(sequenced('b', 8)).await;
        let status = ends(&t).await;
        assert!(status.notes[0].contains("sequence 8 is older than 9, already seen"), "{:?}", status.notes);
        assert_eq!(t.world.calls(), calls, "no activity runs for it");
        t.record("skipped-after-close", None).await;
    })
    .await;
}

#[tokio::test]
async fn job_that_runs_again_after_the_merge_makes_nothing() {
    for (n, closed) in [None, Some(7), Some(8)].into_iter().enumerate() {
        preview(&format!("seen-again-{n}"), async |t: Preview| {
            closed_with(&t, 7, closed).await;
            for _ in 0..2 {
                is_skipped(&t, sequenced('a', 7)).await;
            }
            assert_eq!(t.world.count("delete_environment"), 1, "there is nothing to look for");
        })
        .await;
    }
}

#[tokio::test]
async fn close_before_the_first_push_is_remembered() {
    preview("seen-first", async |t: Preview| {
        t.close_with_start(close(9)).await;
        ends(&t).await;
        is_skipped(&t, sequenced('a', 8)).await;
        is_skipped(&t, sequenced('a', 9)).await;
        t.push(sequenced('a', 10)).await;
        is_live(&t, 'a').await;
        t.record("closed-first", None).await;
    })
    .await;
}

#[tokio::test]
async fn higher_sequence_reopens_and_its_close_is_remembered() {
    preview("seen-higher", async |t: Preview| {
        closed_with(&t, 7, 8).await;
        assert_eq!(deploy_with_start(&t, sequenced('b', 9)).await.outcome, DeployOutcome::Live);
        assert_eq!(
            t.deploy(sequenced('b', 9)).await.outcome,
            DeployOutcome::Live,
            "a job of the open pull request again"
        );
        t.close().await;
        ends(&t).await;
        is_skipped(&t, sequenced('b', 9)).await;
        // A run that was not needed has left what it found.
        is_skipped(&t, sequenced('c', 9)).await;
        t.push(sequenced('c', 11)).await;
        is_live(&t, 'c').await;
        t.record("reopened-higher", None).await;
        let memory = t.client.get_workflow_handle::<PreviewMemory>(memory_id(&t.input.workflow_id()));
        histories::record("preview-memory", &memory).await;
    })
    .await;
}

#[tokio::test]
async fn push_without_a_sequence_reopens() {
    preview("seen-without", async |t: Preview| {
        closed_with(&t, 7, 8).await;
        t.push(push('b')).await;
        is_live(&t, 'b').await;
    })
    .await;
}

#[tokio::test]
async fn older_close_of_a_closed_pull_request_is_skipped_and_a_later_one_is_obeyed() {
    preview("seen-close", async |t: Preview| {
        closed_with(&t, 7, 9).await;
        t.start().await;
        let answer = t.begin_close(close(8)).await.await.unwrap();
        assert_eq!((answer.outcome, answer.seen), (CloseOutcome::Skipped, Some(9)));
        ends(&t).await;
        assert_eq!(t.world.count("delete_environment"), 1);
        t.start().await;
        assert_eq!(t.begin_close(close(10)).await.await.unwrap().outcome, CloseOutcome::Closing);
        ends(&t).await;
        assert_eq!(t.world.count("delete_environment"), 2, "what a terminated run has left is looked for");
        is_skipped(&t, sequenced('b', 10)).await;
    })
    .await;
}

#[tokio::test]
async fn worker_that_starts_between_close_and_push_knows_the_close() {
    preview("seen-restart", async |t: Preview| {
        closed_with(&t, 7, 9).await;
        t.worker.stop().await;
        t.push(sequenced('b', 8)).await;
        t.push(sequenced('a', 7)).await;
        t.worker.start().await;
        assert_eq!(ends(&t).await.notes.len(), 2);
        assert_eq!(t.world.count("load_app"), 2, "only for the rollout of before: {:#?}", t.world.calls());
    })
    .await;
}

#[tokio::test]
async fn messages_wait_in_their_order_until_earlier_runs_are_recalled() {
    preview("seen-wait", async |t: Preview| {
        closed_with(&t, 7, 9).await;
        t.world.forgets.store(true, Ordering::Relaxed);
        t.start().await;
        let skipped = t.begin_deploy(sequenced('b', 8)).await;
        t.push(sequenced('c', 10)).await;
        t.worker.stop().await;
        t.worker.start().await;
        assert_eq!((t.status().await.phase, t.world.count("load_app")), (Phase::AwaitingPush, 2));
        t.world.forgets.store(false, Ordering::Relaxed);
        assert_eq!(skipped.await.unwrap().outcome, DeployOutcome::Skipped);
        is_live(&t, 'c').await;
    })
    .await;
}

#[tokio::test]
async fn closed_pull_request_is_known_by_its_facts() {
    preview("seen-facts", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.facts(facts('a', 1)).await;
        t.facts(closed('a', 2)).await;
        ends(&t).await;
        let answer = deploy_with_start(&t, push('a')).await;
        assert_eq!(
            (answer.outcome, answer.reason.as_deref()),
            (DeployOutcome::Closed, Some("the pull request is closed"))
        );
        ends(&t).await;
        // The same webhook is delivered again.
        t.facts_with_start(closed('a', 2)).await;
        ends(&t).await;
        assert_eq!(t.world.count("delete_environment"), 1);
        t.facts_with_start(facts('a', 3)).await;
        t.push(push('a')).await;
        is_live(&t, 'a').await;
    })
    .await;
}

#[tokio::test]
async fn memory_of_a_stranger_does_not_count() {
    preview("seen-forged", async |t: Preview| {
        let id = memory_id(&t.input.workflow_id());
        let options = WorkflowStartOptions::new(t.task_queue.clone(), id).build();
        let forged = Memory { sequence: Some(99), ..Default::default() };
        let started = t.client.start_workflow(PreviewMemory::run, forged.into(), options).await.unwrap();
        let ended = started.get_result(WorkflowGetResultOptions::default()).await;
        assert!(format!("{ended:?}").contains("by its environment alone"), "{ended:?}");
        t.push(sequenced('a', 1)).await;
        is_live(&t, 'a').await;
    })
    .await;
}

#[tokio::test]
async fn recall_of_a_new_preview_takes_milliseconds() {
    preview("seen-cost", async |t: Preview| {
        let recall = RecallPreviewInput { environment: t.input.workflow_id() };
        let mut took = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            recall_preview(&t.client, &recall).await.unwrap();
            took.push(begun.elapsed());
        }
        // The fastest: other tests run beside it.
        assert!(took.iter().min() < Some(&Duration::from_millis(20)), "{took:?}");
    })
    .await;
}

//! Rollouts of which nothing can be seen for a while, on a real dev server, with fake activities.

use berth_test_support::preview::{Does, Preview, STEPS, commit, preview, push};
use berth_workflows::contract::{
    phase::Phase, search_attributes, signals::DeployOutcome, status::Status, verdict::FailureType,
};
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus};

/// Why nothing can be seen of the release, as the status says.
fn reason(status: &Status) -> Option<&str> {
    status.rolling_out.as_ref()?.not_observed.as_deref()
}

async fn phase_of_rollout(t: &Preview, number: u64) -> Option<String> {
    let rollout = t.rollout(number).describe(WorkflowDescribeOptions::default()).await.unwrap();
    rollout.search_attributes().get(&search_attributes::PHASE)
}

#[tokio::test]
async fn release_is_looked_at_again_and_status_says_why() {
    preview("unseen", async |t: Preview| {
        for step in ["await_rollout", "check_gates"] {
            t.world.next(step, Does::SeeNothing("the API server is [away]"));
        }
        t.world.next("await_rollout", Does::SeeNothing("still away"));
        t.push(push('a')).await;
        let status = t.until("not observed", |s| reason(s) == Some("the API server is [away]")).await;
        assert_eq!((status.phase, status.failed.as_ref()), (Phase::RollingOut, None));
        let details = status.to_markdown();
        assert!(details.contains("not observed: the API server is  away "), "{details}");
        assert_eq!(phase_of_rollout(&t, 1).await.as_deref(), Some("NotObserved"));
        t.until("still not observed", |s| reason(s) == Some("still away")).await;
        t.until_called("check_gates", 1).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.rollouts.iter().map(|r| r.outcome).collect::<Vec<_>>(), [DeployOutcome::Live]);
        assert_eq!((t.world.count("await_rollout"), t.world.count("check_gates")), (3, 2));
        assert_eq!(t.world.count("apply_manifests"), 1, "the steps before are not repeated");
        assert_eq!(phase_of_rollout(&t, 1).await.as_deref(), Some("Live"));
        let [workloads, gates] = status.notes.as_slice() else { panic!("{:?}", status.notes) };
        let note = "rollout of aaaaaaa: nothing could be seen of it for ";
        assert!(workloads.starts_with(note) && workloads.ends_with("s (awaiting_rollout): still away"), "{workloads}");
        assert!(gates.starts_with(note) && gates.ends_with("s (checking_gates): the API server is [away]"), "{gates}");
        t.record("unseen", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn long_gap_is_counted_from_its_begin_and_looked_at_again() {
    preview("unseen-since", async |t: Preview| {
        t.world.next("await_rollout", Does::SeeNothingFor(2400));
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        let [note] = status.notes.as_slice() else { panic!("{:?}", status.notes) };
        let seconds =
            note.split_once("could be seen of it for ").and_then(|(_, rest)| rest.split_once(" s (")).unwrap().0;
        assert!((2400..=2430).contains(&seconds.parse().unwrap()), "{note}");
    })
    .await;
}

#[tokio::test]
async fn release_that_is_seen_again_is_no_longer_reported() {
    preview("seen-again", async |t: Preview| {
        t.world.next("await_rollout", Does::SeeNothing("away"));
        t.world.next("check_gates", Does::Hang);
        t.push(push('a')).await;
        t.until("not observed", |s| reason(s) == Some("away")).await;
        t.until("observed", |s| s.rolling_out.is_some() && reason(s).is_none()).await;
        t.until_called("check_gates", 1).await;
        assert_eq!(phase_of_rollout(&t, 1).await.as_deref(), Some("RollingOut"));
    })
    .await;
}

#[tokio::test]
async fn each_step_that_saw_nothing_is_repeated() {
    // A prune is a note, and no reason to wait.
    for step in STEPS.into_iter().filter(|step| *step != "prune").chain(["ensure_database"]) {
        preview(&format!("unseen-{}", step.replace('_', "-")), async |t: Preview| {
            t.world.with_database();
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            t.world.next(step, Does::Fail(FailureType::NotObserved));
            t.push(push('b')).await;
            t.until("not observed", |s| reason(s) == Some("as ordered")).await;
            let status = t.until("live", |s| s.phase == Phase::Live).await;
            assert_eq!(status.serving.unwrap().release.commit, commit('b'), "{step}");
            assert_eq!(status.rollouts.len(), 2, "{step}");
        })
        .await;
    }
}

#[tokio::test]
async fn missing_rights_to_look_are_no_verdict() {
    for (n, step) in ["await_rollout", "check_gates"].into_iter().enumerate() {
        preview(&format!("denied-{n}"), async |t: Preview| {
            t.world.next(step, Does::Fail(FailureType::KubernetesDenied));
            t.push(push('a')).await;
            t.until("not observed", |s| reason(s) == Some("as ordered")).await;
            t.until("live", |s| s.phase == Phase::Live).await;
        })
        .await;
    }
}

#[tokio::test]
async fn verdict_after_a_look_that_saw_nothing_is_the_verdict() {
    preview("seen-bad", async |t: Preview| {
        t.world.next("await_rollout", Does::SeeNothing("away"));
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        t.push(push('a')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        let verdict = status.failed.unwrap().verdict;
        assert_eq!(verdict.failure, FailureType::CrashLoop);
        assert!(verdict.message.starts_with("as ordered; before that, nothing could be seen of it for"), "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn rollout_of_which_nothing_is_seen_can_be_stopped() {
    preview("unseen-stop", async |t: Preview| {
        for _ in 0..5 {
            t.world.next("await_rollout", Does::SeeNothing("away"));
        }
        t.push(push('a')).await;
        t.until("not observed", |s| reason(s) == Some("away")).await;
        t.close().await;
        t.until("closed", |s| s.phase == Phase::Closed).await;
        let stopped = t.rollout(1).describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_eq!(stopped.status(), WorkflowExecutionStatus::Canceled);
    })
    .await;
}

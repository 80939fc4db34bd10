//! A push of what serves is answered after a look at it, on a real dev server, with fake activities.

use berth_test_support::preview::{Does, Preview, commit, preview, push};
use berth_workflows::contract::{phase::Phase, signals::DeployOutcome, verdict::FailureType};
use temporalio_client::WorkflowGetResultOptions;

async fn live(t: &Preview) {
    t.push(push('a')).await;
    t.until("live", |s| s.phase == Phase::Live).await;
}

#[tokio::test]
async fn push_of_what_serves_is_answered_after_a_look() {
    preview("look-serves", async |t: Preview| {
        live(&t).await;
        let answer = t.deploy(push('a')).await;
        assert_eq!((answer.outcome, answer.rollout.is_some()), (DeployOutcome::Live, true));
        assert_eq!((t.world.count("look_at_environment"), t.world.count("apply_manifests")), (1, 1));
        t.record("looked", None).await;
    })
    .await;
}

#[tokio::test]
async fn push_of_what_was_deleted_by_hand_is_rolled_out_again() {
    for (n, what) in ["namespace look", "Deployment/web"].into_iter().enumerate() {
        preview(&format!("look-gone-{n}"), async |t: Preview| {
            live(&t).await;
            t.world.next("look_at_environment", Does::Leave(what));
            let answer = t.deploy(push('a')).await;
            assert_eq!((answer.outcome, t.world.count("apply_manifests")), (DeployOutcome::Live, 2));
            let status = t.status().await;
            assert!(status.notes.iter().any(|note| note.contains(what)), "{:?}", status.notes);
            t.record(&format!("looked-gone-{n}"), None).await;
        })
        .await;
    }
}

#[tokio::test]
async fn look_that_sees_nothing_claims_nothing() {
    preview("look-away", async |t: Preview| {
        live(&t).await;
        t.world.next("look_at_environment", Does::Fail(FailureType::KubernetesDenied));
        t.world.next("await_rollout", Does::Verdict(FailureType::NotReady));
        assert_eq!(t.deploy(push('a')).await.outcome, DeployOutcome::Failed);
    })
    .await;
}

#[tokio::test]
async fn close_and_newer_push_stop_a_look() {
    preview("look-stopped", async |t: Preview| {
        live(&t).await;
        t.world.next("look_at_environment", Does::Hang);
        t.push(push('a')).await;
        t.until_called("look_at_environment", 1).await;
        t.push(push('b')).await;
        t.until("b is live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit('b'))).await;
        t.world.next("look_at_environment", Does::Hang);
        t.push(push('b')).await;
        t.until_called("look_at_environment", 2).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        t.record("look-stopped", None).await;
    })
    .await;
}

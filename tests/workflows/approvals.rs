//! Approvals of a fork's commits hold for jobs that run again, on a real dev server, with fake activities.

use berth_test_support::preview::{Preview, commit, preview, push};
use berth_workflows::{
    contract::{
        phase::Phase,
        release::Image,
        signals::{Approve, DeployOutcome, Push},
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{WorkflowGetResultOptions, WorkflowSignalOptions};

fn fork(digit: char) -> Push {
    Push { fork: true, ..push(digit) }
}

async fn approve(t: &Preview, digit: char, image: Option<Image>) {
    let approve = Approve { commit: commit(digit), image, by: None };
    t.handle().signal(PreviewEnvironment::approve, approve.into(), WorkflowSignalOptions::default()).await.unwrap();
}

async fn is_live(t: &Preview, digit: char) {
    t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
}

#[tokio::test]
async fn approved_commit_runs_again_without_an_approval() {
    preview("approved-again", async |t: Preview| {
        t.push(fork('a')).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        approve(&t, 'a', None).await;
        is_live(&t, 'a').await;
        assert_eq!(t.deploy(fork('b')).await.outcome, DeployOutcome::AwaitingApproval);
        assert_eq!(t.deploy(fork('a')).await.outcome, DeployOutcome::Live);
        assert_eq!(t.status().await.awaiting_approval.unwrap().commit, commit('b'), "it waits still");
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        t.push(fork('a')).await;
        is_live(&t, 'a').await;
        t.record("approved-again", None).await;
    })
    .await;
}

#[tokio::test]
async fn approval_names_the_image_if_several_have_waited() {
    preview("approved-image", async |t: Preview| {
        let other = Image::try_from(format!("acme/web@sha256:{}", "9".repeat(64))).unwrap();
        t.push(fork('a')).await;
        t.push(Push { image: other.clone(), ..fork('a') }).await;
        approve(&t, 'a', None).await;
        let status = t.until("refused", |s| !s.notes.is_empty()).await;
        assert!(status.notes[0].contains(&other.to_string()), "{:?}", status.notes);
        approve(&t, 'a', Some(other)).await;
        is_live(&t, 'a').await;
        t.record("approved-image", None).await;
    })
    .await;
}

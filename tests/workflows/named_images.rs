//! Releases of several images and variables: all of them belong to the release; on a real dev server, with fake activities.

use std::sync::atomic::Ordering;

use berth_test_support::{
    fake_activities::Does,
    preview::{Preview, commit, preview, push},
    production::{Production, numbered, production},
};
use berth_workflows::{
    contract::{
        named_images::NamedImages,
        phase::Phase,
        production_answer::ProductionOutcome,
        push_variables::PushVariables,
        release::Release,
        signals::{Approve, DeployOutcome, Push, Redeploy},
        status::Status,
        verdict::FailureType,
    },
    preview_environment::PreviewEnvironment,
    production_environment::ProductionEnvironment,
};
use serde_json::{Value, json};
use temporalio_client::{WorkflowExecuteUpdateOptions, WorkflowSignalOptions};

fn worker(digit: char) -> Value {
    json!({"WORKER": format!("acme/worker@sha256:{}", digit.to_string().repeat(64))})
}

/// A push with the image `WORKER` of that digit, and a value of the variable `FLAGS`.
fn with(digit: char, flags: &str, push: Push) -> Push {
    let images: NamedImages = serde_json::from_value(worker(digit)).unwrap();
    let variables: PushVariables = serde_json::from_value(json!({"FLAGS": flags})).unwrap();
    Push { images, variables, ..push }
}

/// Whether a release has the images and variables of that push.
fn is_of(release: &Release, push: &Push) -> bool {
    release.is_same_version(&push.release())
}

#[tokio::test]
async fn redeploy_brings_the_images_and_variables_of_its_release_again() {
    preview("named-again", async |t: Preview| {
        let pushed = with('c', "a,b", push('a'));
        t.push(pushed.clone()).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.redeploy().await;
        let status = t.until("twice", |s| s.rollouts.len() == 2 && s.phase == Phase::Live).await;
        assert!(is_of(&status.serving.unwrap().release, &pushed));
        let rendered = t.world.rendered.lock().unwrap().clone();
        assert!(rendered.len() == 2 && rendered.iter().all(|release| is_of(release, &pushed)), "{rendered:#?}");
        let shown = serde_json::to_value(t.status().await).unwrap()["serving"].clone();
        assert_eq!((&shown["images"], &shown["variables"]), (&worker('c'), &json!({"FLAGS": "a,b"})));
    })
    .await;
}

#[tokio::test]
async fn push_joins_only_a_release_with_all_its_images_and_variables() {
    preview("named-joined", async |t: Preview| {
        let first = with('c', "a", push('a'));
        t.push(first.clone()).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(t.deploy(first).await.outcome, DeployOutcome::Live);
        assert_eq!(t.world.count("apply_manifests"), 1, "the same version is live already");
        for (count, other) in [with('d', "a", push('a')), with('d', "b", push('a')), push('a')].into_iter().enumerate()
        {
            assert_eq!(t.deploy(other.clone()).await.outcome, DeployOutcome::Live);
            assert_eq!(t.world.count("apply_manifests"), count + 2);
            assert!(is_of(&t.status().await.serving.unwrap().release, &other));
        }
    })
    .await;
}

#[tokio::test]
async fn approval_of_a_fork_covers_the_images_and_variables_that_wait() {
    preview("named-fork", async |t: Preview| {
        let waiting = |s: &Status| s.awaiting_approval.clone();
        let fork = |digit, flags| Push { fork: true, ..with(digit, flags, push('a')) };
        t.push(fork('c', "a")).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        let approve = Approve { commit: commit('a'), image: None, by: None };
        let options = WorkflowSignalOptions::default();
        t.handle().signal(PreviewEnvironment::approve, approve.into(), options).await.unwrap();
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert!(is_of(&status.serving.unwrap().release, &fork('c', "a")));
        for other in [fork('d', "a"), fork('c', "b"), Push { fork: true, ..push('a') }] {
            t.push(other.clone()).await;
            let waits = |s: &Status| waiting(s).is_some_and(|release| is_of(&release, &other));
            t.until("another image or variable of that commit waits", waits).await;
        }
        assert_eq!(t.world.count("apply_manifests"), 1);
    })
    .await;
}

#[tokio::test]
async fn rollback_and_redeploy_of_production_bring_whole_releases() {
    production("named-back", async |t: Production| {
        let (first, second) = (with('c', "a", numbered('a', 1)), with('d', "b", numbered('a', 2)));
        for (number, release) in [(1, &first), (2, &second)] {
            let answer = t.release(release.clone()).await;
            assert_eq!((answer.outcome, answer.release), (ProductionOutcome::Queued, Some(number)));
            let serving = t.until_serves(number).await.serving.unwrap();
            assert!(is_of(&serving.release, release), "the same commit, and another worker");
        }
        assert_eq!(t.release(second.clone()).await.outcome, ProductionOutcome::Live, "the same version");
        t.until("recorded", |_| t.record().begun.is_none()).await;
        t.rollback(None).await;
        let status = t.until("rolled back", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        assert!(is_of(&status.serving.unwrap().release, &first));
        t.unfreeze().await;
        let (redeploy, options) = (Redeploy::default(), WorkflowExecuteUpdateOptions::default());
        t.handle().execute_update(ProductionEnvironment::answer_redeploy, redeploy.into(), options).await.unwrap();
        t.until_called("apply_release", 4).await;
        let status = t.until("redeployed", |s| s.phase == Phase::Live && s.rolling_out.is_none()).await;
        assert!(is_of(&status.serving.unwrap().release, &first));
    })
    .await;
}

#[tokio::test]
async fn failed_release_is_rolled_back_to_the_images_before() {
    production("named-failed", async |t: Production| {
        let first = with('c', "a", numbered('a', 1));
        t.release(first.clone()).await;
        t.until_serves(1).await;
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let second = with('d', "a", numbered('a', 2));
        t.release(second.clone()).await;
        let status = t.until("rolled back", |s| s.phase == Phase::RolledBack).await;
        assert!(is_of(&status.serving.unwrap().release, &first));
        assert!(is_of(&status.failed.unwrap().release, &second));
    })
    .await;
}

#[tokio::test]
async fn approval_is_void_once_another_worker_is_released() {
    production("named-approved", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        t.release(with('c', "a", numbered('a', 1))).await;
        let status = t.until("planned", |s| s.phase == Phase::AwaitingApproval).await;
        let plan = status.queued.unwrap().plan.unwrap().id;
        let other = with('c', "b", numbered('a', 2));
        t.release(other.clone()).await;
        assert_eq!(t.approve(1, &plan).await.outcome, ProductionOutcome::Superseded);
        let status = t
            .until("planned anew", |s| {
                s.queued.as_ref().is_some_and(|queued| queued.release.number == Some(2) && queued.plan.is_some())
            })
            .await;
        let queued = status.queued.unwrap();
        assert!(is_of(&queued.release, &other));
        t.approve(2, &queued.plan.unwrap().id).await;
        assert!(is_of(&t.until_serves(2).await.serving.unwrap().release, &other));
    })
    .await;
}

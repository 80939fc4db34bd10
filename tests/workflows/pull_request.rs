//! Facts about a pull request, on a real dev server, with fake activities.

use berth_test_support::preview::{Does, Preview, commit, facts, preview, push};
use berth_workflows::contract::{
    load_app::GithubRules,
    phase::Phase,
    pull_request::{PullRequestFacts, PullRequestState},
    signals::{DeployOutcome, Push},
    verdict::FailureType,
};
use temporalio_client::{WorkflowDescribeOptions, WorkflowGetResultOptions};

fn with_label(t: &Preview) {
    *t.world.github.lock().unwrap() = Some(GithubRules {
        repository_id: 7,
        reports: true,
        comment: false,
        commands: false,
        drafts: false,
        label: Some("preview".into()),
        skip_label: None,
        production_environment: None,
        temporal_ui: None,
    });
}

#[tokio::test]
async fn opened_pull_request_waits_for_its_image() {
    preview("opened", async |t: Preview| {
        t.facts_with_start(facts('a', 1)).await;
        let status = t.until("it waits", |s| s.waits_for.is_some()).await;
        assert_eq!((status.phase, status.waits_for.as_deref()), (Phase::AwaitingPush, Some("the image of aaaaaaa")));
        assert_eq!(t.deploy(push('a')).await.outcome, DeployOutcome::Live);
        assert_eq!(t.status().await.waits_for, None);

        t.facts(facts('b', 2)).await;
        t.until("the next image", |s| s.waits_for.as_deref() == Some("the image of bbbbbbb")).await;
        let late = t.deploy(push('a')).await;
        assert_eq!((late.outcome, late.reason.is_some()), (DeployOutcome::Skipped, true));
        assert_eq!(t.deploy(push('c')).await.outcome, DeployOutcome::Live, "facts have not named it yet");

        t.facts(PullRequestFacts { state: PullRequestState::Closed, ..facts('c', 3) }).await;
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(report.gone, ["Namespace/pr-1"]);
        t.record("facts", None).await;
    })
    .await;
}

#[tokio::test]
async fn push_that_waits_for_a_label_rolls_out_when_it_comes() {
    preview("labelled", async |t: Preview| {
        with_label(&t);
        t.facts_with_start(facts('a', 1)).await;
        let answer = t.deploy(push('a')).await;
        assert_eq!(answer.reason.as_deref(), Some("it waits for the label preview"));
        t.push(push('b')).await;
        let status = t.until("held", |s| s.held.as_ref().is_some_and(|held| held.commit == commit('b'))).await;
        assert_eq!((status.phase, t.world.count("apply_manifests")), (Phase::AwaitingPush, 0));
        t.facts(PullRequestFacts { labels: vec!["preview".into()], ..facts('b', 2) }).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!((status.serving.unwrap().release.commit, status.held), (commit('b'), None));
        assert_eq!(t.world.count("apply_manifests"), 1);
    })
    .await;
}

#[tokio::test]
async fn facts_and_a_push_of_one_task_are_judged_by_the_app_file() {
    preview("one-task", async |t: Preview| {
        with_label(&t);
        t.start().await;
        t.until("started", |s| s.phase == Phase::AwaitingPush).await;
        t.worker.stop().await;
        t.facts(facts('a', 1)).await;
        let held = t.begin_deploy(push('a')).await;
        t.worker.start().await;
        let answer = held.await.unwrap();
        assert_eq!(
            (answer.outcome, answer.reason.as_deref()),
            (DeployOutcome::Skipped, Some("it waits for the label preview"))
        );
        assert_eq!(t.world.count("apply_manifests"), 0);
    })
    .await;
}

#[tokio::test]
async fn draft_without_facts_is_held_until_a_push_that_is_none() {
    preview("draft", async |t: Preview| {
        t.push(Push { draft: true, ..push('a') }).await;
        let status = t.until("held", |s| s.held.is_some() && s.waits_for.as_deref() != Some("the app file to be read"));
        assert_eq!(status.await.waits_for.as_deref(), Some("the pull request to be ready for review"));
        assert_eq!(t.deploy(push('b')).await.outcome, DeployOutcome::Live);
        let status = t.status().await;
        assert_eq!((status.held, status.rollouts.len()), (None, 1));
    })
    .await;
}

#[tokio::test]
async fn unreadable_app_file_holds_no_push_up() {
    preview("no-rules", async |t: Preview| {
        t.world.next("load_app", Does::Fail(FailureType::ManifestInvalid));
        t.facts_with_start(facts('a', 1)).await;
        assert_eq!(t.deploy(push('a')).await.outcome, DeployOutcome::Live);
        let status = t.status().await;
        assert!(status.notes[0].contains("the app file's rules for pull requests: ManifestInvalid"), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn pull_request_that_is_opened_again_keeps_its_workflow() {
    preview("opened-again", async |t: Preview| {
        t.facts_with_start(facts('a', 1)).await;
        t.deploy(push('a')).await;
        t.world.next("delete_environment", Does::HangUntilFreed);
        t.facts(PullRequestFacts { state: PullRequestState::Closed, ..facts('a', 2) }).await;
        t.until_called("delete_environment", 1).await;
        t.facts(facts('a', 3)).await;
        t.world.free();
        let status = t.until("it waits", |s| s.phase == Phase::AwaitingPush).await;
        assert_eq!(status.waits_for.as_deref(), Some("the image of aaaaaaa"));
    })
    .await;
}

#[tokio::test]
async fn facts_outlive_a_run() {
    preview("facts-carried", async |mut t: Preview| {
        t.input.timings.history_events = 40;
        t.facts_with_start(facts('a', 1)).await;
        for digit in ['b', 'c', 'd'] {
            t.push(push(digit)).await;
            t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
        }
        t.facts(facts('d', 2)).await;
        let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert!(described.history_length() < 120, "{} events", described.history_length());
        assert_eq!(t.deploy(push('a')).await.outcome, DeployOutcome::Skipped);
    })
    .await;
}

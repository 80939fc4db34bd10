//! Claims that a pull request is closed, on a real dev server, with fake activities.

use std::sync::{Arc, atomic::Ordering};

use berth_test_support::{
    fake_github::{Github, github_rules},
    preview::{Preview, closed, facts, preview, push},
};
use berth_workflows::contract::{phase::Phase, pull_request::PullRequestFacts, status::Status};
use temporalio_client::WorkflowGetResultOptions;

/// A live preview of a pull request, beside a GitHub that knows it as open.
async fn live<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview, Arc<Github>) -> F) {
    preview(app, async |t: Preview| {
        let github = Arc::new(Github::default());
        *t.world.github.lock().unwrap() = Some(github_rules());
        set(&github, facts('a', 1));
        let (client, queue) = (t.client.clone(), t.task_queue.clone());
        let test = async {
            t.facts_with_start(facts('a', 1)).await;
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            test(t, github.clone()).await;
        };
        github.serve(&client, &queue, test).await;
    })
    .await;
}

fn set(github: &Github, facts: PullRequestFacts) {
    github.pull_requests.lock().unwrap().insert(1, facts);
}

fn has_note(says: &str) -> impl Fn(&Status) -> bool {
    move |status| status.notes.iter().any(|note| note.contains(says))
}

#[tokio::test]
async fn claimed_close_closes_once_github_confirms_it() {
    live("confirm", async |t: Preview, github: Arc<Github>| {
        t.confirm_closed().await;
        t.until("open", has_note("confirm_closed: GitHub says that the pull request is open")).await;
        assert_eq!(t.status().await.phase, Phase::Live);
        set(&github, closed('a', 2));
        t.confirm_closed().await;
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(report.gone, ["Namespace/pr-1"]);
        assert_eq!(*github.asked.lock().unwrap(), [[1], [1]]);
        t.record("confirmed", None).await;
    })
    .await;
}

#[tokio::test]
async fn close_that_facts_know_is_confirmed_for_a_new_environment() {
    live("confirm-again", async |t: Preview, github: Arc<Github>| {
        t.world.next("delete_environment", berth_test_support::preview::Does::HangUntilFreed);
        t.facts(closed('a', 2)).await;
        t.until_called("delete_environment", 1).await;
        t.push(push('b')).await;
        t.world.free();
        let is_live = |s: &Status| s.phase == Phase::Live && s.serving.is_some();
        t.until("live again, since no facts name the commit", is_live).await;
        set(&github, closed('a', 2));
        t.confirm_closed().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unconfirmed_close_changes_nothing() {
    live("unconfirmed", async |t: Preview, github: Arc<Github>| {
        github.pull_requests.lock().unwrap().clear();
        t.confirm_closed().await;
        t.until("absent", has_note("confirm_closed: GitHub has no pull request 1")).await;
        set(&github, closed('a', 0));
        t.confirm_closed().await;
        t.until("older", has_note("confirm_closed: its facts of 2026-11-28T07:15:00Z are older")).await;
        assert_eq!(t.status().await.phase, Phase::Live);
    })
    .await;
}

#[tokio::test]
async fn close_does_not_wait_for_the_answer_of_github() {
    live("confirm-away", async |t: Preview, github: Arc<Github>| {
        github.is_away.store(true, Ordering::Relaxed);
        t.confirm_closed().await;
        t.confirm_closed().await;
        github.until("asked", |github| !github.asked.lock().unwrap().is_empty()).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    })
    .await;
}

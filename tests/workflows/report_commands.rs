//! Commands in comments, on a real dev server, with fake activities.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use berth_test_support::{
    fake_github::{Github, github_rules},
    preview::{Preview, commit, preview, push},
};
use berth_workflows::contract::{
    command::{AdmittedCommand, CommentCommand},
    phase::Phase,
    release::Name,
    signals::Push,
    status::Status,
};

fn octocat() -> Name {
    Name::try_from("octocat".to_owned()).unwrap()
}

/// A comment of a person who may give that command.
fn comments(github: &Github, id: u64, command: CommentCommand) {
    github.commands.lock().unwrap().insert(id, AdmittedCommand::Admitted { by: octocat(), command });
}

async fn commanded<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview, Arc<Github>) -> F) {
    preview(app, async |t: Preview| {
        let github = Arc::new(Github::default());
        *t.world.github.lock().unwrap() = Some(github_rules());
        let (client, queue) = (t.client.clone(), t.task_queue.clone());
        github.serve(&client, &queue, test(t, github.clone())).await;
    })
    .await;
}

async fn until_answered(github: &Github, answer: &str) {
    github.until(answer, |g| g.comments().first().is_some_and(|body| body.contains(answer))).await;
}

#[tokio::test]
async fn redeploy_in_a_comment_is_obeyed_once() {
    commanded("say-redeploy", async |t: Preview, github: Arc<Github>| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        comments(&github, 7, CommentCommand::Redeploy);
        t.comment(7).await;
        t.until("rolled out twice", |s| s.rollouts.len() == 2 && s.phase == Phase::Live).await;
        until_answered(&github, "- `redeploy` of `octocat`: `it is rolled out again`").await;
        t.comment(7).await;
        t.comment(8).await;
        comments(&github, 9, CommentCommand::Status);
        t.comment(9).await;
        until_answered(&github, "- `status` of `octocat`").await;
        assert_eq!(t.status().await.rollouts.len(), 2, "a webhook may come twice, and 8 is no command");
    })
    .await;
}

#[tokio::test]
async fn approval_in_a_comment_binds_the_image_that_waits() {
    commanded("say-approve", async |t: Preview, github: Arc<Github>| {
        t.push(Push { fork: true, ..push('a') }).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        comments(&github, 1, CommentCommand::Approve { commit: commit('b') });
        t.comment(1).await;
        t.until("known", |s| s.phase == Phase::AwaitingApproval).await;
        comments(&github, 2, CommentCommand::Approve { commit: commit('a') });
        t.comment(2).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        until_answered(&github, "`it is approved, with the image that waited`").await;
        assert!(github.comments()[0].contains("`approve: no push of commit bbbbbbb"), "{:#?}", github.comments());
        let again = Push { image: push('c').image, fork: true, ..push('a') };
        t.push(again).await;
        t.until("another image of that commit asks again", |s| s.phase == Phase::AwaitingApproval).await;
    })
    .await;
}

#[tokio::test]
async fn approval_does_not_reach_an_image_that_came_after_it() {
    commanded("say-late", async |t: Preview, github: Arc<Github>| {
        t.push(Push { fork: true, ..push('a') }).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        comments(&github, 1, CommentCommand::Approve { commit: commit('a') });
        github.is_slow_to_admit.store(true, Relaxed);
        t.comment(1).await;
        github.until("asked", |g| g.read_comments.load(Relaxed) == 1).await;
        t.push(Push { image: push('c').image, fork: true, ..push('a') }).await;
        let waits_for_c = |s: &Status| s.awaiting_approval.as_ref().is_some_and(|now| now.image == push('c').image);
        t.until("another image waits", waits_for_c).await;
        github.is_slow_to_admit.store(false, Relaxed);
        until_answered(&github, "another push waits now than when the comment was written").await;
        assert_eq!(t.status().await.phase, Phase::AwaitingApproval);
        comments(&github, 3, CommentCommand::Status);
        t.comment(3).await;
        until_answered(&github, "- `status` of `octocat`").await;
        comments(&github, 2, CommentCommand::Approve { commit: commit('a') });
        t.comment(2).await;
        github.until("an older comment approves nothing", |g| g.read_comments.load(Relaxed) == 3).await;
        comments(&github, 4, CommentCommand::Approve { commit: commit('a') });
        t.comment(4).await;
        t.until("live", |s| s.phase == Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn script_in_a_comment_runs_and_answers() {
    commanded("say-run", async |t: Preview, github: Arc<Github>| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let script = serde_json::from_value(serde_json::json!({"name": "send-reminder"})).unwrap();
        comments(&github, 1, CommentCommand::Run { script });
        t.comment(1).await;
        until_answered(&github, "- `run send-reminder` of `octocat`: `it ended with exit code 3`").await;
    })
    .await;
}

#[tokio::test]
async fn refused_command_is_answered_and_changes_nothing() {
    commanded("say-refused", async |t: Preview, github: Arc<Github>| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let reason = "only people who may write here give commands".to_owned();
        github.commands.lock().unwrap().insert(3, AdmittedCommand::Refused { by: Some(octocat()), reason });
        t.comment(3).await;
        until_answered(&github, "- A command of `octocat`: `only people who may write here give commands`").await;
        assert_eq!(t.status().await.rollouts.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn comment_is_not_read_where_the_app_file_allows_no_commands() {
    preview("say-nothing", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.comment(1).await;
        let status = t.until("noted", |s| !s.notes.is_empty()).await;
        assert_eq!(status.notes, ["command: the app file allows no commands"]);
    })
    .await;
}

//! The event of a job, and the task that follows from it. Pure.

use anyhow::Context as _;
use berth_workflows::contract::{
    environment::PullRequest,
    production::Production,
    release::{Commit, Name},
    signals::{Close, Push},
};
use serde::Deserialize;

use super::{job::Job, task::Task};
use crate::{arguments::Pushed, exit::UsageError};

/// The event `pull_request`, as far as it decides.
#[derive(Debug, Deserialize)]
struct Event {
    action: String,
    pull_request: PullRequestOfEvent,
}

#[derive(Debug, Deserialize)]
struct PullRequestOfEvent {
    number: u64,
    #[serde(default)]
    draft: bool,
    user: Option<Account>,
    head: Side,
    base: Side,
}

#[derive(Debug, Deserialize)]
struct Account {
    login: String,
}

/// The head or the base. The repository of a head is null once its fork has been deleted.
#[derive(Debug, Deserialize)]
struct Side {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: u64,
}

/// The task of a job of a pull request: a close if the event closes it, else a push of its head. `json` is the event's.
///
/// # Errors
/// The event is of another kind, or a push has no image.
pub(super) fn preview(
    job: &Job,
    app: &str,
    json: &[u8],
    pushed: impl FnOnce() -> Result<Pushed, UsageError>,
) -> anyhow::Result<Task> {
    if job.event != "pull_request" {
        return Err(refused("preview", "pull_request", &job.event));
    }
    let Event { action, pull_request } = serde_json::from_slice(json).context("reading the event pull_request")?;
    let PullRequestOfEvent { number, draft, user, head, base } = pull_request;
    let input = PullRequest::new(app, number);
    input.check().map_err(|why| UsageError(format!("the pull request of the event: {why}")))?;
    if action == "closed" {
        return Ok(Task::Close(input, Close { sequence: Some(job.run_id), proof: None }));
    }
    let id = |side: &Side| side.repo.as_ref().map(|repository| repository.id);
    // The job's own commit is that of a merge, which no registry and no person knows.
    let commit = commit(&head.sha)?;
    let push = Push {
        sequence: Some(job.run_id),
        author: user.and_then(|user| Name::try_from(user.login).ok()),
        fork: id(&head).is_none() || id(&head) != id(&base),
        branch: Name::try_from(head.branch).ok(),
        draft,
        ..pushed()?.into_push(commit)
    };
    Ok(Task::Deploy(input, push))
}

/// The task of a job of the main branch.
///
/// # Errors
/// The event is of another kind, or there is no image.
pub(super) fn release(
    job: &Job,
    app: &str,
    pushed: impl FnOnce() -> Result<Pushed, UsageError>,
) -> anyhow::Result<Task> {
    if !matches!(job.event.as_str(), "push" | "workflow_dispatch") {
        return Err(refused("release", "push and workflow_dispatch", &job.event));
    }
    let commit = commit(&job.sha)?;
    let push = Push {
        sequence: Some(job.run_id),
        author: job.actor.clone(),
        branch: job.branch.clone(),
        ..pushed()?.into_push(commit)
    };
    Ok(Task::Release(Production::new(app), push))
}

fn commit(sha: &str) -> Result<Commit, UsageError> {
    Commit::try_from(sha.to_owned()).map_err(UsageError)
}

/// The other events run with the rights of the main branch on behalf of strangers, or for no push.
fn refused(command: &str, wanted: &str, event: &str) -> anyhow::Error {
    UsageError(format!("berth ci {command} runs in jobs of {wanted}, and this is one of {event:?}")).into()
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::release::Image;
    use serde_json::{Value, json};

    use super::*;

    const HEAD: &str = "4f2a9c1e00000000000000000000000000000000";

    fn job(event: &str) -> Job {
        let name = |text: &str| Name::try_from(text.to_owned()).ok();
        Job {
            event: event.to_owned(),
            event_path: "event.json".into(),
            run_id: 4242,
            sha: "e".repeat(40),
            actor: name("hubot"),
            branch: name("main"),
        }
    }

    fn event(action: &str) -> Value {
        json!({
            "action": action, "number": 123, "sender": {"login": "hubot"},
            "pull_request": {
                "number": 123, "draft": false, "state": "open", "user": {"login": "octocat"}, "labels": [],
                "head": {"sha": HEAD, "ref": "feature", "repo": {"id": 7}}, "base": {"sha": "b", "ref": "main", "repo": {"id": 7}},
            },
        })
    }

    fn some_image() -> Result<Pushed, UsageError> {
        let image = Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap();
        Pushed::new(std::iter::once((None, image)), std::iter::empty())
    }

    fn no_image() -> Result<Pushed, UsageError> {
        Err(UsageError("no image".to_owned()))
    }

    fn push_of(event: &Value) -> Push {
        let task = preview(&job("pull_request"), "web", event.to_string().as_bytes(), some_image).unwrap();
        let Task::Deploy(input, push) = task else { panic!("{task:?}") };
        assert_eq!(input, PullRequest::new("web", 123));
        push
    }

    #[test]
    fn push_is_of_the_head_and_not_of_the_merge() {
        for action in ["opened", "synchronize", "reopened", "ready_for_review", "labeled"] {
            let push = push_of(&event(action));
            assert_eq!((push.commit.as_str(), push.sequence), (HEAD, Some(4242)), "{action}");
            assert_eq!((push.author.unwrap().as_str(), push.branch.unwrap().as_str()), ("octocat", "feature"));
            assert!(!push.fork && !push.draft);
        }
    }

    #[test]
    fn fork_and_draft_are_the_events() {
        for (repository, is_fork) in [(json!({"id": 7}), false), (json!({"id": 8}), true), (json!(null), true)] {
            let mut event = event("opened");
            event["pull_request"]["head"]["repo"] = repository;
            event["pull_request"]["draft"] = json!(true);
            let push = push_of(&event);
            assert_eq!((push.fork, push.draft), (is_fork, true));
        }
    }

    #[test]
    fn closed_pull_request_is_a_close_without_an_image() {
        let task = preview(&job("pull_request"), "web", event("closed").to_string().as_bytes(), no_image).unwrap();
        assert_eq!(task, Task::Close(PullRequest::new("web", 123), Close { sequence: Some(4242), proof: None }));
        assert!(preview(&job("pull_request"), "web", event("opened").to_string().as_bytes(), no_image).is_err());
    }

    #[test]
    fn release_is_of_the_jobs_commit_and_account() {
        for event in ["push", "workflow_dispatch"] {
            let Task::Release(input, push) = release(&job(event), "web", some_image).unwrap() else {
                panic!("{event}")
            };
            assert_eq!((input.app.as_str(), push.commit.as_str()), ("web", "e".repeat(40).as_str()));
            assert_eq!((push.author.unwrap().as_str(), push.branch.unwrap().as_str()), ("hubot", "main"));
            assert_eq!(push.sequence, Some(4242));
        }
    }

    #[test]
    fn other_events_are_refused_by_name() {
        for name in ["pull_request_target", "workflow_run", "issue_comment", "schedule", ""] {
            let preview = preview(&job(name), "web", event("opened").to_string().as_bytes(), some_image);
            let release = release(&job(name), "web", some_image);
            for refused in [preview, release] {
                assert!(refused.unwrap_err().to_string().contains(&format!("this is one of {name:?}")));
            }
        }
        assert!(preview(&job("push"), "web", b"{}", some_image).is_err());
        assert!(release(&job("pull_request"), "web", some_image).is_err());
    }

    #[test]
    fn event_that_is_broken_is_refused() {
        for broken in ["", "[]", r#"{"action":"opened"}"#, &event("opened").to_string().replace(HEAD, "$(id)")] {
            assert!(preview(&job("pull_request"), "web", broken.as_bytes(), some_image).is_err(), "{broken}");
        }
    }
}

//! Decision about a webhook: the messages that it becomes, or why it changes nothing. Pure.

use berth_workflows::contract::{
    command::{self, CommentSignal},
    environment::{EnvironmentKind, PullRequest},
    release::Name,
    signals::Redeploy,
};
use serde::de::DeserializeOwned;

use super::{
    event::{Account, CheckRunEvent, CheckSuiteEvent, CommentEvent, PullRequestEvent, Repository},
    facts,
};
use crate::hooks::{
    apps::AppFacts,
    outgoing::{Outgoing, Signal},
};

/// The most pull requests of a check suite. More of them for one commit are an experiment.
const MAX_PULL_REQUESTS: usize = 10;

/// Actions that may start an environment: the pull request asks for one.
const STARTING: [&str; 3] = ["opened", "reopened", "ready_for_review"];
/// Further actions that change a fact.
const CHANGING: [&str; 5] = ["synchronize", "closed", "converted_to_draft", "locked", "unlocked"];
/// Actions that change a fact if the label is one of the app's.
const LABELLING: [&str; 2] = ["labeled", "unlabeled"];

/// Authors whose comments in a public repository may be commands. The worker asks GitHub for their permission, which costs requests:
/// strangers' comments must cost none. A webhook shows a member whose membership is private as `CONTRIBUTOR`.
const ASSOCIATED: [&str; 4] = ["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR"];

/// The decision about a webhook.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// It reaches no workflow, for this reason.
    Nothing(String),
    /// No app that is known has the repository.
    NoApp,
    /// It is no payload of that event, for this reason.
    Unreadable(String),
    Send(Vec<Outgoing>),
}

impl Decision {
    pub(super) fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing(why.into())
    }

    fn send(messages: Vec<Outgoing>, repository: &Repository, apps: &[AppFacts]) -> Self {
        match messages.is_empty() {
            false => Self::Send(messages),
            true if apps.iter().any(|app| app.is_of(repository.id)) => {
                Self::nothing("it is about no preview of an app here")
            }
            true => Self::NoApp,
        }
    }
}

/// Decides about a webhook whose signature holds.
pub(super) fn decide(event: &str, body: &[u8], apps: &[AppFacts]) -> Decision {
    let decided = match event {
        "pull_request" => read(body).and_then(|event| about_pull_request(&event, apps)),
        "issue_comment" => read(body).map(|event| about_comment(&event, apps)),
        "check_run" => read(body).map(|event| about_check_run(&event, apps)),
        "check_suite" => read(body).map(|event| about_check_suite(&event, apps)),
        "ping" => Ok(Decision::nothing("the webhook works")),
        _ => Ok(Decision::nothing("no environment depends on this event")),
    };
    decided.unwrap_or_else(Decision::Unreadable)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("it is not such an event: {error}"))
}

fn about_pull_request(event: &PullRequestEvent, apps: &[AppFacts]) -> Result<Decision, String> {
    let (action, label) = (event.action.as_str(), event.label.as_ref().map(|label| label.name.as_str()));
    let starts = STARTING.contains(&action);
    let is_labelling = LABELLING.contains(&action);
    if !starts && !is_labelling && !CHANGING.contains(&action) {
        return Ok(Decision::nothing("this action changes no fact that an environment depends on"));
    }
    let decides = |app: &AppFacts| {
        let github = app.github.as_ref();
        !is_labelling || github.is_some_and(|github| label.is_some_and(|label| github.is_label_of_berth(label)))
    };
    let signal = Signal::PullRequest { facts: facts::of(&event.pull_request)?, starts };
    let deciding = previews(apps, event.repository.id).filter(|app| decides(app));
    let messages = deciding.filter_map(|app| message(app, event.pull_request.number, &signal));
    Ok(Decision::send(messages.collect(), &event.repository, apps))
}

fn about_comment(event: &CommentEvent, apps: &[AppFacts]) -> Decision {
    if event.action != "created" {
        return Decision::nothing("only new comments are commands");
    }
    if event.issue.pull_request.is_none() {
        return Decision::nothing("it is a comment on an issue");
    }
    // berth's own comment lists the commands.
    if event.sender.as_ref().is_some_and(|sender| sender.kind == "Bot") {
        return Decision::nothing("bots give no commands");
    }
    // A private repository is seen by people with a role there alone.
    if !event.repository.private && !ASSOCIATED.contains(&event.comment.author_association.as_str()) {
        return Decision::nothing("the comment's author has no part in the repository");
    }
    let app = match command::parse(event.comment.body.as_deref().unwrap_or_default()) {
        Ok(None) => return Decision::nothing("the comment has no command"),
        Ok(Some(line)) => line.app,
        // A wrong command gets an answer too, from each app.
        Err(_) => None,
    };
    let is_addressed = |candidate: &&AppFacts| {
        let takes = candidate.github.as_ref().is_some_and(|github| github.commands);
        takes && app.as_ref().is_none_or(|app| candidate.name == *app)
    };
    let named = app.clone().and_then(|app| Name::try_from(app).ok());
    let signal = Signal::Command(CommentSignal { comment: event.comment.id, app: named });
    let addressed = previews(apps, event.repository.id).filter(is_addressed);
    let messages = addressed.filter_map(|app| message(app, event.issue.number, &signal));
    Decision::send(messages.collect(), &event.repository, apps)
}

fn about_check_run(event: &CheckRunEvent, apps: &[AppFacts]) -> Decision {
    if event.action != "rerequested" {
        return Decision::nothing("only a check that is asked for again is a redeploy");
    }
    let id = event.check_run.external_id.as_deref().unwrap_or_default();
    let messages = previews(apps, event.repository.id).filter_map(|app| {
        let pr = EnvironmentKind::from_workflow_id(&app.name, id)?.pr()?;
        message(app, pr, &redeploy(event.sender.as_ref()))
    });
    Decision::send(messages.collect(), &event.repository, apps)
}

fn about_check_suite(event: &CheckSuiteEvent, apps: &[AppFacts]) -> Decision {
    if event.action != "rerequested" {
        return Decision::nothing("only checks that are asked for again are a redeploy");
    }
    let messages = previews(apps, event.repository.id).flat_map(|app| {
        let listed = event.check_suite.pull_requests.iter().take(MAX_PULL_REQUESTS);
        let own = listed.filter(|listed| listed.base.repo.id == event.repository.id);
        own.filter_map(|listed| message(app, listed.number, &redeploy(event.sender.as_ref())))
    });
    Decision::send(messages.collect(), &event.repository, apps)
}

/// The apps of a repository that have previews.
fn previews(apps: &[AppFacts], repository_id: u64) -> impl Iterator<Item = &AppFacts> {
    apps.iter().filter(move |app| app.has_previews && app.is_of(repository_id))
}

/// A message to the environment of a pull request, if a pull request can have that number.
fn message(app: &AppFacts, pr: u64, signal: &Signal) -> Option<Outgoing> {
    let input = PullRequest::new(&app.name, pr);
    input.check().ok()?;
    Some(Outgoing { input, signal: signal.clone() })
}

fn redeploy(sender: Option<&Account>) -> Signal {
    Signal::Redeploy(Redeploy { by: sender.and_then(|sender| Name::try_from(sender.login.clone()).ok()) })
}

#[cfg(test)]
mod tests;

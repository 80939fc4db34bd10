//! The check run of a pull request's head.

use serde::{Deserialize, Serialize};

use super::{
    comment,
    key::Key,
    markdown::{block, code},
    view::{PullRequestView, View},
};
use crate::contract::{
    phase::Phase,
    release::Commit,
    report::{CheckConclusion, CheckStatus, GithubWrite},
    verdict::truncate,
};

/// Bound on a title, in bytes: GitHub shows one line.
const MAX_TITLE_BYTES: usize = 140;

/// A check run that is to be, or was, shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckState {
    pub status: CheckStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<CheckConclusion>,
}

impl CheckState {
    const CANCELLED: Self = Self::concluded(CheckConclusion::Cancelled);

    const fn concluded(conclusion: CheckConclusion) -> Self {
        Self { status: CheckStatus::Completed, conclusion: Some(conclusion) }
    }

    const fn open(status: CheckStatus) -> Self {
        Self { status, conclusion: None }
    }

    /// Whether it has a conclusion.
    pub fn is_concluded(self) -> bool {
        self.conclusion.is_some()
    }
}

/// The head that is to have a check run, and its state.
pub(super) fn wanted(view: &View) -> Option<(&Commit, CheckState, Key)> {
    let pull_request = view.pull_request.as_ref()?;
    let head = pull_request.head.as_ref()?;
    let state = state(view, pull_request, head);
    let failure = pull_request.status.failed.as_ref().map(|failed| failed.verdict.failure);
    Some((head, state, Key::of(&(head, state, failure, &pull_request.status.waits_for))))
}

fn state(view: &View, pull_request: &PullRequestView, head: &Commit) -> CheckState {
    use CheckConclusion::{ActionRequired, Failure, Neutral, Success};
    let status = &pull_request.status;
    let is_head = |commit: &Commit| head.as_str().starts_with(&commit.as_str().to_ascii_lowercase());
    if view.is_closed {
        return CheckState::CANCELLED;
    }
    if status.held.as_ref().is_some_and(|held| is_head(&held.commit)) {
        return CheckState::concluded(Neutral);
    }
    if status.awaiting_approval.as_ref().is_some_and(|waiting| is_head(&waiting.commit)) {
        return CheckState::concluded(ActionRequired);
    }
    let in_flight = status.rolling_out.as_ref().map(|now| &now.release);
    if in_flight.into_iter().chain(&status.queued).any(|release| is_head(&release.commit)) {
        return CheckState::open(CheckStatus::InProgress);
    }
    if status.failed.as_ref().is_some_and(|failed| is_head(&failed.release.commit)) {
        return CheckState::concluded(Failure);
    }
    if status.serving.as_ref().is_some_and(|serving| is_head(&serving.release.commit)) {
        return CheckState::concluded(Success);
    }
    CheckState::open(CheckStatus::Queued)
}

/// The write that shows the state.
pub(super) fn write(view: &View, head: &Commit, state: CheckState, id: Option<u64>) -> Option<GithubWrite> {
    let pull_request = view.pull_request.as_ref()?;
    let is_of_head = pull_request.head.as_ref() == Some(head);
    let title = if is_of_head { title(view, pull_request, state) } else { "Another commit is the head now".to_owned() };
    Some(GithubWrite::Check {
        head: head.clone(),
        external_id: view.environment.clone(),
        id,
        status: state.status,
        conclusion: state.conclusion,
        summary: summary(pull_request, is_of_head),
        title,
        details_url: view.page_of(&view.environment),
    })
}

/// The write that concludes the check run of an earlier head.
pub(super) fn conclude(view: &View, head: &Commit, id: u64) -> Option<(GithubWrite, CheckState)> {
    Some((write(view, head, CheckState::CANCELLED, Some(id))?, CheckState::CANCELLED))
}

fn title(view: &View, pull_request: &PullRequestView, state: CheckState) -> String {
    let status = &pull_request.status;
    let failure = status.failed.as_ref().map_or("a failure", |failed| failed.verdict.failure.name());
    let waits_for = status.waits_for.as_deref().unwrap_or("a push");
    let mut title = match (state.status, state.conclusion) {
        (CheckStatus::Queued, _) => format!("Waits for {waits_for}"),
        (CheckStatus::InProgress, _) => "Rolling out".to_owned(),
        (_, Some(CheckConclusion::Success)) => match &view.url {
            Some(url) => format!("Live at {url}"),
            None => "Live".to_owned(),
        },
        (_, Some(CheckConclusion::Failure)) => format!("Failed: {failure}"),
        (_, Some(CheckConclusion::Neutral)) => format!("Not rolled out: it waits for {waits_for}"),
        (_, Some(CheckConclusion::ActionRequired)) => "From a fork: waits for approval".to_owned(),
        (_, Some(CheckConclusion::Cancelled) | None) => "The pull request is closed".to_owned(),
    };
    title.retain(|c| !c.is_control());
    truncate(&mut title, MAX_TITLE_BYTES);
    title
}

fn summary(pull_request: &PullRequestView, is_of_head: bool) -> String {
    let status = &pull_request.status;
    let Some(failed) = status.failed.as_ref().filter(|_| is_of_head && status.phase == Phase::Failed) else {
        return "The comment in the pull request says more.".to_owned();
    };
    let mut text = block(failed.verdict.headline().lines());
    if !failed.verdict.advice.is_empty() {
        text += &format!("\nWhat to do: {}\n", code(&failed.verdict.advice));
    }
    text
}

/// The heading of the comment, as plain words.
pub fn headline(view: &View) -> Option<String> {
    view.pull_request.as_ref().map(|pull_request| comment::heading(view, pull_request))
}

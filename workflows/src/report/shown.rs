//! The reports so far, and the next write that brings them to the view to be shown.

use serde::{Deserialize, Serialize};

use super::{
    check::{self, CheckState},
    comment, deployment,
    key::Key,
    view::View,
    wanted::{Part, Wanted},
};
use crate::{
    bounded,
    contract::{
        environment::EnvironmentKind,
        release::Commit,
        report::{DeploymentState, GithubWrite, Reported},
    },
};

/// How many deployments are followed until they are inactive. The oldest beyond it stay as they are.
const KEPT_DEPLOYMENTS: usize = 5;

/// The reports so far, carried from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reports {
    #[serde(skip_serializing_if = "is_default")]
    comment: Shown,
    /// The last thing that people were called to, in a comment of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<ShownCheck>,
    /// Oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deployments: Vec<ShownDeployment>,
    /// Whether the report of an earlier environment of the same name has been stopped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_alone: bool,
    /// Why the last write failed, while it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The part that is looked at first. Not carried: it only decides an order.
    #[serde(skip)]
    first_part: usize,
}

/// Something that was shown: its id, and the key of its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    /// Whether it may exist: a write has begun.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_begun: bool,
    /// Whether a person has deleted it. It is made again with another commit than `deleted_with`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_with: Option<Commit>,
    /// Whether GitHub has refused it as it is now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_refused: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ShownCheck {
    head: Commit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<CheckState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    /// Whether GitHub has refused it as it is now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_refused: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ShownDeployment {
    commit: Commit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<DeploymentState>,
    /// Whether GitHub has refused it for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_refused: bool,
}

impl Reports {
    /// Whether nothing was shown.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The next write, if what is shown differs from what is to be shown. People's comment comes first.
    pub fn next_write(&self, view: &View) -> Option<Wanted> {
        if view.is_passing() {
            return None;
        }
        let parts = [Self::comment, Self::call, Self::check, Self::deployment];
        parts.iter().cycle().skip(self.first_part).take(parts.len()).find_map(|part| part(self, view))
    }

    /// Records that GitHub did not take a write in time. The other parts come first then.
    pub fn fail(&mut self, wanted: &Wanted, why: String) {
        self.first_part = wanted.part.index() + 1;
        self.trouble = Some(why);
    }

    fn comment(&self, view: &View) -> Option<Wanted> {
        let (key, Shown { id, key: shown, is_begun, is_deleted, deleted_with, .. }) =
            (view.comment_key()?, &self.comment);
        let commit = head(view);
        let is_deleted = *is_deleted && *deleted_with == commit;
        // An environment that was never told of has no end to tell of.
        if *shown == Some(key) || is_deleted || (view.is_closed && id.is_none() && !is_begun) {
            return None;
        }
        let EnvironmentKind::Preview { pr: pull_request } = view.kind else { return None };
        let (marker, body) = (comment::marker(view), comment::body(view)?);
        let write = GithubWrite::Comment { pull_request, marker, id: *id, body };
        Some(Wanted { write, part: Part::Comment { key, commit } })
    }

    fn call(&self, view: &View) -> Option<Wanted> {
        let (about, marker, body) = comment::call_to_act(view)?;
        let EnvironmentKind::Preview { pr: pull_request } = view.kind else { return None };
        let write = GithubWrite::Comment { pull_request, marker, id: None, body };
        (self.called.as_ref() != Some(&about)).then_some(Wanted { write, part: Part::Call { about } })
    }

    fn check(&self, view: &View) -> Option<Wanted> {
        let (head, state, key) = check::wanted(view)?;
        let earlier = self.check.as_ref().filter(|shown| shown.head != *head);
        if let Some(ShownCheck { head, id: Some(id), state: Some(shown), .. }) = earlier
            && !shown.is_concluded()
        {
            let (write, state) = check::conclude(view, head, *id)?;
            return Some(Wanted { write, part: Part::EarlierCheck { state } });
        }
        let shown = self.check.as_ref().filter(|shown| shown.head == *head);
        let is_shown = shown.is_some_and(|shown| shown.key == Some(key));
        // A conclusion stays: nothing is cancelled that has one.
        let is_over = view.is_closed && shown.and_then(|shown| shown.state).is_none_or(CheckState::is_concluded);
        if is_shown || is_over {
            return None;
        }
        let write = check::write(view, head, state, shown.and_then(|shown| shown.id))?;
        Some(Wanted { write, part: Part::Check { head: head.clone(), state, key } })
    }

    /// The newest commit comes first: the one before stays active until the new one is live.
    fn deployment(&self, view: &View) -> Option<Wanted> {
        let known = |commit: &Commit| self.deployments.iter().find(|shown| shown.commit == *commit);
        let unknown = deployment::commits(view).filter(|commit| known(commit).is_none()).last();
        let new = unknown.map(|commit| Wanted {
            write: deployment::create(view, commit),
            part: Part::Deployment { commit: commit.clone() },
        });
        // What falls out of the list must be inactive before.
        let is_full = self.deployments.len() >= KEPT_DEPLOYMENTS;
        if is_full { self.deployment_state(view).or(new) } else { new.or_else(|| self.deployment_state(view)) }
    }

    fn deployment_state(&self, view: &View) -> Option<Wanted> {
        self.deployments.iter().rev().find_map(|ShownDeployment { commit, id, state: shown, is_refused }| {
            let state = deployment::wanted(view, commit);
            let id = id.filter(|_| !is_refused && *shown != Some(state))?;
            Some(Wanted {
                write: deployment::status(view, commit, id, state),
                part: Part::DeploymentStatus { commit: commit.clone(), state },
            })
        })
    }

    /// Records that a write begins: what it makes may exist from now on, though its id may never be known.
    pub fn begin(&mut self, wanted: &Wanted) {
        if matches!(wanted.part, Part::Comment { .. }) {
            self.comment.is_begun = true;
        }
    }

    /// Records what was written.
    pub fn record(&mut self, wanted: Wanted, reported: Reported) {
        (self.trouble, self.first_part) = (None, 0);
        let Reported { id, gone } = reported;
        match wanted.part {
            Part::Comment { commit, .. } if gone => {
                self.comment = Shown { is_deleted: true, deleted_with: commit, ..Shown::default() };
            }
            Part::Comment { key, .. } => {
                let id = id.or(self.comment.id);
                self.comment = Shown { id, key: Some(key), is_begun: true, ..Shown::default() };
            }
            Part::Call { about } => self.called = Some(about),
            Part::Check { head, state, key } => {
                let before = self.check.take().filter(|shown| shown.head == head).and_then(|shown| shown.id);
                let id = id.or(before).filter(|_| !gone);
                self.check = Some(ShownCheck { head, id, state: Some(state), key: Some(key), is_refused: false });
            }
            Part::EarlierCheck { .. } => self.check = None,
            Part::Deployment { commit } => {
                self.add_deployment(ShownDeployment { commit, id, state: None, is_refused: id.is_none() })
            }
            Part::DeploymentStatus { commit, .. } if gone => self.refuse_deployment(&commit),
            Part::DeploymentStatus { commit, state } => {
                self.deployments.iter_mut().filter(|shown| shown.commit == commit).for_each(|shown| {
                    shown.state = Some(state);
                });
                // A rollout of its commit makes an inactive one active again: then it is found again.
                self.deployments.retain(|shown| shown.state != Some(DeploymentState::Inactive));
            }
        }
    }

    /// Lets what GitHub has refused be tried again.
    pub fn forget_refusals(&mut self) {
        if std::mem::take(&mut self.comment.is_refused) {
            self.comment.key = None;
        }
        if let Some(check) = self.check.as_mut().filter(|check| check.is_refused) {
            (check.is_refused, check.key) = (false, None);
        }
        self.deployments.retain(|shown| !shown.is_refused);
    }

    /// Records that GitHub has refused a write for good. It is not tried again before the content changes, or
    /// [`Reports::forget_refusals`].
    pub fn refuse(&mut self, wanted: Wanted, why: String) {
        match wanted.part {
            Part::Comment { key, .. } => (self.comment.key, self.comment.is_refused) = (Some(key), true),
            Part::Call { about } => self.called = Some(about),
            Part::Check { head, state, key } => {
                let id = self.check.take().filter(|shown| shown.head == head).and_then(|shown| shown.id);
                self.check = Some(ShownCheck { head, id, state: Some(state), key: Some(key), is_refused: true });
            }
            Part::EarlierCheck { .. } => self.check = None,
            Part::Deployment { commit } => {
                self.add_deployment(ShownDeployment { commit, id: None, state: None, is_refused: true });
            }
            Part::DeploymentStatus { commit, .. } => self.refuse_deployment(&commit),
        }
        self.trouble = Some(why);
    }

    fn add_deployment(&mut self, deployment: ShownDeployment) {
        bounded::push(&mut self.deployments, deployment, KEPT_DEPLOYMENTS);
    }

    fn refuse_deployment(&mut self, commit: &Commit) {
        let of_commit = self.deployments.iter_mut().filter(|shown| shown.commit == *commit);
        of_commit.for_each(|shown| shown.is_refused = true);
    }
}

/// The commit with which the comment is made again after a person has deleted it.
fn head(view: &View) -> Option<Commit> {
    let status = &view.pull_request.as_ref()?.status;
    let releases = [&status.held, &status.awaiting_approval, &status.queued].into_iter().flatten();
    let rolling_out = status.rolling_out.as_ref().map(|now| &now.release);
    let failed = status.failed.as_ref().map(|failed| &failed.release);
    let serving = status.serving.as_ref().map(|serving| &serving.release);
    let mut newest = releases.chain(rolling_out).chain(failed).chain(serving);
    newest.next().map(|release| release.commit.clone())
}

fn is_default(shown: &Shown) -> bool {
    *shown == Shown::default()
}

#[cfg(test)]
mod tests;

//! Deployments on GitHub: one for each commit that is rolled out.

use super::view::{RolloutView, View};
use crate::contract::{
    environment::EnvironmentKind,
    release::Commit,
    report::{DeploymentState, GithubWrite},
};

/// The state that the deployment of a commit is to have. Inactive: nothing of it serves, or it never will.
pub(super) fn wanted(view: &View, commit: &Commit) -> DeploymentState {
    let is_of = |rollout: &Option<RolloutView>| rollout.as_ref().is_some_and(|rollout| rollout.commit == *commit);
    let rollouts = &view.rollouts;
    if view.is_closed {
        DeploymentState::Inactive
    } else if is_of(&rollouts.serving) {
        // Also while it is rolled out once more, and when that fails: it serves.
        DeploymentState::Success
    } else if is_of(&rollouts.rolling_out) {
        DeploymentState::InProgress
    } else if is_of(&rollouts.failed) {
        DeploymentState::Failure
    } else {
        DeploymentState::Inactive
    }
}

/// The commits that are to have a deployment. The newest is last.
pub(super) fn commits(view: &View) -> impl Iterator<Item = &Commit> {
    let rollouts = &view.rollouts;
    let all = [&rollouts.serving, &rollouts.failed, &rollouts.rolling_out];
    all.into_iter().flatten().filter(|_| !view.is_closed).map(|rollout| &rollout.commit)
}

/// The write that makes the deployment of a commit.
pub(super) fn create(view: &View, commit: &Commit) -> GithubWrite {
    let is_preview = matches!(view.kind, EnvironmentKind::Preview { .. });
    GithubWrite::Deployment {
        reference: commit.clone(),
        environment: view.github_environment.clone(),
        task: view.environment.clone(),
        transient: is_preview,
        production: !is_preview,
    }
}

/// The write that gives a deployment a state.
pub(super) fn status(view: &View, commit: &Commit, deployment: u64, state: DeploymentState) -> GithubWrite {
    let rollouts = &view.rollouts;
    let mut all = [&rollouts.rolling_out, &rollouts.failed, &rollouts.serving].into_iter().flatten();
    let rollout = all.find(|rollout| rollout.commit == *commit).map(|rollout| rollout.rollout.as_str());
    // A release that was restored by hand has no rollout.
    let of = rollout.filter(|rollout| !rollout.is_empty()).unwrap_or(&view.environment);
    let description = match state {
        DeploymentState::InProgress => "Rolling out",
        DeploymentState::Success => "Live",
        DeploymentState::Failure => "The rollout failed",
        DeploymentState::Inactive => "Nothing of it is left",
    };
    GithubWrite::DeploymentStatus {
        deployment,
        state,
        log_url: view.page_of(of),
        environment_url: view.url.clone().filter(|_| state == DeploymentState::Success),
        description: description.to_owned(),
    }
}

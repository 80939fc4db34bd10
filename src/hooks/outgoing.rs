//! Signals to the environments of pull requests: webhooks become them, and Temporal gets them.

use berth_workflows::contract::{
    command::CommentSignal, environment::PullRequest, pull_request::PullRequestFacts, signals::Redeploy,
};

/// A signal to the environment of a pull request.
#[derive(Debug, PartialEq)]
pub(super) struct Outgoing {
    pub(super) input: PullRequest,
    pub(super) signal: Signal,
}

/// A signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Signal {
    /// Facts, which start the environment if there is none and they may.
    PullRequest {
        facts: PullRequestFacts,
        starts: bool,
    },
    Command(CommentSignal),
    Redeploy(Redeploy),
}

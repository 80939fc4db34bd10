//! Looks at the release that serves, for a push of the same version.

use super::Book;
use crate::contract::{
    look::Missing,
    release::Release,
    signals::{DeployAnswer, DeployOutcome},
    stop_reason::StopReason,
};

/// How a look ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookEnd {
    /// Everything is there.
    Serves,
    /// Something is not there. None: nothing could be seen.
    Missing(Option<Missing>),
    Stopped(StopReason),
}

impl Book {
    /// Records that what serves is not whole. If its namespace is gone, nothing of it serves.
    pub fn lose(&mut self, missing: Option<&Missing>) {
        // Nothing joins it until it is rolled out again.
        self.was_stopped = true;
        if missing.is_some_and(|missing| missing.is_namespace) {
            (self.serving, self.served_before, self.proven, self.late) = (None, None, None, None);
        }
    }

    /// The answer to a push of the release that serves.
    pub fn answer_serving(&self, release: &Release) -> DeployAnswer {
        let mut answer = DeployAnswer::new(DeployOutcome::Live, release.commit.clone());
        answer.rollout = self.serving.as_ref().map(|serving| serving.rollout.clone());
        answer
    }
}

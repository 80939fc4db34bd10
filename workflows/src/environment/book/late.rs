//! The looks at a release after its wait has failed.

use serde::{Deserialize, Serialize};

use super::Book;
use crate::contract::{checks::AwaitInput, release::Release, rollout::Made};

/// Bounds on the pauses between looks, in milliseconds. A pause is as long as the time since the verdict, so that what became
/// ready after `n` minutes is seen after `2n` at the latest.
const SHORTEST_PAUSE_MS: u64 = 15_000;
const LONGEST_PAUSE_MS: u64 = 600_000;
/// The time after which nobody looks any more, in milliseconds. Whatever made a release an hour late makes it fail again.
const LOOKS_FOR_MS: u64 = 3_600_000;

/// A release whose wait has failed, and that may serve later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateLook {
    pub release: Release,
    pub rollout: Option<String>,
    pub stored_release: String,
    pub wait: AwaitInput,
    /// Unix time in milliseconds of the verdict, and of the next look.
    pub failed_ms: u64,
    pub next_ms: u64,
}

impl LateLook {
    /// The look after one that was made now. None: it was the last.
    fn next(mut self, now_ms: u64) -> Option<Self> {
        let since_ms = now_ms.saturating_sub(self.failed_ms);
        self.next_ms = now_ms + since_ms.clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS);
        (since_ms < LOOKS_FOR_MS).then_some(self)
    }
}

impl Book {
    /// Begins to look at a release whose wait has failed. Production has no such looks: it rolls back.
    pub(super) fn expect_late(&mut self, release: &Release, rollout: Option<&String>, made: &mut Made, now_ms: u64) {
        let is_preview = self.environment.as_ref().is_some_and(|environment| environment.kind.pr().is_some());
        let waited = made.waited.take().filter(|_| is_preview);
        self.late = waited.zip(made.stored_release.clone()).map(|(wait, stored_release)| LateLook {
            release: release.clone(),
            rollout: rollout.cloned(),
            stored_release,
            wait: *wait,
            failed_ms: now_ms,
            next_ms: now_ms + SHORTEST_PAUSE_MS,
        });
    }

    /// Records the end of a look. Returns a remark for a person if the release serves.
    pub fn end_late_look(&mut self, serves: bool, now_ms: u64) -> Option<String> {
        let look = self.late.take()?;
        if !serves {
            self.late = look.next(now_ms);
            return None;
        }
        let seconds = now_ms.saturating_sub(look.failed_ms) / 1000;
        let note = format!(
            "{} serves all the same, seen {seconds} s after its rollout failed; its gates were not checked: redeploy checks them",
            look.release.commit.short()
        );
        self.serve(look.release, look.rollout, Some(look.stored_release), now_ms);
        Some(note)
    }
}

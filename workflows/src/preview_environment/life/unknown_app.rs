//! An app that the worker does not know: its pushes fail, and a run that has made nothing ends.

use crate::{
    contract::{phase::Failed, verdict::Verdict},
    preview_environment::record::Record,
};

impl Record {
    /// Takes in that the worker has no file of the app.
    pub(super) fn take_unknown_app(&mut self, verdict: &Verdict) {
        // An environment that is there is closed by its people. A run of an older version waits for more pushes.
        if !self.mailbox.checks_app() || self.book.environment.is_some() {
            return self.take_rules(Err(verdict.headline()));
        }
        self.notes.add(verdict.headline());
        self.end_if_nothing_was_made(verdict);
    }

    /// Lets the run end as soon as no more pushes come: it has no environment, and gets none.
    pub(super) fn end_if_nothing_was_made(&mut self, verdict: &Verdict) {
        if !self.mailbox.checks_app() || self.book.environment.is_some() {
            return;
        }
        if let Some(release) = self.mailbox.fail_waiting(verdict) {
            self.book.failed = Some(Failed { release, rollout: None, verdict: verdict.clone() });
        }
        self.remembered.begin_end();
    }
}

//! Pushes of an app that the worker does not know. Pure.

use super::Mailbox;
use crate::contract::{
    release::Release,
    signals::{DeployAnswer, DeployOutcome},
    verdict::Verdict,
};

impl Mailbox {
    /// Lets a fork's push wait until the app file is read, from now on.
    pub fn check_app(&mut self) {
        self.checks_app = true;
    }

    /// Whether the run ends if the worker does not know the app.
    pub fn checks_app(&self) -> bool {
        self.checks_app
    }

    /// Fails the push that waits for a person or for facts: there is no such app. Returns its release. A push that comes later asks
    /// again.
    pub fn fail_waiting(&mut self, verdict: &Verdict) -> Option<Release> {
        self.facts.forget_rules();
        // A pull request of no app needs no environment, though it is open again.
        self.facts.close();
        let failed = |release: &Release| {
            let answer = DeployAnswer::new(DeployOutcome::Failed, release.commit.clone()).because(verdict.headline());
            DeployAnswer { verdict: Some(verdict.clone()), ..answer }
        };
        let held = self.held.take().map(|held| {
            match held.ticket {
                Some(ticket) => self.queue.answer(ticket, failed(&held.release)),
                None => self.queue.recent.record(&failed(&held.release)),
            }
            held.release
        });
        let awaiting = self.awaiting_approval.take();
        awaiting.iter().for_each(|release| self.queue.recent.record(&failed(release)));
        held.or(awaiting)
    }
}

//! Approvals of a fork's versions. Each holds for the same commit and image, also when a job runs again.

use super::{
    Asked, Model, Place,
    messages::{Push, Version},
};

impl Model {
    pub(super) fn was_approved(&mut self, version: Version) {
        self.waited.retain(|waited| waited.commit != version.commit);
        self.approved.retain(|approved| *approved != version);
        self.approved.push(version);
    }

    pub(super) fn waits(&mut self, version: Version) {
        if self.approved.contains(&version) {
            return;
        }
        self.waited.retain(|waited| *waited != version);
        self.waited.push(version);
    }

    /// Whether a push waits for an approval, or will: the app file is read before.
    pub(super) fn may_be_approved(&self, asked: &Asked) -> bool {
        let is_fork = asked.fork || self.pull_request.is_fork();
        let is_before_rules = asked.place <= Place::Held && is_fork && !asked.approved;
        asked.place == Place::AwaitingApproval || is_before_rules && self.are_rules_due()
    }

    pub(super) fn needs_approval(&self, is_fork: bool, version: Version) -> bool {
        (is_fork || self.pull_request.is_fork()) && !self.approved.contains(&version)
    }

    /// Whether a fork's job that runs again joins what rolls out or serves, and leaves what waits: no sequence says that it is
    /// newer.
    pub(super) fn rejoins(&self, push: Push) -> bool {
        let waits = |place| self.at(place).is_some_and(|waiting| waiting != push.version);
        let is_fork = push.fork || self.pull_request.is_fork();
        is_fork
            && push.sequence.is_none()
            && [Place::AwaitingRules, Place::Held, Place::AwaitingApproval].into_iter().any(waits)
    }

    /// Whether a version that was approved before is rolled out and leaves the one that waits for approval.
    pub(super) fn leaves_waiting(&self, push: Push) -> bool {
        let is_other = self.at(Place::AwaitingApproval).is_some_and(|waiting| waiting != push.version);
        let is_approved = self.approved.contains(&push.version);
        is_other && is_approved && push.sequence.is_none() && !self.pull_request.holds(push.draft)
    }
}

//! Where a push belongs, by what is known of the pull request.

use super::{Asked, Model, Place, Sender, messages::Outcome};

impl Model {
    /// Judges the push that waits, by what is known now.
    pub(super) fn settle_waiting(&mut self) {
        let waits = |asked: &Asked| matches!(asked.place, Place::AwaitingRules | Place::Held);
        if self.are_rules_due() {
            return;
        }
        if let Some(index) = self.asked.iter().position(waits) {
            let asked = self.asked.remove(index);
            self.settle(asked);
        }
    }

    /// Puts a push where it belongs.
    pub(super) fn settle(&mut self, mut asked: Asked) {
        let refused = self.pull_request.refuses(asked.version.commit).filter(|_| !asked.approved);
        if let Some(refused) = refused {
            return self.answer(&asked.senders, &[refused]);
        }
        if self.pull_request.holds(asked.draft) {
            self.answer(&std::mem::take(&mut asked.senders), &[Outcome::Skipped]);
            return self.asked.push(Asked { place: Place::Held, ..asked });
        }
        // Senders that waited for the rules cannot join a rollout any more: it is repeated for them.
        let waited = asked.place == Place::AwaitingRules && !asked.senders.is_empty();
        if !(waited && self.asked.iter().any(is_in_flight)) && self.join(&asked) {
            return;
        }
        if self.needs_approval(asked.fork, asked.version) && !asked.approved {
            self.waits(asked.version);
            self.answer(&std::mem::take(&mut asked.senders), &[Outcome::AwaitingApproval]);
            return self.asked.push(Asked { place: Place::AwaitingApproval, ..asked });
        }
        self.drop_at(Place::Next, Outcome::Superseded);
        self.asked.push(Asked { place: Place::Next, ..asked });
        self.answer_if_blocked();
    }

    /// Joins the same version. Nothing of an environment that closes can be joined.
    pub(super) fn join(&mut self, asked: &Asked) -> bool {
        let can_join = !self.is_closing();
        let of_serving = self.serving.filter(|_| can_join && !self.is_mixed);
        let same = |other: &Asked| other.version == asked.version;
        let joined = match self.find(Place::Next) {
            Some(next) => Some(next).filter(|next| same(next)),
            None => self.in_flight().filter(|now| same(now) && can_join && !now.is_stopping),
        };
        if let Some(joined) = joined {
            joined.senders.extend(&asked.senders);
            self.answer_if_blocked();
            return true;
        }
        let is_live = !self.asked.iter().any(is_in_flight) && of_serving == Some(asked.version);
        if is_live {
            self.asked.push(Asked { place: Place::Next, looks: true, ..asked.clone() });
        }
        is_live
    }

    /// Lets a push that has not begun wait for approval, unless a newer one waits already.
    pub(super) fn hold_next(&mut self) {
        let Some(next) = self.at(Place::Next).filter(|next| !self.approved.contains(next)) else { return };
        if self.find(Place::Next).is_some_and(|next| next.looks) {
            return;
        }
        let is_newest = !self.asked.iter().any(|asked| asked.place < Place::Next);
        if !is_newest {
            return self.drop_at(Place::Next, Outcome::Superseded);
        }
        self.waits(next);
        if let Some(next) = self.find(Place::Next) {
            next.place = Place::AwaitingApproval;
            let (senders, repeats) = (std::mem::take(&mut next.senders), std::mem::take(&mut next.repeats));
            self.answer_dropped(&senders, Outcome::AwaitingApproval, repeats);
        }
    }

    /// Answers the senders of a push that is not rolled out. Those of a rollout that it would have repeated wait for its end.
    pub(super) fn answer_dropped(&mut self, senders: &[Sender], outcome: Outcome, repeats: bool) {
        match self.in_flight().filter(|_| repeats) {
            Some(rolling_out) => rolling_out.senders.extend(senders),
            None => self.answer(senders, &[outcome]),
        }
    }
}

fn is_in_flight(asked: &Asked) -> bool {
    asked.place >= Place::Next
}

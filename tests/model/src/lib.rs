//! A model of a preview: what must serve in the end, and what the sender of each push is answered.
//!
//! It is written from the documentation of the messages, and knows nothing of berth's code: whoever compares the two finds
//! where they differ. Each push is one entry with a place, which the preview's own mailbox does not have.

use std::collections::BTreeMap;

use messages::{Arrival, End, Facts, Outcome, Push, Rules, Version};
use pull_request::{News, PullRequest};

mod approvals;
mod looks;
mod memory;
pub mod messages;
mod pull_request;
pub mod sequences;
mod settling;
mod steps;
mod unknown_app;

/// The number of a sender.
pub type Sender = usize;

/// Where a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Place {
    /// Before the app file is read.
    AwaitingRules,
    /// Until the end of a draft, or for a label.
    Held,
    AwaitingApproval,
    Next,
    RollingOut,
    /// It serves, and is looked at before its senders are answered.
    Looking,
}

/// A push that is not done with.
#[derive(Debug, Clone)]
struct Asked {
    version: Version,
    place: Place,
    /// Those who have no answer yet.
    senders: Vec<Sender>,
    fork: bool,
    draft: bool,
    approved: bool,
    is_stopping: bool,
    /// Whether it repeats the rollout or the look in flight, whose senders wait for the end of both.
    repeats: bool,
    /// Whether it serves: it is rolled out only if something of it is missing.
    looks: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Model {
    seen: Option<u64>,
    /// The highest sequence that was seen as the pull request was closed.
    closed: Option<u64>,
    memory: Option<memory::Memory>,
    /// Whether nothing of an environment is there, as an earlier run has left it.
    is_spare: bool,
    /// Whether there is no such app.
    has_no_app: bool,
    has_messages: bool,
    pull_request: PullRequest,
    asked: Vec<Asked>,
    /// Versions of a fork that were approved.
    pub approved: Vec<Version>,
    /// Versions that have waited for an approval since the last one of their commit, and since the last close.
    waited: Vec<Version>,
    serving: Option<Version>,
    /// The version that served before, and is another one: the one to go back to.
    pub served_before: Option<Version>,
    pub failed: Option<Version>,
    /// Whether objects of another release may be among those of the one that serves.
    is_mixed: bool,
    /// A close that is not obeyed yet.
    is_close_due: bool,
    tearing_down: bool,
    is_blocked: bool,
    is_cancelled: bool,
    ends_cancelled: bool,
    stage: steps::Stage,
    closes: Vec<(Arrival, Option<u64>)>,
    /// The answers so far. Any of those that are listed will do.
    answers: BTreeMap<Sender, Vec<Outcome>>,
}

impl Model {
    /// What the sender of a push must have been answered by now. None: it waits.
    pub fn answer_to(&self, sender: Sender) -> Option<&[Outcome]> {
        self.answers.get(&sender).map(Vec::as_slice)
    }

    /// The push at a place.
    pub fn at(&self, place: Place) -> Option<Version> {
        self.asked.iter().find(|asked| asked.place == place).map(|asked| asked.version)
    }

    /// The release that serves, as people are told. Nothing is said to serve while it is torn down.
    pub fn serving(&self) -> Option<Version> {
        self.serving.filter(|_| !self.tearing_down)
    }

    pub fn are_rules_due(&self) -> bool {
        self.pull_request.are_rules_due
    }

    /// Whether the environment is on its way out.
    pub fn is_closing(&self) -> bool {
        self.is_close_due || self.tearing_down || self.stage == steps::Stage::Ending
    }

    /// Takes a push in.
    pub fn push(&mut self, sender: Sender, push: Push, arrival: Arrival) {
        self.heard();
        if self.is_older(push.sequence) {
            return self.answer(&[sender], &[Outcome::Skipped]);
        }
        if let Some(refused) = self.pull_request.refuses(push.version.commit) {
            return self.answer(&[sender], &[refused]);
        }
        if self.is_closed_at_once(push.sequence, arrival) {
            return self.answer(&[sender], &[Outcome::Closed]);
        }
        if self.is_closed_since(push.sequence) {
            return self.answer(&[sender], &[Outcome::Skipped]);
        }
        let same = |asked: &&Asked| asked.version == push.version && asked.place <= Place::Held;
        let approved = self.asked.iter().find(same).is_some_and(|same| same.approved);
        let mut asked = Asked {
            version: push.version,
            place: Place::Next,
            senders: vec![sender],
            fork: push.fork,
            draft: push.draft,
            approved,
            is_stopping: false,
            repeats: false,
            looks: false,
        };
        if self.rejoins(push) && self.join(&asked) {
            return;
        }
        // A fork's push of an app that is not there must not wait for a person.
        if !self.pull_request.needs_rules(push.draft || push.fork || self.pull_request.is_fork()) {
            let leaves_waiting = self.leaves_waiting(push);
            self.drop_at(Place::AwaitingRules, Outcome::Superseded);
            self.drop_at(Place::Held, Outcome::Superseded);
            if !leaves_waiting {
                self.drop_at(Place::AwaitingApproval, Outcome::Superseded);
            }
            return self.settle(asked);
        }
        asked.place = Place::AwaitingRules;
        if self.may_be_approved(&asked) {
            self.waits(asked.version);
        }
        if self.join(&asked) {
            return self.drop_waiting(Outcome::Superseded);
        }
        let waiting = self.asked.iter_mut().find(|same| same.version == asked.version && same.place <= Place::Held);
        if let Some(same) = waiting {
            asked.fork |= same.fork;
            asked.senders.append(&mut same.senders);
        }
        self.drop_waiting(Outcome::Superseded);
        self.asked.push(asked);
    }

    /// Takes a close in. Returns whether it is obeyed.
    pub fn close(&mut self, sequence: Option<u64>, arrival: Arrival) -> bool {
        self.heard();
        if self.is_older(sequence) {
            return false;
        }
        self.closes.push((arrival, sequence));
        self.is_close_due = true;
        self.closed = self.seen;
        self.waited.clear();
        self.pull_request.is_reopened = false;
        self.drop_waiting(Outcome::Closed);
        self.drop_at(Place::Next, Outcome::Closed);
        true
    }

    /// A cancel is a close. Only the first one of a run counts.
    pub fn cancel(&mut self, arrival: Arrival) {
        self.heard();
        if !self.is_cancelled {
            self.is_cancelled = true;
            self.close(None, arrival);
        }
    }

    /// Takes facts in.
    pub fn facts(&mut self, facts: Facts, arrival: Arrival) {
        self.heard();
        let news = self.pull_request.take(facts);
        // A job that has run before the close may run again.
        self.closed = self.closed.filter(|_| !self.pull_request.is_reopened);
        match news {
            News::None => {}
            News::Close => drop(self.close(None, arrival)),
            News::Open => self.settle_waiting(),
            News::Fork => {
                self.hold_next();
                self.settle_waiting();
            }
        }
    }

    /// Takes the app file's rules in. None: it cannot be read.
    pub fn rules(&mut self, rules: Option<Rules>) {
        self.pull_request.take_rules(rules);
        self.settle_waiting();
    }

    /// Only the commit that waits can be approved, and without an image only one that has waited with a single one. It may still
    /// wait for facts.
    pub fn approve(&mut self, commit: u8) {
        self.heard();
        let waits = |asked: &Asked| asked.version.commit == commit && self.may_be_approved(asked);
        if self.waited.iter().filter(|waited| waited.commit == commit).count() > 1 {
            return;
        }
        if let Some(index) = self.asked.iter().position(waits) {
            let approved = Asked { approved: true, place: Place::AwaitingRules, ..self.asked.remove(index) };
            self.was_approved(approved.version);
            if self.are_rules_due() { self.asked.push(approved) } else { self.settle(approved) }
        }
    }

    /// Rolls the newest release out again, unless the environment closes. One in flight is repeated, and only then answered.
    pub fn redeploy(&mut self) {
        self.heard();
        let is_stopping = self.find(Place::RollingOut).is_some_and(|rolling_out| rolling_out.is_stopping);
        let in_flight = self.at(Place::RollingOut);
        let Some(version) = in_flight.or(self.failed).or(self.serving) else { return };
        if self.is_closing() {
            return;
        }
        if let Some(next) = self.find(Place::Next) {
            next.looks = false;
            return;
        }
        let repeated = self.in_flight().filter(|_| !is_stopping);
        let (repeats, senders) = (repeated.is_some(), repeated.map(|repeated| std::mem::take(&mut repeated.senders)));
        self.asked.push(Asked {
            version,
            place: Place::Next,
            senders: senders.unwrap_or_default(),
            fork: false,
            draft: false,
            approved: true,
            is_stopping: false,
            repeats,
            looks: false,
        });
    }

    fn is_older(&mut self, sequence: Option<u64>) -> bool {
        let is_older = sequence.zip(self.seen).is_some_and(|(sequence, seen)| sequence < seen);
        if !is_older {
            self.seen = self.seen.max(sequence);
        }
        is_older
    }

    /// Whether a close of another kind came in the same task. The sequence decides; without one the close wins.
    fn is_closed_at_once(&self, sequence: Option<u64>, arrival: Arrival) -> bool {
        self.closes.iter().any(|(close, of_close)| {
            let is_later = sequence.zip(*of_close).is_some_and(|(push, close)| push > close);
            close.task == arrival.task && close.kind != arrival.kind && !is_later
        })
    }

    fn find(&mut self, place: Place) -> Option<&mut Asked> {
        self.asked.iter_mut().find(|asked| asked.place == place)
    }

    fn drop_at(&mut self, place: Place, outcome: Outcome) {
        if let Some(index) = self.asked.iter().position(|asked| asked.place == place) {
            let dropped = self.asked.remove(index);
            self.answer_dropped(&dropped.senders, outcome, dropped.repeats);
        }
    }

    fn drop_waiting(&mut self, outcome: Outcome) {
        for place in [Place::AwaitingRules, Place::Held, Place::AwaitingApproval] {
            self.drop_at(place, outcome);
        }
    }

    /// It may take days until the old environment is gone, too long for a sender to wait. A cancelled run rolls nothing out.
    fn answer_if_blocked(&mut self) {
        if self.is_blocked || self.stage == steps::Stage::Continuing {
            self.answer_next(Outcome::Queued);
        }
    }

    fn answer_next(&mut self, outcome: Outcome) {
        let senders = self.find(Place::Next).map(|next| std::mem::take(&mut next.senders)).unwrap_or_default();
        self.answer(&senders, &[outcome]);
    }

    fn answer(&mut self, senders: &[Sender], outcomes: &[Outcome]) {
        self.answers.extend(senders.iter().map(|sender| (*sender, outcomes.to_vec())));
    }

    /// Records how the rollout in flight ended, and whether its release serves all the same.
    pub fn rollout_ended(&mut self, end: End, serves: bool) {
        let Some(index) = self.asked.iter().position(|asked| asked.place == Place::RollingOut) else { return };
        let Asked { version, senders, .. } = self.asked.remove(index);
        match end {
            End::Live => {
                (self.failed, self.is_mixed) = (None, false);
                self.answer(&senders, &[Outcome::Live]);
            }
            End::Failed => {
                self.failed = Some(version);
                self.answer(&senders, &[Outcome::Failed]);
            }
            End::Stopped if self.is_closing() => self.answer(&senders, &[Outcome::Closed, Outcome::Superseded]),
            End::Stopped => self.answer(&senders, &[Outcome::Superseded]),
        }
        if serves || end == End::Live {
            self.serve(version);
        }
    }

    fn serve(&mut self, version: Version) {
        let before = self.serving.into_iter().chain(self.served_before).find(|before| *before != version);
        (self.serving, self.served_before) = (Some(version), before);
    }
}

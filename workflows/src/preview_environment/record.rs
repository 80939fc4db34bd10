//! The state of a preview: carried from run to run, shown by `status`, and the source of its phase.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        environment::Environment,
        load_app::GithubRules,
        phase::Phase,
        pull_request::PullRequestFacts,
        release::Release,
        signals::{DeployOutcome, Push},
        stop_reason::StopReason,
        teardown::{LeakReport, Remaining, Removal},
        verdict::truncate,
    },
    environment::{
        arrival::Arrival,
        book::Book,
        carry,
        notes::Notes,
        queue::{Current, Delivery},
    },
    preview_environment::{
        command_book::Commands,
        mailbox::Mailbox,
        memory::{Remembered, Waiting},
        running_scripts::RunningScripts,
    },
    report::Reports,
};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    #[serde(flatten)]
    pub book: Book,
    pub mailbox: Mailbox,
    pub tearing_down: bool,
    /// The report of the last attempt at the teardown.
    pub teardown: Option<LeakReport>,
    /// The last teardown that has removed everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removal>,
    /// The teardown follows a cancel of a run that this one continues.
    pub was_cancelled: bool,
    pub closed: bool,
    pub notes: Notes,
    pub scripts: RunningScripts,
    /// The reports on GitHub so far.
    #[serde(skip_serializing_if = "Reports::is_empty")]
    pub reports: Reports,
    #[serde(skip_serializing_if = "Commands::is_empty")]
    pub commands: Commands,
    #[serde(skip_serializing_if = "Remembered::is_empty")]
    pub(super) remembered: Remembered,
    /// Messages that wait until the memory of earlier runs is recalled.
    #[serde(skip)]
    pub(super) waiting: Waiting,
    /// Whether this run is cancelled, which is taken in as a close.
    #[serde(skip)]
    pub(super) cancelled: bool,
    #[serde(skip)]
    pub(super) stage: Stage,
    /// How many attempts at the teardown have been made. A run that continues one counts as many as lead to the longest pause.
    #[serde(skip)]
    pub(super) attempts: u32,
}

/// Where the main loop of a run stands. Not carried: a run begins with [`Stage::Open`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// The pull request is followed, unless the environment is being torn down.
    #[default]
    Open,
    TearingDown,
    /// An attempt at the teardown has left something.
    Blocked,
    /// Nothing of the environment is left.
    Gone,
    /// This run is cancelled, and the next one makes a new environment.
    Continuing,
    /// The end is prepared.
    Ending,
}

impl Record {
    /// The phase follows from the rest: there is no second place to keep in step.
    pub fn phase(&self) -> Phase {
        if self.closed {
            Phase::Closed
        } else if self.tearing_down || self.mailbox.is_close_requested() {
            match &self.teardown {
                Some(report) if !report.remaining.is_empty() => Phase::TeardownBlocked,
                _ => Phase::TearingDown,
            }
        } else if self.book.rolling_out.is_some() || self.mailbox.is_rollout_next() {
            Phase::RollingOut
        } else if self.mailbox.awaiting_approval().is_some() {
            Phase::AwaitingApproval
        } else if self.book.failed.is_some() {
            Phase::Failed
        } else if self.book.serving.is_some() {
            Phase::Live
        } else {
            Phase::AwaitingPush
        }
    }

    /// Puts a push in. Returns its answer, or the ticket to wait under.
    pub fn deliver(&mut self, push: &Push, arrival: Arrival) -> Delivery {
        let (mailbox, current) = self.mailbox_and_current();
        match mailbox.push(push, arrival, current) {
            Delivery::Answered(mut answer) if answer.outcome == DeployOutcome::Live => {
                answer.show_pages(self.answering());
                answer.rollout = self.book.serving.as_ref().map(|serving| serving.rollout.clone());
                Delivery::Answered(answer)
            }
            delivery => delivery,
        }
    }

    /// Puts facts about the pull request in.
    ///
    /// # Errors
    /// The reason why they are ignored.
    pub fn take_facts(&mut self, mut facts: PullRequestFacts, arrival: Arrival) -> Result<(), String> {
        let ignored = std::mem::take(&mut facts.ignored);
        if !ignored.is_empty() {
            self.notes.add(format!("pull_request: ignored what this version does not know: {}", ignored.join(", ")));
        }
        let (mailbox, current) = self.mailbox_and_current();
        if mailbox.take_facts(facts, arrival, current)? {
            self.note_unapproved();
        }
        // The conversation may have been unlocked, or a permission granted.
        self.reports.forget_refusals();
        Ok(())
    }

    /// Names what was rolled out before GitHub said that the pull request is a fork's.
    fn note_unapproved(&mut self) {
        let rolling_out = self.book.rolling_out.as_ref().map(|now| &now.queued.release);
        let serving = self.book.serving.as_ref().map(|serving| &serving.release);
        if let Some(release) = rolling_out.or(serving).filter(|release| !self.mailbox.was_approved(release)) {
            let commit = release.commit.short().to_owned();
            self.notes.add(format!("the pull request is from a fork: {commit} was rolled out without an approval"));
        }
    }

    /// Takes the app file's rules for GitHub in. A push that waited for them goes on.
    pub fn take_rules(&mut self, rules: Result<Option<GithubRules>, String>) {
        match rules {
            Ok(github) => self.mailbox.facts.set_rules(github),
            Err(why) => {
                self.notes.add(format!("the app file's rules for pull requests: {why}"));
                self.mailbox.facts.keep_rules();
            }
        }
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.settle(current);
    }

    /// Something still to come that the newest commit waits for, to be read after "waits for".
    pub fn waits_for(&self) -> Option<String> {
        if self.is_closing() {
            return None;
        }
        let facts = &self.mailbox.facts;
        if let Some((_, hold)) = self.mailbox.held() {
            return Some(hold.map_or_else(|| "the app file to be read".to_owned(), |hold| hold.waits_for()));
        }
        if let Some(waiting) = self.mailbox.awaiting_approval() {
            return Some(format!("approval of commit {}", waiting.commit));
        }
        let head = facts.awaited_head(self.newest_release())?;
        let image = format!("the image of {}", head.short());
        Some(facts.hold(false).map_or_else(|| image.clone(), |hold| format!("{}, and {image}", hold.waits_for())))
    }

    /// Marks a release as proved, wherever it is by now.
    pub fn mark_proved(&mut self, proved: &Release) {
        let Book { rolling_out, serving, failed, .. } = &mut self.book;
        let rolling_out = rolling_out.as_mut().map(|rolling_out| &mut rolling_out.queued.release);
        let serving = serving.as_mut().map(|serving| &mut serving.release);
        let failed = failed.as_mut().map(|failed| &mut failed.release);
        let known = rolling_out.into_iter().chain(serving).chain(failed).chain(self.mailbox.waiting_mut());
        known
            .filter(|release| release.is_same_version(proved) && release.author == proved.author)
            .for_each(|release| release.proved = true);
    }

    /// Queues the newest release once more.
    ///
    /// # Errors
    /// There is none, or the environment closes.
    pub fn redeploy(&mut self) -> Result<(), String> {
        // No further close would come to remove what it made.
        if self.is_closing() {
            return Err(StopReason::EnvironmentCloses.to_string());
        }
        let release = self.newest_release().cloned().ok_or("nothing has been pushed yet")?;
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.queue.put_again(release, current);
        Ok(())
    }

    /// Mailbox and the releases that a new push is compared with. Nothing that is torn down can be joined.
    pub fn mailbox_and_current(&mut self) -> (&mut Mailbox, Current<'_>) {
        let current = if self.tearing_down { Current::default() } else { self.book.current() };
        (&mut self.mailbox, current)
    }

    /// The newest release that was asked for, however it went.
    pub fn newest_release(&self) -> Option<&Release> {
        self.book.newest_release(&self.mailbox.queue)
    }

    /// The newest push, while it waits for facts or for an approval.
    pub fn waiting_release(&self) -> Option<&Release> {
        self.mailbox.held().map(|(release, _)| release).or_else(|| self.mailbox.awaiting_approval())
    }

    /// The state for the next run of the workflow: the same, with short texts. If it is long all the same, past rollouts
    /// and notes are dropped, since nothing is decided by them.
    pub fn to_carry(&self) -> Self {
        let mut carried = self.clone();
        carried.book.shorten();
        carried.mailbox.facts.shorten();
        carried.was_cancelled |= self.cancelled && self.tearing_down;
        if let Some(report) = &mut carried.teardown {
            report.shorten();
        }
        if let Some(removed) = &mut carried.removed {
            removed.gone.clear();
        }
        // Not `||`: one of each is dropped at a time.
        carry::shorten(&mut carried, |record| {
            record.book.drop_oldest_rollout() | record.notes.drop_oldest() | record.mailbox.queue.recent.drop_oldest()
        });
        carried
    }

    /// Whether a close has come, and nothing of a new environment has begun yet.
    pub fn is_closing(&self) -> bool {
        self.tearing_down || self.closed || self.mailbox.is_close_requested()
    }

    /// The environment that answers: something serves in it, and it is not being removed.
    pub fn answering(&self) -> Option<&Environment> {
        self.book.answering().filter(|_| !self.tearing_down)
    }

    /// Forgets an environment that is verified gone.
    pub fn forget_environment(&mut self) {
        self.book.forget_environment();
        self.tearing_down = false;
        self.teardown = None;
    }
}

impl LeakReport {
    /// How many objects that remain are carried to the next run. Each attempt finds all of them again.
    const MAX_CARRIED: usize = 3;

    /// The start of what remains, in short.
    fn shorten(&mut self) {
        self.gone.clear();
        self.skipped.clear();
        self.remaining.truncate(Self::MAX_CARRIED);
        for Remaining { object, reason, command } in &mut self.remaining {
            truncate(object, 300);
            truncate(reason, 200);
            truncate(command, 300);
        }
    }
}

#[cfg(test)]
mod tests;

//! What a preview does next.

use crate::{
    contract::memory::Memory,
    environment::queue::QueuedRelease,
    preview_environment::record::{Record, Stage},
};

/// The next step of the main loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Wait until [`Record::is_waiting`] does not hold any more. The run may continue as new meanwhile.
    Wait,
    /// Roll a release out, and report how that ended.
    RollOut(Box<QueuedRelease>),
    /// Look whether the release that serves is all there, and report that.
    Look(Box<QueuedRelease>),
    /// Wait until no script runs. Each was stopped.
    AwaitScripts,
    /// Make an attempt at the teardown, and report it.
    TearDown,
    /// Wait before the next attempt, after so many, until [`Record::is_hurried`] holds at most. The run may continue as new
    /// then.
    Pause { attempts: u32 },
    /// Answer every update that waits, and hand the last report over.
    PrepareEnd,
    /// Write a memory for the runs that follow, and report that.
    Remember(Box<Memory>),
    /// Go on after all: a message came while the end was prepared.
    Reopen,
    /// Continue in a new run, since this one is cancelled and can only end.
    ContinueInNewRun,
    /// End. Nothing of the environment is left.
    End { cancelled: bool },
}

impl Record {
    /// The next step of the main loop, which then is done before it is asked for the next one.
    pub fn step(&mut self) -> Step {
        match self.stage {
            Stage::Open if self.is_followed() => match self.take_next() {
                Some((queued, true)) => self.begin_look(queued),
                Some((queued, false)) => {
                    self.need_run();
                    Step::RollOut(Box::new(queued))
                }
                None if self.is_spare() => self.begin_end(),
                None => Step::Wait,
            },
            Stage::Open => self.close_down(),
            Stage::TearingDown => {
                // A close that comes from now on asks for another attempt.
                self.mailbox.take_close();
                Step::TearDown
            }
            Stage::Blocked => {
                self.stage = Stage::TearingDown;
                self.attempts = self.attempts.saturating_add(1);
                Step::Pause { attempts: self.attempts }
            }
            Stage::Gone => self.after_the_teardown(),
            Stage::Continuing => Step::ContinueInNewRun,
            Stage::Ending => self.end_or_reopen(),
        }
    }

    /// Takes the next push out, and whether its release is only looked at.
    fn take_next(&mut self) -> Option<(QueuedRelease, bool)> {
        let is_look = self.mailbox.queue.is_look_next();
        self.mailbox.take_push().map(|queued| (queued, is_look))
    }

    /// Whether there is nothing to do: [`Step::Wait`] is the next step.
    pub fn is_waiting(&self) -> bool {
        self.stage == Stage::Open && self.is_followed() && !self.mailbox.has_work() && !self.is_spare()
    }

    /// Whether the next attempt at a blocked teardown is to begin at once: a close has come again.
    pub fn is_hurried(&self) -> bool {
        self.mailbox.is_close_requested()
    }

    /// Whether the pull request is followed: no close has come, and no teardown goes on from the run before.
    fn is_followed(&self) -> bool {
        !self.tearing_down && !self.mailbox.is_close_requested()
    }

    /// Stops what runs beside the rollouts, and begins the teardown then.
    fn close_down(&mut self) -> Step {
        self.tearing_down = true;
        self.need_run();
        if !self.scripts.running.is_empty() {
            return Step::AwaitScripts;
        }
        self.mailbox.take_close();
        // The run before has made many attempts.
        self.attempts = if self.teardown.is_some() { u32::MAX - 1 } else { 0 };
        self.stage = Stage::TearingDown;
        Step::TearDown
    }

    /// A push that came meanwhile reopens the pull request: it gets a new environment.
    fn after_the_teardown(&mut self) -> Step {
        if !self.is_reopened() {
            return self.begin_end();
        }
        if !self.cancelled {
            self.stage = Stage::Open;
            return self.step();
        }
        self.stage = Stage::Continuing;
        self.answer_those_who_wait_long();
        Step::ContinueInNewRun
    }

    fn begin_end(&mut self) -> Step {
        self.closed = true;
        self.stage = Stage::Ending;
        Step::PrepareEnd
    }

    /// A message that came while the end was prepared is for a new environment.
    fn end_or_reopen(&mut self) -> Step {
        if self.mailbox.is_close_requested() && self.has_nothing() {
            // This run has looked for nothing to remove.
            self.closed = false;
            return self.close_down();
        }
        if !self.is_reopened() {
            if let Some(memory) = self.unwritten_memory() {
                return Step::Remember(Box::new(memory));
            }
            return Step::End { cancelled: self.cancelled || self.was_cancelled };
        }
        self.closed = false;
        // The last report is stopped before the first one of the new environment.
        self.reports.is_alone = false;
        self.stage = Stage::Gone;
        Step::Reopen
    }

    /// Whether a push has come since the close, or the pull request was opened again.
    fn is_reopened(&mut self) -> bool {
        // A second close asks for a teardown that is done already.
        self.mailbox.take_close();
        let is_reopened = self.mailbox.is_wanted();
        self.was_cancelled &= !is_reopened;
        is_reopened
    }
}

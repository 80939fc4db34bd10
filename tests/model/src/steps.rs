//! What a preview does next, and what becomes of it.

use super::{
    Model, Place,
    messages::{Outcome, Step, Version},
};

/// Where the life of a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Open,
    TearingDown,
    Pausing,
    Gone,
    /// The run is cancelled, and another one is to go on.
    Continuing,
    Ending,
}

impl Model {
    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.stage {
            Stage::Open if self.is_close_due || self.tearing_down => {
                (self.is_close_due, self.tearing_down) = (false, true);
                self.needs_run();
                self.stage = Stage::TearingDown;
                Step::TearDown
            }
            Stage::Open if self.is_unneeded() => {
                self.stage = Stage::Ending;
                Step::PrepareEnd
            }
            Stage::Open => match self.find(Place::Next) {
                Some(next) if next.looks => {
                    (next.place, next.repeats) = (Place::Looking, false);
                    Step::Look(next.version)
                }
                Some(next) => {
                    (next.place, next.repeats) = (Place::RollingOut, false);
                    let version = next.version;
                    self.is_mixed = true;
                    self.needs_run();
                    Step::RollOut(version)
                }
                None => Step::Wait,
            },
            Stage::TearingDown => Step::TearDown,
            Stage::Pausing => {
                self.stage = Stage::TearingDown;
                Step::Pause
            }
            Stage::Gone => self.after_the_teardown(),
            Stage::Continuing => Step::ContinueInNewRun,
            Stage::Ending if self.is_close_due && self.is_spare => {
                self.stage = Stage::Open;
                self.step()
            }
            Stage::Ending => {
                let cancelled = self.is_cancelled || self.ends_cancelled;
                if self.is_wanted() {
                    self.stage = Stage::Gone;
                    return Step::Reopen;
                }
                Step::End { cancelled }
            }
        }
    }

    fn after_the_teardown(&mut self) -> Step {
        if !self.is_wanted() {
            self.stage = Stage::Ending;
            return Step::PrepareEnd;
        }
        (self.stage, self.ends_cancelled) = (Stage::Open, false);
        if !self.is_cancelled {
            return self.step();
        }
        self.stage = Stage::Continuing;
        self.answer_next(Outcome::Queued);
        Step::ContinueInNewRun
    }

    /// Whether a message since the last close asks for an environment. A further close has nothing to remove.
    fn is_wanted(&mut self) -> bool {
        self.is_close_due = false;
        !self.asked.is_empty() || self.pull_request.is_reopened
    }

    /// The rollout in flight is stopped, for a newer push or a close. Returns whether there is a reason.
    pub fn stop(&mut self) -> bool {
        let is_due = self.is_close_due || self.at(Place::Next).is_some();
        if let Some(rolling_out) = self.find(Place::RollingOut).filter(|_| is_due) {
            rolling_out.is_stopping = true;
        }
        is_due
    }

    /// An attempt at the teardown has ended.
    pub fn torn_down(&mut self, is_gone: bool) {
        self.is_blocked = !is_gone;
        if is_gone {
            self.stage = Stage::Gone;
            self.tearing_down = false;
            (self.serving, self.served_before, self.failed, self.is_mixed) = (None, None, None, false);
        } else {
            self.stage = Stage::Pausing;
            self.answer_next(Outcome::Queued);
        }
    }

    /// A failed release was looked at again, while nothing else happened.
    pub fn looked_late(&mut self, version: Version, serves: bool) -> Result<(), String> {
        if self.failed != Some(version) || self.is_closing() || self.at(Place::RollingOut).is_some() {
            return Err(format!("there is no reason to look at {version:?} again"));
        }
        if serves {
            self.serve(version);
        }
        Ok(())
    }

    /// A run continues as another one, which remembers the same.
    pub fn continued(&mut self) {
        self.ends_cancelled |= self.is_cancelled && self.tearing_down;
        self.is_cancelled = false;
        self.stage = Stage::Open;
        self.has_messages = false;
        self.closes.clear();
        self.pull_request.forget_labels();
    }
}

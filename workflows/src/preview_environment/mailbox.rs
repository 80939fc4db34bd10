//! The mailbox of a preview: its queue, a fork's push that waits for approval, and a close.
//!
//! Pure. Signals and updates put messages in, the workflow's main loop takes them out.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        release::Release,
        signals::{Approve, Close, DeployAnswer, DeployOutcome, Push},
        stop_reason::StopReason,
    },
    environment::queue::{Current, Delivery, Queue, QueuedRelease},
};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    #[serde(flatten)]
    pub queue: Queue,
    #[serde(default)]
    awaiting_approval: Option<Release>,
    #[serde(default)]
    close_requested: bool,
}

impl Mailbox {
    /// Puts a push in.
    pub fn push(&mut self, push: &Push, current: Current<'_>) -> Delivery {
        let answer = |outcome| DeployAnswer::new(outcome, push.commit.clone());
        if let Some(seen) = self.queue.newer_seen(push.sequence) {
            let reason = format!("sequence {} is older than {seen}, already seen", push.sequence.unwrap_or_default());
            return Delivery::Answered(Box::new(answer(DeployOutcome::Skipped).because(reason)));
        }
        if push.draft {
            return Delivery::Answered(Box::new(answer(DeployOutcome::Skipped).because("the pull request is a draft")));
        }
        if push.fork {
            // The rollout in flight goes on: a fork's commit has no effect before it is approved.
            self.awaiting_approval = Some(push.release());
            let reason = format!("from a fork: waits for the signal approve with commit {}", push.commit);
            return Delivery::Answered(Box::new(answer(DeployOutcome::AwaitingApproval).because(reason)));
        }
        self.awaiting_approval = None;
        self.enqueue(push.release(), current)
    }

    /// Puts an approval in. Only the commit that waits can be approved, so that a later push of the fork cannot ride
    /// on an earlier approval.
    pub fn approve(&mut self, approve: &Approve, current: Current<'_>) -> Result<(), String> {
        match self.awaiting_approval.take_if(|release| release.commit == approve.commit) {
            Some(release) => {
                self.enqueue(release, current);
                Ok(())
            }
            None => Err(format!("approve: no push of commit {} waits for approval", approve.commit)),
        }
    }

    /// A push that follows a close is for a new environment: it joins nothing of the old one.
    fn enqueue(&mut self, release: Release, current: Current<'_>) -> Delivery {
        if self.close_requested {
            Delivery::Waiting(self.queue.put(release))
        } else {
            self.queue.join_or_put(release, current)
        }
    }

    /// Puts a close in. A push that has not begun is dropped; a push that comes later is kept, for a new environment.
    pub fn close(&mut self, close: &Close) -> Result<(), String> {
        if let Some(seen) = self.queue.newer_seen(close.sequence) {
            return Err(format!("close: sequence {} is older than {seen}", close.sequence.unwrap_or_default()));
        }
        self.request_close();
        Ok(())
    }

    /// Puts a close without a sequence in, for a cancel of the workflow.
    pub fn request_close(&mut self) {
        self.close_requested = true;
        self.awaiting_approval = None;
        self.queue.drop_next(DeployOutcome::Closed);
    }

    /// Whether there is something to do next: a close, or a push.
    pub fn has_work(&self) -> bool {
        self.close_requested || self.queue.next().is_some()
    }

    /// The reason to stop the rollout in flight: a close, or a push that takes its place.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if self.close_requested {
            return Some(StopReason::EnvironmentCloses);
        }
        self.queue.next().map(|newer| StopReason::Superseded { by: newer.commit.to_string() })
    }

    /// Takes the next push out, unless a close comes first.
    pub fn take_push(&mut self) -> Option<QueuedRelease> {
        if self.close_requested { None } else { self.queue.take() }
    }

    /// Takes a close out.
    pub fn take_close(&mut self) -> bool {
        std::mem::take(&mut self.close_requested)
    }

    /// Whether a close waits to be taken out.
    pub fn is_close_requested(&self) -> bool {
        self.close_requested
    }

    /// The push of a fork that waits for approval.
    pub fn awaiting_approval(&self) -> Option<&Release> {
        self.awaiting_approval.as_ref()
    }
}

#[cfg(test)]
mod tests;

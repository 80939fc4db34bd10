//! The end of a rollout, for the book.

use crate::contract::{
    rollout::{Made, RolledOut},
    stop_reason::StopReason,
    verdict::{FailureType, Verdict},
};

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutEnd {
    Live(Box<RolledOut>),
    Failed(Box<Verdict>, Box<Made>),
    /// It may have failed before the stop reached it.
    Stopped(StopReason, Box<Made>),
}

impl RolloutEnd {
    /// The verdict that the worker has no file of the app, if it is that.
    pub fn unknown_app(&self) -> Option<&Verdict> {
        match self {
            Self::Failed(verdict, _) => Some(verdict.as_ref()).filter(|v| v.failure == FailureType::UnknownApp),
            Self::Live(_) | Self::Stopped(..) => None,
        }
    }

    /// A rollout that was stopped before it had made anything.
    pub fn stopped(reason: StopReason) -> Self {
        Self::Stopped(reason, Box::default())
    }

    /// A failure without a verdict of the rollout's own. Objects of the release may be there. It is tried again by hand.
    pub fn unreported(message: impl Into<String>) -> Self {
        Self::without_verdict(message, Made { touched: true, ..Made::default() })
    }

    /// The failure of a rollout that never began.
    pub fn not_started(message: impl Into<String>) -> Self {
        Self::without_verdict(message, Made::default())
    }

    fn without_verdict(message: impl Into<String>, made: Made) -> Self {
        let verdict = Verdict::new(FailureType::NotReady, message).advise("push again, or signal redeploy");
        Self::Failed(Box::new(verdict), Box::new(made))
    }
}

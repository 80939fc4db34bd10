//! Reasons why a rollout or a script run is stopped.

use std::{convert::Infallible, fmt, str::FromStr};

use crate::contract::signals::DeployOutcome;

const SUPERSEDED_BY: &str = "superseded by";
const ROLLED_BACK_BY: &str = "rolled back by";
const ENVIRONMENT_CLOSES: &str = "the environment closes";
const CANCELLED: &str = "cancelled";

/// Reason why a rollout or a script run is stopped. Its text is the cancellation's reason on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A newer push, with this commit, replaces it.
    Superseded { by: String },
    /// A person rolls production back.
    RolledBack { by: String },
    /// The environment closes and accepts no more work.
    EnvironmentCloses,
    /// It was cancelled from outside, with this reason.
    Cancelled { reason: String },
}

impl StopReason {
    /// Reads the reason of a cancellation. A missing reason is a plain cancel.
    pub fn from_cancellation(reason: Option<&str>) -> Self {
        let Ok(reason) = reason.unwrap_or(CANCELLED).parse();
        reason
    }

    /// The phase of a rollout that was stopped for this reason: the search attribute `BerthPhase`.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "Superseded",
            Self::RolledBack { .. } => "RolledBack",
            Self::EnvironmentCloses => "Closed",
            Self::Cancelled { .. } => "Cancelled",
        }
    }

    /// The outcome of a push whose rollout was stopped for it.
    pub fn outcome(&self) -> DeployOutcome {
        match self {
            Self::Superseded { .. } => DeployOutcome::Superseded,
            Self::RolledBack { .. } => DeployOutcome::RolledBack,
            Self::EnvironmentCloses | Self::Cancelled { .. } => DeployOutcome::Closed,
        }
    }
}

impl FromStr for StopReason {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let after = |start| text.strip_prefix(start).map(|by: &str| by.trim_start().to_owned());
        Ok(match (after(SUPERSEDED_BY), after(ROLLED_BACK_BY)) {
            (Some(by), _) => Self::Superseded { by },
            (_, Some(by)) => Self::RolledBack { by },
            _ if text == ENVIRONMENT_CLOSES => Self::EnvironmentCloses,
            _ => Self::Cancelled { reason: text.to_owned() },
        })
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { by } => write!(f, "{SUPERSEDED_BY} {by}"),
            Self::RolledBack { by } => write!(f, "{ROLLED_BACK_BY} {by}"),
            Self::EnvironmentCloses => f.write_str(ENVIRONMENT_CLOSES),
            Self::Cancelled { reason } => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_parses_from_the_text_that_it_displays() {
        for (reason, text, phase) in [
            (StopReason::Superseded { by: "4f2a9c1".into() }, "superseded by 4f2a9c1", "Superseded"),
            (StopReason::RolledBack { by: "octocat".into() }, "rolled back by octocat", "RolledBack"),
            (StopReason::EnvironmentCloses, "the environment closes", "Closed"),
            (StopReason::Cancelled { reason: "by hand".into() }, "by hand", "Cancelled"),
        ] {
            assert_eq!((reason.to_string().as_str(), reason.phase()), (text, phase));
            assert_eq!(StopReason::from_cancellation(Some(text)), reason);
        }
        assert_eq!(StopReason::from_cancellation(None).to_string(), "cancelled");
    }
}

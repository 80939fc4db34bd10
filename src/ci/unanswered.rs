//! The reason why a message or a question has no answer.

use std::time::Duration;

use crate::exchange::unsent::Unsent;

/// The pause before a message is sent again, unless its receiver names another one.
const PAUSE: Duration = Duration::from_secs(2);

/// The reason why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Another try would be answered the same.
    Refused(anyhow::Error),
    /// Another try, after a pause, may be answered.
    Later(anyhow::Error, Duration),
}

impl Unanswered {
    /// Another try may be answered.
    pub(super) fn later(why: anyhow::Error) -> Self {
        Self::Later(why, PAUSE)
    }
}

impl From<Unsent> for Unanswered {
    fn from(why: Unsent) -> Self {
        match why {
            Unsent::Refused(why) => Self::Refused(anyhow::Error::msg(why)),
            Unsent::Later(why) => Self::later(why),
        }
    }
}

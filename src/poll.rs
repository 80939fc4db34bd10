//! Waiting for an environment: polls its status until a decision ends the wait. The decisions themselves are pure, and
//! stand with the commands.

use std::time::{Duration, Instant};

use crate::{exit::Exit, progress::Progress};

/// Short enough for a script, long enough for a hundred of them at once.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a look at the status may take that only completes the answer, when the time is over.
pub(crate) const LAST_LOOK: Duration = Duration::from_secs(3);

/// Whether a wait goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Wait,
    Done(Ending),
}

/// The end of a wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) outcome: String,
    pub(crate) exit: Exit,
    /// The reason, in one line, if the status alone does not tell it.
    pub(crate) reason: Option<String>,
}

impl Decision {
    /// Ends the wait.
    pub(crate) fn done(outcome: impl Into<String>, exit: Exit) -> Self {
        Self::Done(Ending { outcome: outcome.into(), exit, reason: None })
    }

    /// Ends the wait, with a reason.
    pub(crate) fn because(outcome: impl Into<String>, exit: Exit, reason: impl Into<String>) -> Self {
        Self::Done(Ending { outcome: outcome.into(), exit, reason: Some(reason.into()) })
    }
}

/// The reason why a status cannot be had.
#[derive(Debug)]
pub(crate) enum Unobserved {
    /// No later question would be answered either.
    Final(anyhow::Error),
    /// It is asked again: a worker restarts, or the server is away.
    Passing(anyhow::Error),
}

/// The last status of an environment, if there is one, and how the wait for it ended.
pub(crate) struct Waited<S> {
    pub(crate) status: Option<S>,
    /// None: the time is over.
    pub(crate) ending: Option<Ending>,
}

/// Polls until `decide` ends the wait, or the time is over.
///
/// # Errors
/// The status cannot be had, now or later.
pub(crate) async fn until<S>(
    timeout: Duration,
    mut progress: Progress,
    observe: impl AsyncFn() -> Result<Option<S>, Unobserved>,
    line: impl Fn(Option<&S>) -> String,
    mut decide: impl FnMut(Option<&S>) -> Decision,
) -> anyhow::Result<Waited<S>> {
    let end = Instant::now() + timeout;
    let mut status = None;
    loop {
        let look_until = end.max(Instant::now() + LAST_LOOK);
        let Ok(observed) = tokio::time::timeout_at(look_until.into(), observe()).await else {
            return Ok(Waited { status, ending: None });
        };
        match observed {
            Ok(now) => {
                if let Decision::Done(ending) = decide(now.as_ref()) {
                    return Ok(Waited { status: now, ending: Some(ending) });
                }
                progress.print(line(now.as_ref()));
                status = now;
            }
            Err(Unobserved::Final(error)) => return Err(error),
            Err(Unobserved::Passing(error)) => progress.print(format!("no answer yet: {error:#}")),
        }
        if Instant::now() >= end {
            return Ok(Waited { status, ending: None });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

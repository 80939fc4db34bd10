//! Waiting for an environment: polls its status until a decision ends the wait. The decisions themselves are pure, and
//! stand with the commands.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use temporalio_client::{errors::WorkflowQueryError, tonic::Code};

use crate::{exit::Exit, progress::Progress};

/// Short enough for a script, long enough for a hundred of them at once.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a command without `--timeout` asks. A worker that restarts is back by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A person who sees nothing for longer looks for the cause. The server waits up to 30 seconds for a worker.
const SLOW: Duration = Duration::from_secs(5);
const UNANSWERED: &str = "no answer yet: it comes from a worker that polls the task queue";

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

impl Unobserved {
    /// A query that failed, and what was asked.
    pub(crate) fn from_query(error: WorkflowQueryError, asking: String) -> Self {
        // A right is missing, or this `berth` cannot read the answer.
        let is_final = match &error {
            WorkflowQueryError::Rpc(status) => {
                matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented)
            }
            WorkflowQueryError::PayloadConversion(_) => true,
            _ => false,
        };
        let error = anyhow::Error::from(error).context(asking);
        if is_final { Self::Final(error) } else { Self::Passing(error) }
    }

    /// The error for a command that asks once.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Final(error) | Self::Passing(error) => error,
        }
    }
}

/// Asks until there is an answer, at most for this time. None: there is no such environment.
///
/// # Errors
/// No answer came: [`Unobserved::Passing`] if the time is over.
pub(crate) async fn answered<S, F: Future<Output = Result<Option<S>, Unobserved>>>(
    within: Duration,
    observe: impl Fn() -> F,
) -> Result<Option<S>, Unobserved> {
    let at_once = |_: Option<&S>| Decision::done("answered", Exit::Done);
    let waited = until(within, Progress::shown(), observe, |_| String::new(), at_once).await;
    let waited = waited.map_err(Unobserved::Final)?;
    match waited.trouble {
        None => Ok(waited.status),
        Some(trouble) => Err(Unobserved::Passing(trouble)),
    }
}

/// The last status of an environment, if there is one, and how the wait for it ended.
pub(crate) struct Waited<S> {
    pub(crate) status: Option<S>,
    /// None: the time is over.
    pub(crate) ending: Option<Ending>,
    /// The reason why nothing could be seen, if that was so when the time was over.
    pub(crate) trouble: Option<anyhow::Error>,
}

/// Polls until `decide` ends the wait, or the time is over.
///
/// # Errors
/// The status cannot be had, now or later.
pub(crate) async fn until<S, F: Future<Output = Result<Option<S>, Unobserved>>>(
    timeout: Duration,
    mut progress: Progress,
    // No async closure: a server needs to know that its future can change threads.
    observe: impl Fn() -> F,
    line: impl Fn(Option<&S>) -> String,
    mut decide: impl FnMut(Option<&S>) -> Decision,
) -> anyhow::Result<Waited<S>> {
    let end = Instant::now() + timeout;
    let (mut status, mut trouble) = (None, None);
    loop {
        let look_until = end.max(Instant::now() + LAST_LOOK);
        let look = Box::pin(tokio::time::timeout_at(look_until.into(), observe()));
        let Ok(observed) = progress.while_slow(SLOW, UNANSWERED, look).await else {
            let trouble = trouble
                .or_else(|| Some(anyhow!("no worker answered the query in time; does one poll the task queue?")));
            return Ok(Waited { status, ending: None, trouble });
        };
        match observed {
            Ok(now) => {
                if let Decision::Done(ending) = decide(now.as_ref()) {
                    return Ok(Waited { status: now, ending: Some(ending), trouble: None });
                }
                progress.print(line(now.as_ref()));
                (status, trouble) = (now, None);
            }
            Err(Unobserved::Final(error)) => return Err(error),
            Err(Unobserved::Passing(error)) => {
                progress.print(format!("no answer yet: {error:#}"));
                trouble = Some(error);
            }
        }
        if Instant::now() >= end {
            return Ok(Waited { status, ending: None, trouble });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use temporalio_client::tonic::Status;

    use super::*;

    async fn wait<F: Future<Output = Result<Option<u8>, Unobserved>>>(
        timeout: Duration,
        observe: impl Fn() -> F,
    ) -> anyhow::Result<Waited<u8>> {
        let decide = |status: Option<&u8>| match status {
            Some(2) => Decision::done("live", Exit::Done),
            _ => Decision::Wait,
        };
        until(timeout, Progress::shown(), observe, |_| String::new(), decide).await
    }

    #[tokio::test]
    async fn question_without_an_answer_is_asked_again() {
        let asked = Cell::new(0);
        let observe = || async {
            asked.set(asked.get() + 1);
            if asked.get() == 1 { Err(Unobserved::Passing(anyhow!("no worker"))) } else { Ok(Some(2)) }
        };
        let waited = wait(Duration::from_secs(30), observe).await.unwrap();
        assert_eq!((asked.get(), waited.status, waited.ending.unwrap().exit), (2, Some(2), Exit::Done));
    }

    #[tokio::test]
    async fn answer_is_asked_for_until_the_time_is_over() {
        let asked = Cell::new(0);
        let third = || async {
            asked.set(asked.get() + 1);
            if asked.get() < 3 { Err(Unobserved::Passing(anyhow!("no worker"))) } else { Ok(None::<u8>) }
        };
        assert_eq!(answered(Duration::from_secs(30), third).await.unwrap(), None);
        let never = || async { Err::<Option<u8>, _>(Unobserved::Passing(anyhow!("no worker"))) };
        let late = answered(Duration::ZERO, never).await;
        assert!(matches!(&late, Err(Unobserved::Passing(why)) if why.to_string() == "no worker"), "{late:?}");
        let no_right = || async { Err::<Option<u8>, _>(Unobserved::Final(anyhow!("no right"))) };
        assert!(matches!(answered(Duration::from_secs(30), no_right).await, Err(Unobserved::Final(_))));
    }

    #[tokio::test]
    async fn wait_ends_with_the_time_and_the_last_status() {
        let waited = wait(Duration::ZERO, || async { Ok(Some(1)) }).await.unwrap();
        assert!(waited.ending.is_none() && waited.trouble.is_none());
        assert_eq!(waited.status, Some(1));
        let blind = wait(Duration::ZERO, || async { Err(Unobserved::Passing(anyhow!("no worker"))) }).await.unwrap();
        assert_eq!(blind.trouble.unwrap().to_string(), "no worker");
        let refused = wait(Duration::from_secs(30), || async { Err(Unobserved::Final(anyhow!("no right"))) }).await;
        assert_eq!(refused.err().unwrap().to_string(), "no right");
    }

    #[test]
    fn query_is_asked_again_unless_a_right_is_missing() {
        for (code, is_passing) in
            [(Code::Unavailable, true), (Code::DeadlineExceeded, true), (Code::PermissionDenied, false)]
        {
            let error = WorkflowQueryError::Rpc(Status::new(code, "no"));
            let unobserved = Unobserved::from_query(error, "querying web".to_owned());
            assert_eq!(matches!(unobserved, Unobserved::Passing(_)), is_passing, "{code}");
            assert_eq!(unobserved.into_error().to_string(), "querying web");
        }
    }
}

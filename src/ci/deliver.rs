//! The delivery of a task: its message until it is taken, then questions until it has ended. A message that is sent twice changes
//! nothing more, so whatever is not answered is tried again.

use std::time::{Duration, Instant};

use super::{log::Log, task::Task, unanswered::Unanswered, way::Way};
use crate::{
    envelope::{Envelope, TIMED_OUT},
    exchange::question::{PROGRESS, Question},
    exit::Exit,
};

/// How long a message is tried. A hooks or a worker that is away for longer is down.
const TAKING: Duration = Duration::from_secs(300);
/// How long one question waits. Proxies close a connection that is silent for longer.
const WAIT: Duration = Duration::from_secs(25);

/// The time of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) begun: Instant,
    pub(super) timeout: Duration,
}

impl Time {
    fn left(self) -> Duration {
        self.timeout.saturating_sub(self.begun.elapsed())
    }
}

/// The step after the answer to a message.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The answer is the end.
    End,
    /// It goes on. A release has a number.
    Ask(Option<u64>),
}

/// Delivers a task, and answers how it ended.
///
/// # Errors
/// It is refused, or nobody answers.
pub(super) async fn deliver(way: &Way, task: &Task, time: Time, log: &mut Log) -> anyhow::Result<Envelope> {
    let taken = send(way, task, time, log).await;
    let taken = match taken {
        Ok(taken) => taken,
        Err(why) => return ended(why),
    };
    match next(task, &taken) {
        Next::End => Ok(taken),
        Next::Ask(release) => follow(way, task, task.question(release), time, log).await,
    }
}

async fn send(way: &Way, task: &Task, time: Time, log: &mut Log) -> Result<Envelope, Unanswered> {
    let bound = Time { timeout: time.timeout.min(TAKING), ..time };
    loop {
        match way.send(task).await {
            Err(Unanswered::Later(why, pause)) if bound.left() > pause => {
                log.change(&format!("not taken yet: {why:#}"));
                tokio::time::sleep(pause).await;
            }
            other => return other,
        }
    }
}

/// Asks until it has ended, or the time is over.
async fn follow(way: &Way, task: &Task, mut question: Question, time: Time, log: &mut Log) -> anyhow::Result<Envelope> {
    question.seen = Some(String::new());
    let mut last = Envelope::new(TIMED_OUT, Exit::Waiting);
    while !time.left().is_zero() {
        question.wait = Some(time.left().clamp(Duration::from_secs(1), WAIT));
        match way.ask(task, &question).await {
            Ok(answer) if answer.outcome == PROGRESS => {
                let line = answer.reason.clone().unwrap_or_default();
                log.change(&line);
                question.seen = Some(line);
                last = answer;
            }
            Ok(answer) if answer.outcome == TIMED_OUT => last = answer,
            Ok(answer) => return Ok(answer),
            Err(Unanswered::Later(why, pause)) if time.left() > pause => {
                log.change(&format!("no answer yet: {why:#}"));
                tokio::time::sleep(pause).await;
            }
            Err(why) => return ended(why),
        }
    }
    Ok(last.timed_out(time.timeout))
}

/// The end where there is no answer.
fn ended(why: Unanswered) -> anyhow::Result<Envelope> {
    match why {
        Unanswered::Refused(why) => Ok(Envelope::sentence("refused", Exit::Error, format!("{why:#}"))),
        Unanswered::Later(why, _) => Err(why),
    }
}

/// Decides what follows from the answer to a message.
fn next(task: &Task, taken: &Envelope) -> Next {
    let goes_on: &[&str] = match task {
        Task::Deploy(..) => &["sent", "live"],
        Task::Close(..) => &["closing"],
        Task::Release(..) => &["queued", "awaiting_approval", "rolling_out", "live"],
    };
    if !goes_on.contains(&taken.outcome.as_str()) {
        return Next::End;
    }
    Next::Ask(taken.data.as_ref().and_then(|data| data["release"].as_u64()))
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::{
        environment::PullRequest,
        lenient::Input as _,
        production::Production,
        signals::{Close, Push},
    };

    use super::*;

    #[test]
    fn answer_to_a_message_is_the_end_or_is_followed() {
        let push = || Push::from_json(Push::EXAMPLE.as_bytes()).unwrap();
        let deploy = Task::Deploy(PullRequest::new("web", 1), push());
        let close = Task::Close(PullRequest::new("web", 1), Close::default());
        let release = Task::Release(Production::new("web"), push());
        for (task, outcome, expected) in [
            (&deploy, "sent", Next::Ask(None)),
            (&deploy, "skipped", Next::End),
            (&deploy, "awaiting_approval", Next::End),
            (&close, "closing", Next::Ask(None)),
            (&close, "sent", Next::End),
            (&close, "not_found", Next::End),
            (&release, "queued", Next::Ask(Some(7))),
            (&release, "refused", Next::End),
            (&release, "superseded", Next::End),
        ] {
            let data = matches!(task, Task::Release(..)).then(|| serde_json::json!({"release": 7}));
            let taken = Envelope { data, ..Envelope::new(outcome, 0) };
            assert_eq!(next(task, &taken), expected, "{outcome}");
        }
    }
}

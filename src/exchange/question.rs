//! The question of a sender: what is waited for, and for how long.

use std::{collections::HashMap, time::Duration};

use berth_workflows::contract::release::Commit;

use crate::{
    envelope::{Envelope, TIMED_OUT},
    exit::Exit,
    poll::{Decision, Ending},
};

/// The longest wait of one request. Proxies close a connection that is silent for longer.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);

/// The outcome of a wait that ends with a new line of progress. The line is its reason.
pub(crate) const PROGRESS: &str = "progress";
/// The longest line of progress, in characters: it is in the address of the next request.
const MAX_LINE: usize = 300;

/// The goal of a wait for a preview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Goal {
    #[default]
    Live,
    Gone,
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) commit: Option<Commit>,
    /// The number of a release.
    pub(crate) release: Option<u64>,
    pub(crate) goal: Goal,
    /// None: the status is shown as it is.
    pub(crate) wait: Option<Duration>,
    /// The line of progress that the sender has. Another one ends the wait, too. Its push has been taken: where nothing is known
    /// of it any more, it has been overtaken or closed.
    pub(crate) seen: Option<String>,
}

impl Question {
    /// Decides about a wait: it ends also with a line of progress that the sender has not seen.
    pub(super) fn or_progress(&self, decision: Decision, line: impl FnOnce() -> String) -> Decision {
        let (Decision::Wait, Some(seen)) = (&decision, &self.seen) else { return decision };
        let line: String = line().chars().take(MAX_LINE).collect();
        if line == *seen { decision } else { Decision::because(PROGRESS, Exit::Waiting, line) }
    }

    /// Reads the parameters `commit`, `release`, `for`, `wait` and `seen`.
    ///
    /// # Errors
    /// A parameter that is unknown or wrong: a wait for something else would look like an answer.
    pub(crate) fn read(parameters: HashMap<String, String>) -> Result<Self, String> {
        let mut question = Self::default();
        for (name, value) in parameters {
            match name.as_str() {
                "commit" => question.commit = Some(Commit::try_from(value)?),
                "release" => {
                    let number = value.parse().map_err(|_| "`release` must be a number".to_owned())?;
                    question.release = Some(number);
                }
                "for" => {
                    question.goal = match value.as_str() {
                        "live" => Goal::Live,
                        "gone" => Goal::Gone,
                        _ => return Err("`for` must be live or gone".to_owned()),
                    };
                }
                "wait" => {
                    let span: Result<berth_manifests::app::Span, _> = value.parse();
                    let span = span.map_err(|_| "`wait` must be a time as 25s".to_owned())?;
                    question.wait = Some(span.as_duration().min(MAX_WAIT));
                }
                "seen" => question.seen = Some(value),
                _ => return Err("the parameters are `commit`, `release`, `for`, `wait` and `seen`".to_owned()),
            }
        }
        Ok(question)
    }
}

/// The end of a wait where there is no environment.
pub(super) fn without_status(ending: Ending, absent: Envelope) -> Envelope {
    let Ending { outcome, exit, reason } = ending;
    Envelope { outcome, exit_code: exit.code(), reason: reason.or_else(|| absent.reason.clone()), ..absent }
}

/// The answer when the time of a question is over. Its sender asks again.
pub(super) fn not_yet(envelope: Envelope, after: Duration) -> Envelope {
    let reason = format!("not done after {after:?}: ask again");
    Envelope { outcome: TIMED_OUT.to_owned(), exit_code: Exit::Waiting.code(), reason: Some(reason), ..envelope }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<Question, String> {
        Question::read(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn wait_is_bounded() {
        assert_eq!(read(&[("wait", "25s")]).unwrap().wait, Some(Duration::from_secs(25)));
        assert_eq!(read(&[("wait", "1h")]).unwrap().wait, Some(MAX_WAIT));
        assert_eq!(read(&[]).unwrap(), Question::default());
    }

    #[test]
    fn parameter_that_is_unknown_or_wrong_is_refused() {
        for parameter in [("wait", "25"), ("commit", "x"), ("release", "-1"), ("for", "ever"), ("commmit", "1234567")] {
            assert!(read(&[parameter]).is_err(), "{parameter:?}");
        }
    }

    #[test]
    fn wait_ends_with_a_line_that_was_not_seen() {
        let asked = |seen: Option<&str>, decision| {
            let question = Question { seen: seen.map(str::to_owned), ..Question::default() };
            question.or_progress(decision, || "RollingOut".to_owned())
        };
        assert_eq!(asked(None, Decision::Wait), Decision::Wait);
        assert_eq!(asked(Some("RollingOut"), Decision::Wait), Decision::Wait);
        assert_eq!(asked(Some(""), Decision::Wait), Decision::because("progress", Exit::Waiting, "RollingOut"));
        let live = || Decision::done("live", Exit::Done);
        assert_eq!(asked(Some(""), live()), live());
    }
}

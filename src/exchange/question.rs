//! The question of a sender: what is waited for, and for how long.

use std::{collections::HashMap, time::Duration};

use berth_workflows::contract::release::Commit;

use crate::{envelope::Envelope, exit::Exit};

/// The longest wait of one request. Proxies close a connection that is silent for longer.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The goal of a wait for a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Live,
    Gone,
}

/// A question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) commit: Option<Commit>,
    /// The number of a release.
    pub(crate) release: Option<u64>,
    pub(crate) goal: Goal,
    /// None: the status is shown as it is.
    pub(crate) wait: Option<Duration>,
}

impl Question {
    /// Reads the parameters `commit`, `release`, `for` and `wait`.
    ///
    /// # Errors
    /// A parameter that is unknown or wrong: a wait for something else would look like an answer.
    pub(crate) fn read(parameters: HashMap<String, String>) -> Result<Self, String> {
        let mut question = Self { commit: None, release: None, goal: Goal::Live, wait: None };
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
                _ => return Err("the parameters are `commit`, `release`, `for` and `wait`".to_owned()),
            }
        }
        Ok(question)
    }
}

/// The answer when the time of a question is over. Its sender asks again.
pub(super) fn not_yet(envelope: Envelope, after: Duration) -> Envelope {
    let reason = format!("not done after {after:?}: ask again");
    Envelope { outcome: "timed_out".to_owned(), exit_code: Exit::Waiting.code(), reason: Some(reason), ..envelope }
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
        assert_eq!(read(&[]).unwrap(), Question { commit: None, release: None, goal: Goal::Live, wait: None });
    }

    #[test]
    fn parameter_that_is_unknown_or_wrong_is_refused() {
        for parameter in [("wait", "25"), ("commit", "x"), ("release", "-1"), ("for", "ever"), ("commmit", "1234567")] {
            assert!(read(&[parameter]).is_err(), "{parameter:?}");
        }
    }
}

//! The answer of a command on standard output: one JSON object for scripts, text for people.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use berth_workflows::contract::verdict::Verdict;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::{Exit, UsageError};

/// The outcome once the time is over.
pub(crate) const TIMED_OUT: &str = "timed_out";

/// Format of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Text for people
    #[default]
    Text,
    /// A JSON object, also after an error or --timeout
    Json,
}

/// The answer of a command. The JSON object has every field that is known.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) outcome: String,
    pub(crate) exit_code: u8,
    /// The id of the environment's workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The page of the environment's own temporal-ui, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temporal_dashboard_url: Option<String>,
    /// The page of the environment's workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temporal_ui_url: Option<String>,
    /// The id of the `Rollout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rollout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// The command's own object: a status, a report, a list, the answer of an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
    /// The same for people.
    #[serde(skip)]
    pub(crate) text: String,
    /// A line on standard error, in both formats.
    #[serde(skip)]
    pub(crate) complaint: Option<String>,
}

impl Envelope {
    /// An answer with only its outcome.
    pub(crate) fn new(outcome: impl Into<String>, exit: impl Into<u8>) -> Self {
        Self {
            outcome: outcome.into(),
            exit_code: exit.into(),
            environment: None,
            commit: None,
            url: None,
            temporal_dashboard_url: None,
            temporal_ui_url: None,
            rollout: None,
            reason: None,
            verdict: None,
            data: None,
            text: String::new(),
            complaint: None,
        }
    }

    /// An answer that is one sentence.
    pub(crate) fn sentence(outcome: impl Into<String>, exit: impl Into<u8>, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { reason: Some(sentence.clone()), text: format!("{sentence}\n"), ..Self::new(outcome, exit) }
    }

    /// An error, with every cause.
    pub(crate) fn error(error: &anyhow::Error) -> Self {
        let (outcome, exit) = if error.is::<UsageError>() { ("usage", Exit::Usage) } else { ("error", Exit::Error) };
        Self::new(outcome, exit).complain(format!("{error:#}"))
    }

    /// The same, but the time is over. The worker goes on.
    pub(crate) fn timed_out(self, after: Duration) -> Self {
        let late = Self { outcome: TIMED_OUT.to_owned(), exit_code: Exit::Waiting.code(), ..self };
        late.complain(format!("not done after {after:?} (--timeout); the worker goes on"))
    }

    /// The time is over, and nothing was sent: it was not answered what there is.
    pub(crate) fn not_sent(after: Duration, trouble: &anyhow::Error) -> Self {
        let reason = format!("nothing was sent: no answer within {after:?} (--timeout): {trouble:#}");
        Self::new(TIMED_OUT, Exit::Waiting).complain(reason)
    }

    /// Adds the reason why nothing could be seen at the end of the time.
    pub(crate) fn with_trouble(self, trouble: Option<&anyhow::Error>) -> Self {
        match trouble {
            Some(trouble) => self.with_remark(&format!("the last question had no answer: {trouble:#}")),
            None => self,
        }
    }

    /// The same, with a reason that is a line on standard error too.
    pub(crate) fn complain(self, reason: String) -> Self {
        Self { complaint: Some(reason.clone()), reason: Some(reason), ..self }
    }

    /// Adds to the reason: what a person does next, or has to know.
    pub(crate) fn with_remark(mut self, remark: &str) -> Self {
        let before = self.reason.take();
        self.reason = Some(before.map_or_else(|| remark.to_owned(), |reason| format!("{reason}; {remark}")));
        match &mut self.complaint {
            Some(complaint) => *complaint += &format!("; {remark}"),
            None => self.text += &format!("- {remark}\n"),
        }
        self
    }

    /// Adds the command's own object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn with_data(mut self, data: &impl Serialize) -> anyhow::Result<Self> {
        self.data = Some(serde_json::to_value(data)?);
        Ok(self)
    }

    /// Adds to the text for people.
    pub(crate) fn with_text(mut self, write: impl FnOnce(&mut String) -> fmt::Result) -> Self {
        // Writing to a String cannot fail.
        let _ = write(&mut self.text);
        self
    }

    /// Prints the answer.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print(&self, output: Output) -> anyhow::Result<ExitCode> {
        if let Some(complaint) = &self.complaint {
            // A closed standard error changes nothing about the answer.
            let _ = writeln!(io::stderr(), "berth: {complaint}");
        }
        let mut out = io::stdout().lock();
        match output {
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(self)?)?,
            Output::Text => out.write_all(self.text.as_bytes())?,
        }
        out.flush()?;
        Ok(self.exit_code.into())
    }
}

/// Writes the parts of a verdict that its headline has not.
pub(crate) fn write_verdict(out: &mut String, verdict: &Verdict) -> fmt::Result {
    write_evidence(out, verdict)?;
    if !verdict.advice.is_empty() {
        writeln!(out, "  what to do: {}", verdict.advice)?;
    }
    Ok(())
}

/// Writes log lines and events of a verdict: a status has headline and advice already.
pub(crate) fn write_evidence(out: &mut String, verdict: &Verdict) -> fmt::Result {
    if !verdict.log_tail.is_empty() {
        writeln!(out, "  last lines of its log:")?;
        verdict.log_tail.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    if !verdict.events.is_empty() {
        writeln!(out, "  events:")?;
        verdict.events.iter().try_for_each(|event| writeln!(out, "    {event}"))?;
    }
    Ok(())
}

/// The name on the wire of a value that is a plain text there: an outcome.
pub(crate) fn wire_name(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).ok();
    json.and_then(|json| json.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `RollingOut` as `rolling_out`: outcomes have one spelling, whatever they are made of.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn json_leaves_unknown_fields_out() {
        let envelope = Envelope::sentence("sent", Exit::Done, "web has the push");
        let json = serde_json::to_value(&envelope).unwrap();
        assert_eq!(json, serde_json::json!({"outcome": "sent", "exit_code": 0, "reason": "web has the push"}));
    }

    #[test]
    fn error_and_timeout_have_an_outcome_of_their_own() {
        let error = Envelope::error(&anyhow!("no route").context("connecting to Temporal"));
        assert_eq!((error.outcome.as_str(), error.exit_code), ("error", 10));
        assert_eq!(error.reason.unwrap(), "connecting to Temporal: no route");
        let usage = Envelope::error(&UsageError("no such folder".to_owned()).into());
        assert_eq!((usage.outcome.as_str(), usage.exit_code), ("usage", 2));
        let late = Envelope::new("live", Exit::Done).timed_out(Duration::from_secs(90));
        assert_eq!((late.outcome.as_str(), late.exit_code), ("timed_out", 5));
    }

    #[test]
    fn phase_becomes_an_outcome_in_snake_case() {
        assert_eq!(["Live", "TeardownBlocked"].map(snake_case), ["live", "teardown_blocked"]);
    }
}

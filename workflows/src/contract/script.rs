//! A script run: its input, how it is shown while it runs, and its answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment, exact, lenient::Input, release::Name, run_script::RunScript, verdict::Verdict,
};

/// Time that a script may run, including its wait for a node, in seconds. A cron script that needs longer is unfit to run
/// by hand, while a person waits. The Job has the same deadline, which therefore holds without berth too.
pub const SCRIPT_SECONDS: u64 = 900;

/// The answer of the update `run_script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScriptAnswer {
    /// The script's exit code. Absent if the script did not run to its end: the verdict then has the reason.
    pub exit_code: Option<i32>,
    /// The end of its output, at most 4 KB, with secret values redacted.
    pub log_tail: String,
    /// The id of the `ScriptRun`.
    pub script_run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// The input of `ScriptRun`: run this script in that environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRunInput {
    pub environment: Environment,
    pub script: RunScript,
    /// The script run's number in its environment, from 1.
    pub number: u64,
    /// The commit that serves. The script run is found by it and by the author.
    pub commit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Name>,
    /// The stored release that serves, for a `CronJob`: its template is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_release: Option<String>,
}

impl Input for ScriptRunInput {
    const EXAMPLE: &'static str = "";

    /// Only berth writes it. A part that this version does not know would have meant something.
    fn from_json(json: &[u8]) -> Result<Self, String> {
        exact::decode(serde_json::from_slice(json).map_err(|e| e.to_string())?)
    }
}

/// The type of a script run's workflow.
pub const SCRIPT_RUN: &str = "ScriptRun";

/// The workflow id of a `ScriptRun`, from the id of its environment's workflow and its number.
pub fn script_id(environment_id: &str, number: u64) -> String {
    format!("{environment_id}-script-{number}")
}

impl ScriptRunInput {
    /// The only workflow id that may serve this input. The Job has the same name.
    pub fn workflow_id(&self) -> String {
        script_id(&self.environment.workflow_id, self.number)
    }

    /// The workflow's summary: `send-appointment-reminder for web #123`, or `CronJob nightly for web #123`.
    pub fn summary(&self) -> String {
        let Environment { app, kind, .. } = &self.environment;
        format!("{} for {app} #{}", self.script.title(), kind.pr().unwrap_or_default())
    }
}

/// A running script, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningScript {
    pub name: String,
    /// Whether it is a `CronJob` of that name, run by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cron: bool,
    /// The id of the `ScriptRun`, which is its Job's name too.
    pub script_run: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
    /// Whether it is being stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
}

impl RunningScript {
    /// Whether a request of the same kind and name has started it.
    pub fn is(&self, script: &RunScript) -> bool {
        self.cron == script.is_cron() && self.name == script.name()
    }
}

/// The end of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScriptOutcome {
    /// The script exited by itself, with success or failure.
    Ended { exit_code: i32, log_tail: String },
    /// The script could not start, or was ended from outside.
    Failed { verdict: Verdict },
}

impl From<(ScriptOutcome, String)> for ScriptAnswer {
    fn from((outcome, script_run): (ScriptOutcome, String)) -> Self {
        match outcome {
            ScriptOutcome::Ended { exit_code, log_tail } => {
                Self { exit_code: Some(exit_code), log_tail, script_run, verdict: None }
            }
            ScriptOutcome::Failed { verdict } => Self::failed(verdict, script_run),
        }
    }
}

impl ScriptAnswer {
    /// The answer for a script that did not run to its end.
    pub fn failed(verdict: Verdict, script_run: String) -> Self {
        Self { exit_code: None, log_tail: verdict.log_tail.join("\n"), script_run, verdict: Some(verdict) }
    }

    /// The end of the script, in one sentence.
    pub fn sentence(&self) -> String {
        match (self.exit_code, &self.verdict) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, Some(verdict)) => verdict.headline(),
            (None, None) => "it did not run to its end".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        environment::{EnvironmentKind, MAX_APP_BYTES, MAX_PR, is_dns_label},
        lenient::MAX_INPUT_BYTES,
    };

    #[test]
    fn longest_script_run_fits_a_job_name_and_the_input_bound() {
        let pr = MAX_PR;
        let id = format!("preview-{}-{pr}", "a".repeat(MAX_APP_BYTES));
        let mut environment = Environment::unrecorded("a".repeat(30), EnvironmentKind::Preview { pr }, id);
        environment.namespace = "n".repeat(63);
        environment.host = "h".repeat(253);
        environment.temporal_ui_host = Some("u".repeat(253));
        let json = serde_json::json!({"name": "n".repeat(100), "args": vec!["\"".repeat(255); 20]});
        let script = ScriptRunInput {
            environment,
            script: serde_json::from_value(json).unwrap(),
            number: 999_999,
            commit: "a".repeat(64),
            author: Name::try_from("n".repeat(255)).ok(),
            stored_release: Some("s".repeat(63)),
        };
        assert!(is_dns_label(&script.workflow_id()), "{}", script.workflow_id());
        let bytes = serde_json::to_vec(&script).unwrap().len();
        assert!(bytes < MAX_INPUT_BYTES, "{bytes}");
    }
}

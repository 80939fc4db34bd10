//! Request and answer of a script run. The request is checked as it is decoded, like every input from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    lenient::Input,
    release::{Name, is_harmless},
    verdict::Verdict,
};

/// Time that a script may run, including its wait for a node, in seconds. A cron script that needs longer is unfit to run
/// by hand, while a person waits. The Job has the same deadline, which therefore holds without berth too.
pub const SCRIPT_SECONDS: u64 = 900;

/// Longest name of a script. npm's own are shorter, and the name is shown in summaries and in `status`.
const MAX_SCRIPT_BYTES: usize = 100;
/// Bound on the command line, which keeps the whole input below its own bound.
const MAX_ARGUMENTS: usize = 20;
const MAX_ARGUMENT_BYTES: usize = 255;

/// The name of a script that the app file allows: letters, digits, `-`, `_`, `:` and `.`. It does not begin with `-`,
/// so it is one word of a command line and never an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_:.][A-Za-z0-9_:.-]*$", "maxLength" = MAX_SCRIPT_BYTES))]
pub struct ScriptName(String);

impl ScriptName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ScriptName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.');
        let is_name = (1..=MAX_SCRIPT_BYTES).contains(&text.len()) && text.bytes().all(is_plain);
        if is_name && !text.starts_with('-') {
            return Ok(Self(text));
        }
        Err(format!(
            "the name of a script has at most {MAX_SCRIPT_BYTES} letters, digits, `-`, `_`, `:` and `.`, and does not begin with `-`"
        ))
    }
}

impl From<ScriptName> for String {
    fn from(name: ScriptName) -> Self {
        name.0
    }
}

impl std::fmt::Display for ScriptName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An argument of a script. It becomes one word of the command, which no shell interprets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("maxLength" = MAX_ARGUMENT_BYTES))]
pub struct Argument(String);

impl Argument {
    /// The argument as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Argument {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_ARGUMENT_BYTES {
            return Err(format!("an argument has at most {MAX_ARGUMENT_BYTES} bytes, got {}", text.len()));
        }
        if !text.chars().all(is_harmless) {
            return Err("an argument has control characters".to_owned());
        }
        Ok(Self(text))
    }
}

impl From<Argument> for String {
    fn from(argument: Argument) -> Self {
        argument.0
    }
}

/// The arguments of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Argument>", into = "Vec<Argument>")]
#[schemars(with = "Vec<Argument>", extend("maxItems" = MAX_ARGUMENTS))]
pub struct Arguments(Vec<Argument>);

impl Arguments {
    /// Each argument, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Argument::as_str)
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Argument>> for Arguments {
    type Error = String;

    fn try_from(arguments: Vec<Argument>) -> Result<Self, String> {
        if arguments.len() > MAX_ARGUMENTS {
            return Err(format!("a script takes at most {MAX_ARGUMENTS} arguments, got {}", arguments.len()));
        }
        Ok(Self(arguments))
    }
}

impl From<Arguments> for Vec<Argument> {
    fn from(arguments: Arguments) -> Self {
        arguments.0
    }
}

/// Update `run_script`: run one of the app's scripts by hand, in the environment as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunScript {
    pub name: ScriptName,
    #[serde(default, skip_serializing_if = "Arguments::is_empty")]
    pub args: Arguments,
}

impl Input for RunScript {
    const EXAMPLE: &'static str = r#"{"name":"send-appointment-reminder","args":["--dry-run"]}"#;
}

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
}

impl Input for ScriptRunInput {
    const EXAMPLE: &'static str = "";
}

impl ScriptRunInput {
    /// The only workflow id that may serve this input. The Job has the same name.
    pub fn workflow_id(&self) -> String {
        format!("{}-script-{}", self.environment.workflow_id, self.number)
    }

    /// The workflow's summary: `send-appointment-reminder for web #123`.
    pub fn summary(&self) -> String {
        let Environment { app, kind, .. } = &self.environment;
        format!("{} for {app} #{}", self.script.name, kind.pr().unwrap_or_default())
    }
}

/// A running script, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningScript {
    pub name: String,
    /// The id of the `ScriptRun`, which is its Job's name too.
    pub script_run: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
    /// Whether it is being stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        environment::{EnvironmentKind, MAX_APP_BYTES, MAX_PR, is_dns_label},
        lenient::MAX_INPUT_BYTES,
    };

    fn read(json: serde_json::Value) -> Result<RunScript, String> {
        serde_json::from_value(json).map_err(|e| e.to_string())
    }

    #[test]
    fn script_decodes_only_with_a_plain_name_and_bounded_arguments() {
        let script = read(serde_json::json!({"name": "run:send_it.now", "args": ["--dry-run", "", "zwölf"]})).unwrap();
        assert_eq!((script.name.as_str(), script.args.iter().count()), ("run:send_it.now", 3));
        assert!(read(serde_json::json!({"name": "x"})).unwrap().args.is_empty());
        for (json, why) in [
            (serde_json::json!({"name": ""}), "the name of a script"),
            (serde_json::json!({"name": "a b"}), "the name of a script"),
            (serde_json::json!({"name": "a;b"}), "the name of a script"),
            (serde_json::json!({"name": "--version"}), "the name of a script"),
            (serde_json::json!({"name": "a".repeat(101)}), "the name of a script"),
            (serde_json::json!({"name": "a", "args": vec!["x"; 21]}), "at most 20 arguments"),
            (serde_json::json!({"name": "a", "args": ["x".repeat(256)]}), "at most 255 bytes"),
            (serde_json::json!({"name": "a", "args": ["\u{1b}[2J"]}), "control characters"),
            (serde_json::json!({"name": "a", "args": ["x\ny"]}), "control characters"),
            (serde_json::json!({"name": "a", "argv": []}), "unknown field"),
        ] {
            let error = read(json.clone()).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

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
            script: read(json).unwrap(),
            number: 999_999,
            commit: "a".repeat(64),
            author: Name::try_from("n".repeat(255)).ok(),
        };
        assert!(is_dns_label(&script.workflow_id()), "{}", script.workflow_id());
        let bytes = serde_json::to_vec(&script).unwrap().len();
        assert!(bytes < MAX_INPUT_BYTES, "{bytes}");
    }
}

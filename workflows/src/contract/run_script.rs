//! The request of a script run. It is checked as it is decoded, like every input from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{cron_name::CronName, lenient::Input, release::is_harmless};

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

/// Update `run_script`: run one of the app's scripts by hand, or a `CronJob` of the release that serves, in the environment
/// as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RunScriptFields", into = "RunScriptFields")]
pub enum RunScript {
    /// A script that the app file allows.
    Script { name: ScriptName, args: Arguments },
    /// A `CronJob` of the manifests. Its command is the manifests' own.
    CronJob { cron: CronName },
}

/// The same on the wire.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["name"], "not": {"required": ["cron"]}},
    {"required": ["cron"], "not": {"required": ["name"]}, "properties": {"args": {"maxItems": 0}}},
]))]
struct RunScriptFields {
    /// The script's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ScriptName")]
    name: Option<ScriptName>,
    /// The script's arguments, one word each.
    #[serde(default, skip_serializing_if = "Arguments::is_empty")]
    args: Arguments,
    /// The name of a `CronJob`, in place of name and arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CronName")]
    cron: Option<CronName>,
}

impl TryFrom<RunScriptFields> for RunScript {
    type Error = &'static str;

    fn try_from(fields: RunScriptFields) -> Result<Self, Self::Error> {
        match fields {
            RunScriptFields { name: Some(name), args, cron: None } => Ok(Self::Script { name, args }),
            RunScriptFields { name: None, args, cron: Some(cron) } if args.is_empty() => Ok(Self::CronJob { cron }),
            RunScriptFields { name: None, cron: Some(_), .. } => {
                Err("a CronJob takes no `args`: its command is in the manifests")
            }
            RunScriptFields { name: Some(_), cron: Some(_), .. } => {
                Err("`name` is a script, `cron` a CronJob: give one")
            }
            RunScriptFields { name: None, cron: None, .. } => {
                Err("missing field: `name` for a script, or `cron` for a CronJob")
            }
        }
    }
}

impl From<RunScript> for RunScriptFields {
    fn from(script: RunScript) -> Self {
        match script {
            RunScript::Script { name, args } => Self { name: Some(name), args, cron: None },
            RunScript::CronJob { cron } => Self { name: None, args: Arguments::default(), cron: Some(cron) },
        }
    }
}

impl RunScript {
    /// The name in the request.
    pub fn name(&self) -> &str {
        match self {
            Self::Script { name, .. } => name.as_str(),
            Self::CronJob { cron } => cron.as_str(),
        }
    }

    /// Whether it is a `CronJob`.
    pub fn is_cron(&self) -> bool {
        matches!(self, Self::CronJob { .. })
    }

    /// The name as it is shown to people: `CronJob nightly` for a `CronJob`.
    pub fn title(&self) -> String {
        match self {
            Self::Script { name, .. } => name.to_string(),
            Self::CronJob { cron } => format!("CronJob {}", cron.as_str()),
        }
    }
}

impl Input for RunScript {
    const EXAMPLE: &'static str = r#"{"name":"send-appointment-reminder","args":["--dry-run"]}"#;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<RunScript, String> {
        serde_json::from_value(json).map_err(|e| e.to_string())
    }

    #[test]
    fn script_decodes_only_with_a_plain_name_and_bounded_arguments() {
        let script = read(serde_json::json!({"name": "run:send_it.now", "args": ["--dry-run", "", "zwölf"]})).unwrap();
        let RunScript::Script { name, args } = script else { panic!("{script:?}") };
        assert_eq!((name.as_str(), args.iter().count()), ("run:send_it.now", 3));
        let script = read(serde_json::json!({"name": "x"})).unwrap();
        assert!(matches!(&script, RunScript::Script { args, .. } if args.is_empty()), "{script:?}");
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
    fn request_names_a_script_or_a_cron_job() {
        let cron = read(serde_json::json!({"cron": "nightly"})).unwrap();
        assert_eq!((cron.name(), cron.is_cron(), cron.title().as_str()), ("nightly", true, "CronJob nightly"));
        let script = read(serde_json::json!({"name": "nightly"})).unwrap();
        assert_eq!((script.name(), script.is_cron(), script.title().as_str()), ("nightly", false, "nightly"));
        for (json, why) in [
            (serde_json::json!({}), "missing field: `name` for a script, or `cron` for a CronJob"),
            (serde_json::json!({"args": ["x"]}), "missing field"),
            (serde_json::json!({"name": "a", "cron": "a"}), "give one"),
            (serde_json::json!({"cron": "a", "args": ["x"]}), "a CronJob takes no `args`"),
            (serde_json::json!({"cron": "A b"}), "the name of a CronJob"),
            (serde_json::json!({"cron": 7}), "invalid type"),
        ] {
            let error = read(json.clone()).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn request_has_the_same_json_after_a_round_trip() {
        for json in [
            serde_json::json!({"name": "a", "args": ["x"]}),
            serde_json::json!({"name": "a"}),
            serde_json::json!({"cron": "a"}),
        ] {
            assert_eq!(serde_json::to_value(read(json.clone()).unwrap()).unwrap(), json);
        }
    }
}

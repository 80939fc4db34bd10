//! The request of a script run. It is checked as it is decoded, like every input from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{lenient::Input, release::is_harmless};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}

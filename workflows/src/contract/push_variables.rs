//! Variables that a push brings, by their names in the app file's `push_variables`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::variable_name::{VARIABLE_NAME_PATTERN, VariableName};

/// The most variables of a push. App files have the same bound.
pub const MAX_PUSH_VARIABLES: usize = 16;
/// Longest value: a branch's name, a list of flags.
pub const MAX_VARIABLE_BYTES: usize = 128;
/// Bound on all names and values together. A release is in every status, and several times in a carried state.
const MAX_BYTES: usize = 1024;
/// Pattern for editors; [`VariableValue::try_from`] decides.
const VALUE_PATTERN: &str = "^([A-Za-z0-9_][A-Za-z0-9_.,:/@+=-]*)?$";

/// The value of a variable: at most 128 letters, digits and `_ . , : / @ + = -`, which begins with a letter, a digit or `_`, or
/// nothing. No character of it has a meaning to a shell, to YAML's structure or to an HTTP header, and it is never an option.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = VALUE_PATTERN, "maxLength" = MAX_VARIABLE_BYTES))]
pub struct VariableValue(String);

impl VariableValue {
    /// The value as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableValue {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_plain = |c: char| is_first(c) || matches!(c, '.' | ',' | ':' | '/' | '@' | '+' | '=' | '-');
        if text.len() <= MAX_VARIABLE_BYTES && text.chars().all(is_plain) && text.chars().next().is_none_or(is_first) {
            return Ok(Self(text));
        }
        // The value is not repeated: it may be a secret that was set by mistake.
        Err(format!(
            "the value of a push variable has at most {MAX_VARIABLE_BYTES} letters, digits and `_ . , : / @ + = -`, and begins \
             with a letter, a digit or `_`"
        ))
    }
}

impl From<VariableValue> for String {
    fn from(value: VariableValue) -> Self {
        value.0
    }
}

/// Variables by name. They are public: histories, `status` and plans show them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<VariableName, String>", into = "BTreeMap<VariableName, VariableValue>")]
#[schemars(with = "BTreeMap<String, VariableValue>")]
#[schemars(extend("maxProperties" = MAX_PUSH_VARIABLES, "propertyNames" = {"pattern": VARIABLE_NAME_PATTERN}))]
pub struct PushVariables(BTreeMap<VariableName, VariableValue>);

impl PushVariables {
    /// Variables by name.
    ///
    /// # Errors
    /// There are too many, or they are too long together.
    pub fn new(variables: BTreeMap<VariableName, VariableValue>) -> Result<Self, String> {
        if variables.len() > MAX_PUSH_VARIABLES {
            let got = variables.len();
            return Err(format!("variables: a push brings at most {MAX_PUSH_VARIABLES} variables, got {got}"));
        }
        let bytes: usize = variables.iter().map(|(name, value)| name.as_str().len() + value.0.len()).sum();
        if bytes > MAX_BYTES {
            return Err(format!("variables: the names and values have {bytes} bytes, the limit is {MAX_BYTES}"));
        }
        Ok(Self(variables))
    }

    /// Each name with its value, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<VariableName, String>> for PushVariables {
    type Error = String;

    fn try_from(variables: BTreeMap<VariableName, String>) -> Result<Self, String> {
        let variables = variables.into_iter().map(|(name, value)| {
            let value = VariableValue::try_from(value).map_err(|why| format!("variables: {name}: {why}"))?;
            Ok((name, value))
        });
        Self::new(variables.collect::<Result<_, String>>()?)
    }
}

impl From<PushVariables> for BTreeMap<VariableName, VariableValue> {
    fn from(variables: PushVariables) -> Self {
        variables.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decode(json: Value) -> Result<PushVariables, String> {
        serde_json::from_value(json).map_err(|why| why.to_string())
    }

    #[test]
    fn value_has_no_character_with_a_meaning_elsewhere() {
        for value in
            ["", "a,b", "feature/x", "refs/heads/main", "a=1,b=2", "4242", "_x", "1.2.3+4", "a@b:c", &"x".repeat(128)]
        {
            assert!(VariableValue::try_from(value.to_owned()).is_ok(), "{value}");
        }
        for value in [
            " ",
            "a b",
            "-rf",
            "--help",
            "/etc",
            "@file",
            "=x",
            ".",
            "a;b",
            "a|b",
            "a&b",
            "$(id)",
            "`id`",
            "a\nb",
            "a\"b",
            "a'b",
            "a\\b",
            "{a}",
            "[a]",
            "a#b",
            "a*",
            "a?",
            "~",
            "a!",
            "a%b",
            "<a>",
            "ü",
            "a\u{202e}b",
            &"x".repeat(129),
        ] {
            let refused = VariableValue::try_from(value.to_owned()).unwrap_err();
            assert!(!refused.contains("xxx"), "{refused}");
        }
    }

    #[test]
    fn variables_are_refused_beyond_each_bound() {
        let many = |count: usize, value: &str| {
            Value::from_iter((0..count).map(|number| (format!("N{number}"), Value::from(value))))
        };
        assert_eq!(decode(json!({"FLAGS": "a,b"})).unwrap().get("FLAGS"), Some("a,b"));
        assert!(decode(many(MAX_PUSH_VARIABLES, "on")).is_ok());
        for (json, expected) in [
            (many(MAX_PUSH_VARIABLES + 1, "on"), "at most 16 variables, got 17"),
            (many(MAX_PUSH_VARIABLES, &"x".repeat(100)), "the limit is 1024"),
            (json!({"FLAGS": 1}), "invalid type"),
            (json!({"FLAGS": "a b"}), "variables: FLAGS: the value of a push variable has at most 128"),
            (json!({"flags": "a"}), "capital letters"),
        ] {
            let refused = decode(json).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}

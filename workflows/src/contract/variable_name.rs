//! The name of an image or of a variable that a push brings. It is a part of a variable's name in the manifests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest name. App files have the same bound.
pub const MAX_VARIABLE_NAME_BYTES: usize = 50;
/// Pattern for editors; [`VariableName::try_from`] decides.
pub(super) const VARIABLE_NAME_PATTERN: &str = "^[A-Z][A-Z0-9_]*$";

/// A name of at most 50 capital letters, digits and `_`, which begins with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = VARIABLE_NAME_PATTERN, "maxLength" = MAX_VARIABLE_NAME_BYTES))]
pub struct VariableName(String);

impl VariableName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let is_name = text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(is_plain);
        if is_name && text.len() <= MAX_VARIABLE_NAME_BYTES {
            return Ok(Self(text));
        }
        let start: String = text.chars().take(MAX_VARIABLE_NAME_BYTES).collect();
        Err(format!(
            "{start:?} is not a name of at most {MAX_VARIABLE_NAME_BYTES} capital letters, digits and `_` that begins with a letter"
        ))
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl std::fmt::Display for VariableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_decodes_only_as_the_first_part_of_a_variable() {
        for name in ["W", "WORKER", "WORKER_2", "GITHUB_RUN_ID", &"A".repeat(50)] {
            assert!(VariableName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", "worker", "2WORKER", "_WORKER", "WORKER-2", "WÖRKER", "A B", "A\n", "$A", &"A".repeat(51)] {
            assert!(VariableName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }
}

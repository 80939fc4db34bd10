//! The name of a `CronJob` that is to run by hand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest name of a `CronJob` in Kubernetes, which appends eleven characters for each Job.
const MAX_CRON_BYTES: usize = 52;

/// The name of a `CronJob`, as in the cluster or without its prefix `$KUBE_APP-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "maxLength" = MAX_CRON_BYTES))]
pub struct CronName(String);

impl CronName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CronName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_plain = |b: u8| is_alphanumeric(b) || matches!(b, b'-' | b'.');
        let ends = [text.bytes().next(), text.bytes().last()];
        let is_name = text.len() <= MAX_CRON_BYTES && text.bytes().all(is_plain);
        if is_name && ends.into_iter().all(|end| end.is_some_and(is_alphanumeric)) {
            return Ok(Self(text));
        }
        Err(format!(
            "the name of a CronJob has at most {MAX_CRON_BYTES} lower-case letters, digits, `-` and `.`, and begins and ends \
             with a letter or digit"
        ))
    }
}

impl From<CronName> for String {
    fn from(name: CronName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_name_decodes_only_as_kubernetes_accepts_it() {
        for name in ["a", "7", "nightly", "web-pr-1-nightly", "a.b-c", &"a".repeat(52)] {
            assert!(CronName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", "-a", "a-", ".a", "a.", "A", "a_b", "a b", "a/b", "é", &"a".repeat(53)] {
            assert!(CronName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }
}

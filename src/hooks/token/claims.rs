//! The claims of a token that decide, as GitHub's jobs have them.

use berth_workflows::contract::release::Name;
use serde::{Deserialize, Deserializer, de::Error};

/// Claims about a job. Ids are compared, never names: a name can be given to another repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::hooks) struct Claims {
    /// A text, and no list: that would be a token for others too.
    pub(in crate::hooks) aud: String,
    pub(in crate::hooks) iss: String,
    #[serde(deserialize_with = "number")]
    pub(in crate::hooks) repository_id: u64,
    pub(in crate::hooks) event_name: String,
    /// The Git reference of the run: `refs/pull/123/merge`, `refs/heads/main`.
    #[serde(rename = "ref")]
    pub(in crate::hooks) reference: String,
    /// The branch that a pull request is to be merged into.
    #[serde(default)]
    pub(in crate::hooks) base_ref: Option<String>,
    /// The job's GitHub environment.
    #[serde(default)]
    pub(in crate::hooks) environment: Option<String>,
    /// The account that has started the run.
    pub(in crate::hooks) actor: Name,
    #[serde(deserialize_with = "number")]
    pub(in crate::hooks) run_id: u64,
}

/// GitHub writes ids as texts.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }
    match Id::deserialize(deserializer)? {
        Id::Number(number) => Ok(number),
        Id::Text(text) => text.parse().map_err(|_| D::Error::custom("an id is not a number")),
    }
}

#[cfg(test)]
impl Claims {
    /// Claims of a job of a pull request.
    pub(in crate::hooks) fn example() -> Self {
        Self {
            aud: String::new(),
            iss: String::new(),
            repository_id: 123_456_789,
            event_name: "pull_request".to_owned(),
            reference: "refs/pull/123/merge".to_owned(),
            base_ref: Some("main".to_owned()),
            environment: None,
            actor: Name::try_from("octocat".to_owned()).unwrap(),
            run_id: 4242,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_of_a_job_are_read_as_github_writes_them() {
        let claims = json!({
            "aud": "", "iss": "", "repository_id": "123456789", "event_name": "pull_request", "ref": "refs/pull/123/merge",
            "base_ref": "main", "actor": "octocat", "run_id": "4242", "run_attempt": "1", "sub": "repo:acme/web:pull_request",
        });
        let read: Claims = serde_json::from_value(claims.clone()).unwrap();
        assert_eq!(read, Claims::example());
        for (field, value) in [
            ("aud", json!(["https://hooks.example.com", "https://other.example.com"])),
            ("repository_id", json!("web")),
            ("repository_id", json!(-1)),
            ("run_id", json!("")),
            ("actor", json!("octo\u{1b}cat")),
            ("ref", json!(null)),
        ] {
            let mut changed = claims.clone();
            changed[field] = value;
            assert!(serde_json::from_value::<Claims>(changed).is_err(), "{field}");
        }
    }
}

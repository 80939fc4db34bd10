//! Whose environment it is and what was made for it: the words that workflows and activities share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{lenient::Input, timings::Timings};

/// The longest app name: it becomes part of namespaces, host names and labels, which end at 63 characters.
pub const MAX_APP_BYTES: usize = 30;

/// The input of `PreviewEnvironment`: which pull request it is the mailbox of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// The app's name, a DNS label of at most 30 characters.
    #[schemars(length(max = 30), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub app: String,
    /// The pull request's number, from 1.
    #[schemars(range(min = 1, max = MAX_PR))]
    pub pr: u64,
    /// How long things may take. Tests shorten them.
    #[serde(default, skip_serializing_if = "Timings::is_default")]
    pub timings: Timings,
    /// What continue-as-new carries over. Honoured only where the server says that this run continues another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub carried: Option<serde_json::Value>,
}

impl Input for PullRequest {
    const EXAMPLE: &'static str = r#"{"app":"web","pr":123}"#;
}

impl PullRequest {
    /// A pull request with the usual timings.
    pub fn new(app: impl Into<String>, pr: u64) -> Self {
        Self { app: app.into(), pr, timings: Timings::default(), carried: None }
    }

    /// The only workflow id under which this input is served: two mailboxes for one environment must be impossible.
    pub fn workflow_id(&self) -> String {
        format!("preview-{}-{}", self.app, self.pr)
    }

    /// Refuses names that could not become a namespace, a label or a host.
    pub fn check(&self) -> Result<(), String> {
        if !is_dns_label(&self.app) || self.app.len() > MAX_APP_BYTES {
            return Err(format!("app must be a DNS label of at most {MAX_APP_BYTES} characters, got {:?}", self.app));
        }
        if self.pr == 0 || self.pr > MAX_PR {
            return Err(format!("pr must be from 1 to {MAX_PR}, got {}", self.pr));
        }
        self.timings.check()
    }
}

/// GitHub's numbers are far below; ten digits leave room in every name that is built from one.
pub const MAX_PR: u64 = 9_999_999_999;

/// Whether a text is a DNS label as RFC 1123 has it: what Kubernetes takes as a namespace's name.
pub fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What an environment is called, settled before anything of it is made and used until all of it is gone: an edited
/// or deleted app file never redirects a teardown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub app: String,
    /// `pr` on the wire.
    #[serde(rename = "pr")]
    pub kind: EnvironmentKind,
    /// The id of the workflow that alone may write to it: the namespace's label `berth.dev/workflow`.
    pub workflow_id: String,
    pub namespace: String,
    pub host: String,
    /// temporal-ui's host name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui_host: Option<String>,
    /// The namespace's UID once it has been made, for whoever compares. What is removed is known by its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    /// Objects outside every namespace that were made for it, or were about to be: at most
    /// [`Environment::MAX_CLUSTER_OBJECTS`]. What else carries its label is found by that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// Its database, if it has one that berth sees to. Production never has: its database is Doppler's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// `http` or `https`: how its hosts are reached.
    pub scheme: String,
}

/// The kind of an environment. On the wire it is the pull request's number, or null for production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(from = "Option<u64>", into = "Option<u64>")]
#[strum(serialize_all = "lowercase")]
pub enum EnvironmentKind {
    /// The environment of this pull request.
    Preview {
        pr: u64,
    },
    Production,
}

impl EnvironmentKind {
    /// `preview` or `production`: the search attribute `BerthEnvironment`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The pull request's number, if it is a preview.
    pub fn pr(self) -> Option<u64> {
        match self {
            Self::Preview { pr } => Some(pr),
            Self::Production => None,
        }
    }
}

impl From<Option<u64>> for EnvironmentKind {
    fn from(pr: Option<u64>) -> Self {
        pr.map_or(Self::Production, |pr| Self::Preview { pr })
    }
}

impl From<EnvironmentKind> for Option<u64> {
    fn from(kind: EnvironmentKind) -> Self {
        kind.pr()
    }
}

/// The database of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Database {
    /// A role and databases of its own, which go with it.
    Isolated {
        /// The server, as the worker's `--database-servers` file calls it.
        server: String,
        /// What the role and the app's database are called.
        name: String,
    },
    /// Whatever Doppler's credentials lead to: neither made nor dropped.
    Shared {
        /// The server, as the app file says.
        server: String,
    },
}

impl Environment {
    /// They travel with every activity's input, and over continue-as-new.
    pub const MAX_CLUSTER_OBJECTS: usize = 12;

    /// An environment that no run has recorded: known only by the label of its workflow.
    pub fn unrecorded(app: impl Into<String>, kind: EnvironmentKind, workflow_id: impl Into<String>) -> Self {
        Self {
            app: app.into(),
            kind,
            workflow_id: workflow_id.into(),
            namespace: String::new(),
            host: String::new(),
            temporal_ui_host: None,
            namespace_uid: None,
            cluster_objects: Vec::new(),
            database: None,
            scheme: String::new(),
        }
    }

    /// The name and the server of its own databases, if it has such.
    pub fn isolated_database(&self) -> Option<(&str, &str)> {
        match &self.database {
            Some(Database::Isolated { server, name }) => Some((name, server)),
            Some(Database::Shared { .. }) | None => None,
        }
    }

    /// Writes down objects outside every namespace. Where there are too many the oldest are left to their label.
    pub fn record_cluster_objects(&mut self, objects: impl IntoIterator<Item = ClusterObject>) {
        for object in objects {
            if !self.cluster_objects.contains(&object) {
                self.cluster_objects.push(object);
            }
        }
        let excess = self.cluster_objects.len().saturating_sub(Self::MAX_CLUSTER_OBJECTS);
        self.cluster_objects.drain(..excess);
    }

    /// Where the app answers.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// Where the environment's own temporal-ui answers, if it does.
    pub fn temporal_ui_url(&self) -> Option<String> {
        self.temporal_ui_host.as_ref().map(|host| format!("{}://{host}", self.scheme))
    }
}

/// An object outside every namespace that an environment owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterObject {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_is_served_under_the_id_derived_from_it() {
        let input: PullRequest = serde_json::from_str(r#"{"app":"web","pr":123}"#).unwrap();
        assert_eq!(input.workflow_id(), "preview-web-123");
        assert_eq!(input.check(), Ok(()));
    }

    #[test]
    fn an_app_or_number_that_could_not_become_a_name_is_refused() {
        for (app, pr) in [("", 1), ("Web", 1), ("-web", 1), ("web.x", 1), (&*"a".repeat(31), 1), ("web", 0)] {
            assert!(PullRequest::new(app, pr).check().is_err(), "{app} {pr} should be refused");
        }
    }

    #[test]
    fn of_too_many_cluster_objects_the_newest_are_written_down_and_each_once() {
        let object = |n: usize| ClusterObject {
            api_version: "scheduling.k8s.io/v1".into(),
            kind: "PriorityClass".into(),
            name: format!("web-pr-1-{n}"),
        };
        let mut environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
        environment.record_cluster_objects((0..100).map(object));
        environment.record_cluster_objects([object(99)]);
        assert_eq!(environment.cluster_objects.len(), Environment::MAX_CLUSTER_OBJECTS);
        assert_eq!(environment.cluster_objects.last(), Some(&object(99)));
    }

    #[test]
    fn kind_is_the_pull_request_or_null_on_the_wire() {
        let production = Environment::unrecorded("web", EnvironmentKind::Production, "production-web");
        let preview = Environment { kind: EnvironmentKind::Preview { pr: 7 }, ..production.clone() };
        for (environment, pr) in [(preview, serde_json::json!(7)), (production.clone(), serde_json::Value::Null)] {
            let json = serde_json::to_value(&environment).unwrap();
            assert_eq!(json["pr"], pr);
            assert_eq!(environment.kind.name(), if pr.is_null() { "production" } else { "preview" });
            assert_eq!(serde_json::from_value::<Environment>(json).unwrap(), environment);
        }
        let mut json = serde_json::to_value(&production).unwrap();
        json.as_object_mut().unwrap().remove("pr");
        assert_eq!(serde_json::from_value::<Environment>(json).unwrap(), production, "absent is null");
    }

    #[test]
    fn an_unknown_field_of_the_input_is_an_error_that_names_it() {
        let error = serde_json::from_str::<PullRequest>(r#"{"app":"web","pr":1,"nr":2}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `nr`"), "{error}");
    }
}

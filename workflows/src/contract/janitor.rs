//! The `Janitor` of an app: its input, the environments that it looks at, and its findings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    carrying::CarriesState, environment::check_app, lenient::Input, number, pull_request_list::ListedPullRequest,
};

/// The type of the workflow.
pub const JANITOR: &str = "Janitor";

/// The only workflow id of an app's `Janitor`.
pub fn janitor_id(app: &str) -> String {
    format!("janitor-{app}")
}

/// The input of the workflow `Janitor`: an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JanitorInput {
    /// The app's name, a DNS label of at most 30 characters.
    #[schemars(length(max = 30), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub app: String,
    /// Time limits. Tests shorten them.
    #[serde(default, skip_serializing_if = "JanitorTimings::is_default")]
    pub timings: JanitorTimings,
    /// State that continue-as-new carries over. Honoured only if the server reports that this run continues another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub carried: Option<serde_json::Value>,
}

/// Time limits of a `Janitor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JanitorTimings {
    /// The least time in seconds between the first look that sees a pull request closed and the one that closes its
    /// environment.
    #[serde(deserialize_with = "number::read")]
    pub confirm_seconds: u64,
    /// Number of history events at which a run continues as new, if the server has not suggested it before.
    #[serde(deserialize_with = "number::read")]
    pub history_events: u32,
}

impl Default for JanitorTimings {
    fn default() -> Self {
        Self {
            confirm_seconds: 600,
            history_events: 4096, // where the server begins to suggest it
        }
    }
}

impl JanitorTimings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self) -> Result<(), String> {
        let Self { confirm_seconds: seconds, history_events: events } = self;
        if !(1..=86_400).contains(seconds) {
            return Err(format!("timings.confirm_seconds must be from 1 to 86400, got {seconds}"));
        }
        // Below it a run would continue as new before it had done anything, for ever.
        if *events < 32 {
            return Err(format!("timings.history_events must be at least 32, got {events}"));
        }
        Ok(())
    }
}

impl Input for JanitorInput {
    const EXAMPLE: &'static str = r#"{"app":"web"}"#;
}

impl CarriesState for JanitorInput {
    fn take_carried(&mut self) -> Option<serde_json::Value> {
        self.carried.take()
    }

    fn check_names(&self) -> Result<(), String> {
        check_app(&self.app)
    }

    fn check(&self) -> Result<(), String> {
        self.check_names()?;
        self.timings.check()
    }
}

impl JanitorInput {
    /// The `Janitor` of an app, with the default timings.
    pub fn new(app: impl Into<String>) -> Self {
        Self { app: app.into(), timings: JanitorTimings::default(), carried: None }
    }
}

/// The input of `list_environments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEnvironmentsInput {
    pub app: String,
}

/// The result of `list_environments`: the parts of an app's previews.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedEnvironments {
    pub workflows: Vec<ListedWorkflow>,
    /// None: they could not all be seen, so that a missing one says nothing.
    #[serde(default)]
    pub namespaces: Option<Vec<ListedPart>>,
    /// None: they could not all be seen.
    #[serde(default)]
    pub databases: Option<Vec<ListedPart>>,
    /// Places that could not be looked at, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
    /// The time from this look to the next one, as the worker's flag says.
    pub interval_seconds: u64,
}

/// A running workflow of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedWorkflow {
    pub pr: u64,
    pub run_id: String,
    /// Its search attribute `BerthPhase`.
    #[serde(default)]
    pub phase: String,
}

/// A namespace, or a role with its databases, that carries the mark of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPart {
    /// `Namespace/pr-7`, or `Role/web_pr_7 on previews`.
    pub object: String,
    /// The pull request whose workflow it names as its owner.
    pub pr: u64,
}

/// The input of `send_facts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendFactsInput {
    pub app: String,
    pub pull_requests: Vec<ListedPullRequest>,
}

/// The result of `send_facts`: the numbers of the pull requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentFacts {
    /// The environment had other facts, and has these now.
    pub sent: Vec<u64>,
    /// The environment has them already, or newer ones.
    pub known: Vec<u64>,
    /// The environment does not answer, or has ended.
    pub failed: Vec<u64>,
}

/// The input of `report_findings`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFindingsInput {
    pub app: String,
    /// Pull requests whose environment was closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<u64>,
    /// Pull requests whose facts were lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl ReportFindingsInput {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.sent.is_empty() && self.findings.is_empty()
    }
}

/// The result of `report_findings`: how many there are of each kind, for the worker's metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingsReported {
    pub app: String,
    pub closed: u64,
    pub sent: u64,
    /// The number of findings by the name of their kind.
    pub findings: BTreeMap<String, u64>,
}

/// Something that does not fit. A person has to look at it: the `Janitor` deletes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub kind: FindingKind,
    /// The object: `Namespace/pr-7 of preview-web-7`.
    pub object: String,
    /// Unix time in milliseconds of the first look that found it.
    pub since_ms: u64,
}

/// The kind of a finding.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FindingKind {
    /// Its workflow does not run: it was terminated, or somebody has copied a label.
    NamespaceWithoutWorkflow,
    /// Its workflow does not run.
    DatabaseWithoutWorkflow,
    /// The workflow is live, and nothing carries its label.
    WorkflowWithoutNamespace,
    /// GitHub has no pull request of that number.
    WorkflowWithoutPullRequest,
    /// A kind of a newer berth.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl FindingKind {
    /// All kinds of this version.
    pub const ALL: [Self; 4] = [
        Self::NamespaceWithoutWorkflow,
        Self::DatabaseWithoutWorkflow,
        Self::WorkflowWithoutNamespace,
        Self::WorkflowWithoutPullRequest,
    ];

    /// The stable name, as on the wire.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The answer of the query `status` of a `Janitor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JanitorStatus {
    pub app: String,
    /// How often it has looked.
    pub looks: u64,
    /// Unix time in milliseconds of the last look.
    pub looked_ms: u64,
    /// The number of running previews at the last look.
    pub environments: usize,
    /// Pull requests that GitHub calls closed and whose environments run: closed after a second look.
    pub closing: Vec<JanitorDeed>,
    /// The last environments that it has closed, oldest first.
    pub closed: Vec<JanitorDeed>,
    /// The last pull requests whose facts were lost and sent again, oldest first.
    pub sent: Vec<JanitorDeed>,
    /// Parts that do not fit.
    pub findings: Vec<Finding>,
    /// Places that the last look did not see, each with the reason.
    pub unseen: Vec<String>,
    /// The reason why the last look was not whole.
    pub trouble: Option<String>,
}

/// A pull request, and the time at which something was seen of it or done for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JanitorDeed {
    pub pull_request: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
}

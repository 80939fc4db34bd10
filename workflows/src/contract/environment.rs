//! Identity of an environment and the objects made for it, shared by workflows and activities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{carrying::CarriesState, lenient::Input, number, timings::StartTimings};

/// Longest app name. It becomes part of namespaces, host names and labels, which have at most 63 characters.
pub const MAX_APP_BYTES: usize = 30;

/// Longest name of an object in Kubernetes.
pub const MAX_NAME_BYTES: usize = 253;

/// The input of the workflow `PreviewEnvironment`: a pull request of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// The app's name, a DNS label of at most 30 characters.
    #[schemars(length(max = 30), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub app: String,
    /// The pull request's number, from 1.
    #[serde(deserialize_with = "number::read")]
    #[schemars(range(min = 1, max = MAX_PR))]
    pub pr: u64,
    /// Time limits in place of the app file's. Default: the app file's.
    #[serde(default, skip_serializing_if = "StartTimings::is_default")]
    pub timings: StartTimings,
    /// State that continue-as-new carries over. Honoured only if the server reports that this run continues another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub carried: Option<serde_json::Value>,
}

impl Input for PullRequest {
    const EXAMPLE: &'static str = r#"{"app":"web","pr":123}"#;
}

impl CarriesState for PullRequest {
    fn take_carried(&mut self) -> Option<serde_json::Value> {
        self.carried.take()
    }

    fn check_names(&self) -> Result<(), String> {
        check_app(&self.app)?;
        check_pr(self.pr)
    }

    fn check(&self) -> Result<(), String> {
        Self::check(self)
    }
}

impl PullRequest {
    /// A pull request with the default timings.
    pub fn new(app: impl Into<String>, pr: u64) -> Self {
        Self { app: app.into(), pr, timings: StartTimings::default(), carried: None }
    }

    /// The only workflow id that may serve this input: an environment must never have two mailboxes.
    pub fn workflow_id(&self) -> String {
        EnvironmentKind::Preview { pr: self.pr }.workflow_id(&self.app)
    }

    /// Checks that the names can become a namespace, a label and a host, and that the timings are within their bounds.
    ///
    /// # Errors
    /// A message that names the field, its bounds and its value.
    pub fn check(&self) -> Result<(), String> {
        self.check_names()?;
        self.timings.check()
    }
}

/// Checks that an app's name can become a namespace, a label and a host.
pub(super) fn check_app(app: &str) -> Result<(), String> {
    if is_dns_label(app) && app.len() <= MAX_APP_BYTES {
        return Ok(());
    }
    Err(format!("app must be a DNS label of at most {MAX_APP_BYTES} characters, got {app:?}"))
}

fn check_pr(pr: u64) -> Result<(), String> {
    if (1..=MAX_PR).contains(&pr) { Ok(()) } else { Err(format!("pr must be from 1 to {MAX_PR}, got {pr}")) }
}

/// Highest pull request number. GitHub's are far below; ten digits leave room in every name that is built from one.
pub const MAX_PR: u64 = 9_999_999_999;

/// Whether a text is a DNS label of RFC 1123, which Kubernetes accepts as a namespace's name.
pub fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Names of an environment, fixed before its first object is made and used until the last one is gone. An edited or
/// deleted app file therefore never redirects a teardown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub app: String,
    /// Named `pr` on the wire.
    #[serde(rename = "pr")]
    pub kind: EnvironmentKind,
    /// The id of the only workflow that may write to it: the namespace's label `berth.dev/workflow`.
    pub workflow_id: String,
    pub namespace: String,
    pub host: String,
    /// The host name of temporal-ui, if the environment has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui_host: Option<String>,
    /// The namespace's UID once it exists, for comparison. A teardown finds the objects to remove by their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    /// Cluster-scoped objects that were made for it, or were about to be: at most
    /// [`Environment::MAX_CLUSTER_OBJECTS`]. Any others are found by their label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// Its database, if the app file declares one. Never set in production: its database is known to Doppler only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// The scheme of its URLs: `http` or `https`.
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

    /// The type of the only workflow that may serve such an environment.
    pub fn workflow_type(self) -> &'static str {
        match self {
            Self::Preview { .. } => "PreviewEnvironment",
            Self::Production => "ProductionEnvironment",
        }
    }

    /// The id of the only workflow that may serve the app's environment of this kind.
    pub fn workflow_id(self, app: &str) -> String {
        match self {
            Self::Preview { pr } => format!("preview-{app}-{pr}"),
            Self::Production => format!("production-{app}"),
        }
    }

    /// The kind of the app's environment whose workflow has this id, if one can have it. A number has one spelling.
    pub fn from_workflow_id(app: &str, workflow_id: &str) -> Option<Self> {
        let pr = workflow_id.strip_prefix(&format!("preview-{app}-")).and_then(|number| number.parse().ok());
        let kind = Self::from(pr);
        (kind.workflow_id(app) == workflow_id).then_some(kind)
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
    /// A role and databases of the environment's own, dropped with it.
    Isolated {
        /// The server's name in the worker's `--database-servers` file.
        server: String,
        /// The name of the role and of the app's database.
        name: String,
    },
    /// The database that Doppler's credentials lead to. berth neither makes nor drops it.
    Shared {
        /// The server's name in the app file.
        server: String,
    },
}

impl Database {
    /// The server's name.
    pub fn server(&self) -> &str {
        match self {
            Self::Isolated { server, .. } | Self::Shared { server } => server,
        }
    }
}

impl Environment {
    /// Bound on the recorded cluster objects: they are part of every activity's input and of continue-as-new's.
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

    /// Checks that app and pull request are valid, and that the workflow id is the one that follows from them.
    ///
    /// # Errors
    /// A message that names the field and its value.
    pub fn check_identity(&self) -> Result<(), String> {
        check_app(&self.app)?;
        self.kind.pr().map_or(Ok(()), check_pr)?;
        let expected = self.kind.workflow_id(&self.app);
        if self.workflow_id == expected {
            return Ok(());
        }
        Err(format!("workflow_id must be {expected}, got {:?}", self.workflow_id))
    }

    /// The value of `$KUBE_APP`, with which a team's manifests begin their names.
    pub fn unique_name(&self) -> String {
        match self.kind {
            EnvironmentKind::Preview { pr } => format!("{}-pr-{pr}", self.app),
            EnvironmentKind::Production => self.app.clone(),
        }
    }

    /// Name and server of its isolated databases, if it has any.
    pub fn isolated_database(&self) -> Option<(&str, &str)> {
        match &self.database {
            Some(Database::Isolated { server, name }) => Some((name, server)),
            Some(Database::Shared { .. }) | None => None,
        }
    }

    /// Records cluster-scoped objects. The oldest beyond the bound are dropped: their label still finds them. An object whose
    /// name is longer than any in Kubernetes is not recorded.
    pub fn record_cluster_objects(&mut self, objects: impl IntoIterator<Item = ClusterObject>) {
        for object in objects.into_iter().filter(ClusterObject::can_exist) {
            if !self.cluster_objects.contains(&object) {
                self.cluster_objects.push(object);
            }
        }
        let excess = self.cluster_objects.len().saturating_sub(Self::MAX_CLUSTER_OBJECTS);
        self.cluster_objects.drain(..excess);
    }

    /// The app's URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// The URL of the environment's temporal-ui, if it has one.
    pub fn temporal_ui_url(&self) -> Option<String> {
        self.temporal_ui_host.as_ref().map(|host| format!("{}://{host}", self.scheme))
    }
}

/// A cluster-scoped object that an environment owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterObject {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

impl ClusterObject {
    fn can_exist(&self) -> bool {
        [&self.api_version, &self.kind, &self.name].iter().all(|text| text.len() <= MAX_NAME_BYTES)
    }
}

#[cfg(test)]
mod tests;

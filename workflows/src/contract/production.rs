//! Production: the input of its workflow, and the messages that it takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    carrying::CarriesState,
    environment::{EnvironmentKind, check_app},
    lenient::Input,
    number,
    proof::Proof,
    release::Name,
    timings::StartTimings,
};

/// The input of the workflow `ProductionEnvironment`: an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Production {
    /// The app's name, a DNS label of at most 30 characters.
    #[schemars(length(max = 30), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub app: String,
    /// Time limits in place of the app file's. Default: the app file's.
    #[serde(default, skip_serializing_if = "StartTimings::is_default")]
    pub timings: StartTimings,
    /// State that continue-as-new carries over. Honoured only if the server reports that this run continues another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub carried: Option<serde_json::Value>,
}

impl Input for Production {
    const EXAMPLE: &'static str = r#"{"app":"web"}"#;
}

impl CarriesState for Production {
    fn take_carried(&mut self) -> Option<serde_json::Value> {
        self.carried.take()
    }

    fn check_names(&self) -> Result<(), String> {
        check_app(&self.app)
    }

    fn check(&self) -> Result<(), String> {
        Self::check(self)
    }
}

impl Production {
    /// Production of an app, with the default timings.
    pub fn new(app: impl Into<String>) -> Self {
        Self { app: app.into(), timings: StartTimings::default(), carried: None }
    }

    /// The only workflow id that may serve this input.
    pub fn workflow_id(&self) -> String {
        EnvironmentKind::Production.workflow_id(&self.app)
    }

    /// Checks that the name can become a label, and that the timings are within their bounds.
    ///
    /// # Errors
    /// A message that names the field, its bounds and its value.
    pub fn check(&self) -> Result<(), String> {
        self.check_names()?;
        self.timings.check()
    }
}

/// Signal and update `approve`: the release may be rolled out as that plan says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRelease {
    /// The release's number.
    #[serde(deserialize_with = "number::read")]
    pub release: u64,
    /// The plan's id. A plan that has changed meanwhile is not approved.
    #[schemars(length(max = 64))]
    pub plan: String,
    /// The person who approves. It is a claim unless the proof holds.
    pub by: Name,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for ApproveRelease {
    const EXAMPLE: &'static str = r#"{"release":7,"plan":"0123456789abcdef","by":"octocat"}"#;
}

/// Signal and update `reject`: the release that waits is not rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectRelease {
    /// The release's number.
    #[serde(deserialize_with = "number::read")]
    pub release: u64,
    /// The person who rejects. It is a claim unless the proof holds.
    pub by: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for RejectRelease {
    const EXAMPLE: &'static str = r#"{"release":7,"by":"octocat","reason":"wait for Monday"}"#;
}

/// Signal and update `rollback`: an earlier release serves again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The number of a stored release. Default: the last one before what serves that was live, and whose images or manifests
    /// differ from it.
    #[serde(default, deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The person who rolls back. It is a claim unless the proof holds.
    pub by: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// The secrets to run with. Default: the stored ones for the release that served directly before, else the current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsChoice>,
    /// Whether queued releases go on afterwards. By default they are frozen: the next merge contains the bad commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_going: bool,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for Rollback {
    const EXAMPLE: &'static str = r#"{"to":6,"by":"octocat","reason":"checkout is broken"}"#;
}

/// The secrets that a rollback runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretsChoice {
    /// Secrets that the release ran with.
    Stored,
    /// Doppler's, as they are now.
    Current,
}

/// Signal and update `freeze`: releases keep arriving, and none begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub reason: Name,
    /// The person who freezes. It is a claim unless the proof holds.
    pub by: Name,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for Freeze {
    const EXAMPLE: &'static str = r#"{"reason":"incident 42","by":"octocat"}"#;
}

/// Signal and update `unfreeze`: the newest queued release goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// The person who unfreezes. It is a claim unless the proof holds.
    pub by: Name,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for Unfreeze {
    const EXAMPLE: &'static str = r#"{"by":"octocat"}"#;
}

//! The app file's settings of production.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gate, Isolation};

/// The largest number of releases that an app keeps. Each is a Secret or several, beside the Secret that it runs with.
pub(super) const MAX_KEPT_RELEASES: u32 = 100;

/// The longest name of a branch or of a GitHub environment.
pub(super) const MAX_NAME: usize = 255;

/// The production environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductionSettings {
    /// The namespace's name.
    pub namespace: String,
    /// The host name of the web app.
    pub host: String,
    /// The host name of temporal-ui. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui_host: Option<String>,
    /// Further variables of this environment. They win over the app's own `variables`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// The branch whose jobs may release through `berth hooks`.
    #[serde(default = "default_branch", skip_serializing_if = "is_default_branch")]
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub branch: String,
    /// The GitHub environment that such a job must have, so that its required reviewers count.
    #[serde(default = "default_environment", skip_serializing_if = "is_default_environment")]
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub environment: String,
    /// Whether a release waits for a person's approval.
    #[serde(default)]
    pub approval: Approval,
    /// The approvals that count.
    #[serde(default, skip_serializing_if = "Approvers::is_default")]
    pub approvers: Approvers,
    /// Checks that must pass before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// The number of proven releases that are kept for a rollback, with their secrets.
    #[serde(default = "default_keep_releases")]
    #[schemars(range(min = 1, max = MAX_KEPT_RELEASES))]
    pub keep_releases: u32,
    /// Isolation of the pods from the node and the network. It comes and goes with a release. Traffic from other namespaces is
    /// then refused, except from the ingress controller's. Default: none. The `NetworkPolicy` objects and the Pod Security
    /// label of the namespace are then the team's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
}

fn default_keep_releases() -> u32 {
    10
}

fn default_branch() -> String {
    "main".to_owned()
}

fn is_default_branch(branch: &str) -> bool {
    branch == default_branch()
}

fn default_environment() -> String {
    "production".to_owned()
}

fn is_default_environment(environment: &str) -> bool {
    environment == default_environment()
}

/// Whether a release waits for a person's approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The release rolls out at once.
    #[default]
    None,
    /// The release waits for the signal `approve`.
    Required,
}

/// The approvals that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approvers {
    /// Everybody who may write to berth's Temporal namespace.
    #[default]
    Claimed,
    /// Only those whose approval `berth hooks` has signed.
    Proved,
}

impl Approvers {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

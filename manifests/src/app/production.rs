//! The app file's settings of production.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Gate;

/// The production environment. Not in force yet: nothing is released to it.
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
    /// Whether a release waits for a person's approval.
    #[serde(default)]
    pub approval: Approval,
    /// Checks that must pass before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
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

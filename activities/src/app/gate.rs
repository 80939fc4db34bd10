//! What must hold, beyond ready pods, before a rollout counts as done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::manifests::{Variables, substitute};

/// A check that must hold before a rollout counts as done. Exactly one kind of check is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What people read when it fails.
    #[schemars(length(min = 1))]
    pub name: String,
    /// An HTTP request to a ready pod of the new release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGate>,
    /// How long it may take to come true.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
}

/// An HTTP request and the answer that it must get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpGate {
    /// The workload whose pod is asked; with variables, as `$KUBE_APP-deployment`.
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The pod's port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// What is asked for; with variables.
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// The status that the answer must have.
    #[serde(default = "default_status")]
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// A text that the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Gate {
    /// The gate with its variables replaced.
    pub fn rendered(&self, variables: &Variables) -> Self {
        Self { http: self.http.as_ref().map(|http| http.rendered(variables)), ..self.clone() }
    }
}

impl HttpGate {
    /// The gate with its variables replaced: a team's workloads are called `$KUBE_APP-deployment`.
    pub fn rendered(&self, variables: &Variables) -> Self {
        Self {
            workload: substitute(&self.workload, variables),
            path: substitute(&self.path, variables),
            ..self.clone()
        }
    }
}

fn default_deadline() -> Span {
    Span::seconds(60)
}

fn default_status() -> u16 {
    200
}

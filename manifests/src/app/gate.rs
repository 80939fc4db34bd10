//! What must hold, beyond ready pods, before a rollout counts as done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Span;
use crate::render::{Variables, substitute};

/// A check that must hold before a rollout counts as done. Exactly one kind of check is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["http"]}, {"required": ["temporal_server"]}, {"required": ["temporal_poller"]},
    {"required": ["temporal_workflow"]},
]))]
pub struct Gate {
    /// What people read when it fails.
    #[schemars(length(min = 1))]
    pub name: String,
    /// An HTTP request to a ready pod of the new release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGate>,
    /// The Temporal server is healthy, and a workflow that it is given is accepted, scheduled and ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server: Option<TemporalServerGate>,
    /// A worker polls a task queue, for workflows and for activities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_poller: Option<TemporalPollerGate>,
    /// A workflow of the app's own ends well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_workflow: Option<TemporalWorkflowGate>,
    /// How long it may take to come true.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
}

/// What a gate checks.
#[derive(Clone, Copy, Debug)]
pub enum GateKind<'a> {
    Http(&'a HttpGate),
    TemporalServer(&'a TemporalServerGate),
    TemporalPoller(&'a TemporalPollerGate),
    TemporalWorkflow(&'a TemporalWorkflowGate),
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

/// A Temporal server that has to do something: one that says that it serves may have lost its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalServerGate {
    /// The workload with the server, asked through a ready pod of the new release; with variables. Where Doppler has a
    /// `TEMPORAL_SERVER_ADDRESS`, the server at that address is asked instead.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The pod's port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The namespace of Temporal.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
}

/// A task queue that a worker has to poll, for workflow tasks and for activity tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalPollerGate {
    /// The workload with the server, asked through a ready pod of the new release; with variables. Where Doppler has a
    /// `TEMPORAL_SERVER_ADDRESS`, the server at that address is asked instead.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The pod's port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The namespace of Temporal.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// The task queue; with variables, as `$KUBE_APP`.
    #[schemars(length(min = 1))]
    pub task_queue: String,
    /// The workload with the worker, whose log is shown when nobody polls; with variables. Left out: `workload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub worker_workload: Option<String>,
    /// The worker's container. Left out: the one with `worker` in its name, or the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub worker_container: Option<String>,
}

/// A workflow of the app's own, started once in each rollout, and the result that it must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalWorkflowGate {
    /// The workload with the server, asked through a ready pod of the new release; with variables. Where Doppler has a
    /// `TEMPORAL_SERVER_ADDRESS`, the server at that address is asked instead.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The pod's port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The namespace of Temporal.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// The task queue; with variables, as `$KUBE_APP`.
    #[schemars(length(min = 1))]
    pub task_queue: String,
    /// The workflow's type; with variables.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub workflow_type: String,
    /// Its one argument, any JSON; left out, it gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What the result must contain: a text that is somewhere in it, or JSON whose every part is. Left out, any result will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
}

impl Gate {
    /// What it checks, or nothing where it says nothing or too much.
    pub fn kind(&self) -> Option<GateKind<'_>> {
        match self.kinds().as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Every kind of check that is given: an app file that is taken has exactly one.
    pub(super) fn kinds(&self) -> Vec<GateKind<'_>> {
        let http = self.http.as_ref().map(GateKind::Http);
        let server = self.temporal_server.as_ref().map(GateKind::TemporalServer);
        let poller = self.temporal_poller.as_ref().map(GateKind::TemporalPoller);
        let workflow = self.temporal_workflow.as_ref().map(GateKind::TemporalWorkflow);
        [http, server, poller, workflow].into_iter().flatten().collect()
    }

    /// The gate with its variables replaced: a team's workloads are called `$KUBE_APP-deployment`.
    pub fn rendered(&self, variables: &Variables) -> Self {
        let with = |text: &String| substitute(text, variables);
        let mut gate = self.clone();
        if let Some(http) = &mut gate.http {
            (http.workload, http.path) = (with(&http.workload), with(&http.path));
        }
        if let Some(server) = &mut gate.temporal_server {
            (server.workload, server.namespace) = (with(&server.workload), with(&server.namespace));
        }
        if let Some(poller) = &mut gate.temporal_poller {
            (poller.workload, poller.namespace) = (with(&poller.workload), with(&poller.namespace));
            poller.task_queue = with(&poller.task_queue);
            poller.worker_workload = poller.worker_workload.as_ref().map(with);
        }
        if let Some(workflow) = &mut gate.temporal_workflow {
            (workflow.workload, workflow.namespace) = (with(&workflow.workload), with(&workflow.namespace));
            workflow.task_queue = with(&workflow.task_queue);
            workflow.workflow_type = with(&workflow.workflow_type);
        }
        gate
    }
}

impl<'a> GateKind<'a> {
    /// The field of the app file.
    pub fn field(self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::TemporalServer(_) => "temporal_server",
            Self::TemporalPoller(_) => "temporal_poller",
            Self::TemporalWorkflow(_) => "temporal_workflow",
        }
    }

    /// The workloads that it asks or looks at, each with its field.
    pub fn workloads(self) -> Vec<(&'static str, &'a str)> {
        match self {
            Self::Http(http) => vec![("workload", &http.workload)],
            Self::TemporalServer(server) => vec![("workload", &server.workload)],
            Self::TemporalWorkflow(workflow) => vec![("workload", &workflow.workload)],
            Self::TemporalPoller(poller) => {
                let worker = poller.worker_workload.as_deref().map(|worker| ("worker_workload", worker));
                std::iter::once(("workload", poller.workload.as_str())).chain(worker).collect()
            }
        }
    }
}

impl TemporalPollerGate {
    /// The server that is asked.
    pub fn server(&self) -> TemporalServerGate {
        TemporalServerGate { workload: self.workload.clone(), port: self.port, namespace: self.namespace.clone() }
    }
}

impl TemporalWorkflowGate {
    /// The server that is asked.
    pub fn server(&self) -> TemporalServerGate {
        TemporalServerGate { workload: self.workload.clone(), port: self.port, namespace: self.namespace.clone() }
    }
}

/// The Deployment with Temporal in berth's own manifests.
pub const TEMPORAL_WORKLOAD: &str = "$KUBE_APP-temporal";

fn default_temporal() -> String {
    TEMPORAL_WORKLOAD.to_owned()
}

fn default_port() -> u16 {
    7233
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn default_deadline() -> Span {
    Span::seconds(60)
}

fn default_status() -> u16 {
    200
}

//! Gates: checks beyond ready pods that must pass before a rollout counts as done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Span;
use crate::render::{Variables, substitute};

/// A check that must pass before a rollout counts as done. A gate has exactly one kind of check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["http"]}, {"required": ["temporal_server"]}, {"required": ["temporal_poller"]},
    {"required": ["temporal_workflow"]},
]))]
pub struct Gate {
    /// The name that people read when the gate fails.
    #[schemars(length(min = 1))]
    pub name: String,
    /// An HTTP request to a ready pod of the new release, or through the Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGate>,
    /// The Temporal server is healthy: it accepts, schedules and ends a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server: Option<TemporalServerGate>,
    /// A worker polls a task queue, for workflows and for activities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_poller: Option<TemporalPollerGate>,
    /// A workflow of the app completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_workflow: Option<TemporalWorkflowGate>,
    /// Time within which the check must pass.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
}

/// The check of a gate.
#[derive(Clone, Copy, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum GateKind<'a> {
    Http(&'a HttpGate),
    TemporalServer(&'a TemporalServerGate),
    TemporalPoller(&'a TemporalPollerGate),
    TemporalWorkflow(&'a TemporalWorkflowGate),
}

/// An HTTP request and the response that it must get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["workload", "port"], "not": {"required": ["host"]}, "properties": {"through": {"const": "pod"}}},
    {"required": ["through"], "not": {"anyOf": [{"required": ["workload"]}, {"required": ["port"]}]},
        "properties": {"through": {"const": "ingress"}}},
]))]
pub struct HttpGate {
    /// The way of the request.
    #[serde(default, skip_serializing_if = "Through::is_pod")]
    pub through: Through,
    /// The workload whose pod gets the request; may have variables, for example `$KUBE_APP-deployment`. Not with
    /// `through: ingress`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The port of the pod. Not with `through: ingress`.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The host of the request, with `through: ingress`; may have variables, for example `$KUBE_INGRESS_WORKER_HOSTNAME`.
    /// Default: the environment's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub host: Option<String>,
    /// The request's path; may have variables.
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// The status that the response must have.
    #[serde(default = "default_status")]
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// Text that the response's body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The way of a gate's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// Through a port-forward to a ready pod of the new release.
    #[default]
    Pod,
    /// Through the ingress controller, as a browser's request. It chooses the pod.
    Ingress,
}

impl Through {
    fn is_pod(&self) -> bool {
        *self == Self::Pod
    }
}

/// A Temporal server that must run a workflow: a server that reports itself as serving may have lost its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalServerGate {
    /// The workload with the server; may have variables. The check connects to a ready pod of the new release.
    /// If Doppler has a `TEMPORAL_SERVER_ADDRESS`, it connects to that address, or to the pod behind that Service.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The port of the pod.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The Temporal namespace.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
}

/// A task queue that a worker must poll, for workflow tasks and for activity tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalPollerGate {
    /// The workload with the server; may have variables. The check connects to a ready pod of the new release.
    /// If Doppler has a `TEMPORAL_SERVER_ADDRESS`, it connects to that address, or to the pod behind that Service.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The port of the pod.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The Temporal namespace.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// The task queue; may have variables, for example `$KUBE_APP`.
    #[schemars(length(min = 1))]
    pub task_queue: String,
    /// The workload with the worker; may have variables. Its log is shown if no worker polls. Default: `workload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub worker_workload: Option<String>,
    /// The worker's container. Default: the container with `worker` in its name, or the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub worker_container: Option<String>,
}

/// A workflow of the app, started once in each rollout, and the result that it must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalWorkflowGate {
    /// The workload with the server; may have variables. The check connects to a ready pod of the new release.
    /// If Doppler has a `TEMPORAL_SERVER_ADDRESS`, it connects to that address, or to the pod behind that Service.
    #[serde(default = "default_temporal")]
    #[schemars(length(min = 1))]
    pub workload: String,
    /// The port of the pod.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The Temporal namespace.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// The task queue; may have variables, for example `$KUBE_APP`.
    #[schemars(length(min = 1))]
    pub task_queue: String,
    /// The workflow's type; may have variables.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub workflow_type: String,
    /// The workflow's only argument, any JSON. Default: no argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Content that the result must have: text that occurs in it, or JSON whose every part does. Default: any result passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
}

impl Gate {
    /// The gate's check; `None` if the gate has none or several.
    pub fn kind(&self) -> Option<GateKind<'_>> {
        match self.kinds().as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Every check of the gate. A valid app file has exactly one.
    pub(super) fn kinds(&self) -> Vec<GateKind<'_>> {
        let http = self.http.as_ref().map(GateKind::Http);
        let server = self.temporal_server.as_ref().map(GateKind::TemporalServer);
        let poller = self.temporal_poller.as_ref().map(GateKind::TemporalPoller);
        let workflow = self.temporal_workflow.as_ref().map(GateKind::TemporalWorkflow);
        [http, server, poller, workflow].into_iter().flatten().collect()
    }

    /// The gate with its variables replaced, because teams name workloads `$KUBE_APP-deployment`.
    pub fn rendered(&self, variables: &Variables) -> Self {
        let with = |text: &String| substitute(text, variables);
        let mut gate = self.clone();
        if let Some(http) = &mut gate.http {
            (http.workload, http.path) = (with(&http.workload), with(&http.path));
            http.host = http.host.as_ref().map(with);
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
    /// The check's field in the app file.
    pub fn field(self) -> &'static str {
        self.into()
    }

    /// The workloads that the check uses, each with its field.
    pub fn workloads(self) -> Vec<(&'static str, &'a str)> {
        match self {
            Self::Http(http) if http.through == Through::Ingress => Vec::new(),
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
    /// The server that the check connects to.
    pub fn server(&self) -> TemporalServerGate {
        TemporalServerGate { workload: self.workload.clone(), port: self.port, namespace: self.namespace.clone() }
    }
}

impl TemporalWorkflowGate {
    /// The server that the check connects to.
    pub fn server(&self) -> TemporalServerGate {
        TemporalServerGate { workload: self.workload.clone(), port: self.port, namespace: self.namespace.clone() }
    }
}

/// The Deployment with Temporal in the built-in manifests.
pub const TEMPORAL_WORKLOAD: &str = "$KUBE_APP-temporal";

fn is_zero(port: &u16) -> bool {
    *port == 0
}

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

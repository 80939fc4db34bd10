//! Rules for gates.

use serde_json::Value;

use super::AppReport;
use crate::app::{
    Gate, GateKind, HttpGate, Span, TemporalPollerGate, TemporalServerGate, TemporalWorkflowGate, Through,
};

/// The longest deadline of a gate. The activity that checks gates has the same timeout.
const MAX_GATE_SECONDS: u64 = 600;

/// The most JSON in one field. A workflow's input is kept in the stored release, its expected result is shown in a verdict.
const MAX_JSON_BYTES: usize = 16 * 1024;

pub(super) fn check_gates(gates: &[Gate], path: &str, report: &mut AppReport<'_>) {
    for (index, gate) in gates.iter().enumerate() {
        let path = format!("{path}[{index}]");
        report.require(!gate.name.is_empty(), &format!("{path}.name"), || "must not be empty".to_owned());
        let twice = gates.iter().take(index).any(|other| other.name == gate.name);
        report.require(!twice, &format!("{path}.name"), || format!("`{}` is the name of two gates", gate.name));
        let in_time = (1..=MAX_GATE_SECONDS).contains(&gate.deadline.as_duration().as_secs());
        report.require(in_time, &format!("{path}.deadline"), || {
            format!("must be from 1s to {}", Span::seconds(MAX_GATE_SECONDS))
        });
        let kind = match gate.kinds().as_slice() {
            [only] => *only,
            [] => {
                let message = "must have a check: `http`, `temporal_server`, `temporal_poller` or `temporal_workflow`";
                report.error(&path, message);
                continue;
            }
            several => {
                let fields: Vec<_> = several.iter().map(|kind| format!("`{}`", kind.field())).collect();
                report.error(&path, format!("has several checks ({}): use one gate for each", fields.join(" and ")));
                continue;
            }
        };
        let path = format!("{path}.{}", kind.field());
        for (field, workload) in kind.workloads() {
            report.require(!workload.is_empty(), &format!("{path}.{field}"), || {
                "must name a workload of the manifests".to_owned()
            });
        }
        match kind {
            GateKind::Http(http) => check_http(http, &path, report),
            GateKind::TemporalServer(server) => check_server(server, &path, report),
            GateKind::TemporalPoller(poller) => check_poller(poller, &path, report),
            GateKind::TemporalWorkflow(workflow) => check_workflow(workflow, &path, report),
        }
    }
}

fn check_http(http: &HttpGate, path: &str, report: &mut AppReport<'_>) {
    match http.through {
        Through::Pod => {
            report.require(http.port > 0, &format!("{path}.port"), || "must be at least 1".to_owned());
            report.require(http.host.is_none(), &format!("{path}.host"), || {
                "is for `through: ingress`; a pod gets the environment's host".to_owned()
            });
        }
        Through::Ingress => {
            let chosen = "is chosen by the ingress controller: leave it out with `through: ingress`";
            report.require(http.workload.is_empty(), &format!("{path}.workload"), || chosen.to_owned());
            report.require(http.port == 0, &format!("{path}.port"), || chosen.to_owned());
            let is_host = |host: &String| !host.is_empty() && !host.contains(['/', ':', ' ']);
            report.require(http.host.as_ref().is_none_or(is_host), &format!("{path}.host"), || {
                "must be a host without scheme and port".to_owned()
            });
        }
    }
    let plain = http.path.starts_with('/') && http.path.bytes().all(|b| b.is_ascii_graphic());
    report.require(plain, &format!("{path}.path"), || {
        "must begin with `/` and have only printable ASCII characters without spaces".to_owned()
    });
    report.require((100..600).contains(&http.status), &format!("{path}.status"), || {
        format!("{} is not an HTTP status", http.status)
    });
}

fn check_server(server: &TemporalServerGate, path: &str, report: &mut AppReport<'_>) {
    report.require(server.port > 0, &format!("{path}.port"), || "must be at least 1".to_owned());
    check_name(&server.namespace, "a Temporal namespace", &format!("{path}.namespace"), report);
}

fn check_poller(poller: &TemporalPollerGate, path: &str, report: &mut AppReport<'_>) {
    check_server(&poller.server(), path, report);
    check_name(&poller.task_queue, "a task queue", &format!("{path}.task_queue"), report);
    if let Some(container) = &poller.worker_container {
        check_name(container, "a container", &format!("{path}.worker_container"), report);
    }
}

fn check_workflow(workflow: &TemporalWorkflowGate, path: &str, report: &mut AppReport<'_>) {
    check_server(&workflow.server(), path, report);
    check_name(&workflow.task_queue, "a task queue", &format!("{path}.task_queue"), report);
    check_name(&workflow.workflow_type, "a workflow type", &format!("{path}.type"), report);
    for (field, json) in [("input", &workflow.input), ("expect", &workflow.expect)] {
        let bytes = json.as_ref().map_or(0, |json| json.to_string().len());
        report.require(bytes <= MAX_JSON_BYTES, &format!("{path}.{field}"), || {
            format!("is {bytes} bytes of JSON; the limit is {MAX_JSON_BYTES}")
        });
    }
    let empty = workflow.expect.as_ref().and_then(Value::as_str) == Some("");
    report
        .require(!empty, &format!("{path}.expect"), || "must not be empty; remove it to accept any result".to_owned());
}

/// Temporal accepts almost any name of at most 1000 bytes.
fn check_name(name: &str, named: &str, field: &str, report: &mut AppReport<'_>) {
    let good = (1..=1000).contains(&name.len()) && name.trim() == name && !name.chars().any(char::is_control);
    report.require(good, field, || format!("`{name}` is not a valid name of {named}"));
}

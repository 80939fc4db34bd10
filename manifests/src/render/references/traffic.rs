//! What traffic and scaling refer to: Services, ports and workloads.

use serde_json::Value;

use super::{Report, text};
use crate::render::{object::Object, policy::pods};

pub(super) fn check(report: &mut Report<'_>, object: &Object) {
    match object.kind() {
        "Ingress" => check_ingress(report, object),
        "Service" => check_service(report, object),
        "HorizontalPodAutoscaler" => {
            let target = object.document.pointer("/spec/scaleTargetRef").unwrap_or(&Value::Null);
            report.require(object, "spec.scaleTargetRef", text(target, "kind"), text(target, "name"));
        }
        "RoleBinding" if object.string_at("/roleRef/kind") == "Role" => {
            report.require(object, "roleRef.name", "Role", object.string_at("/roleRef/name"));
        }
        _ => {}
    }
}

fn check_ingress(report: &mut Report<'_>, ingress: &Object) {
    for (rule_index, rule) in pods::items(ingress.document.pointer("/spec/rules")) {
        for (index, path) in pods::items(rule.pointer("/http/paths")) {
            let Some(backend) = path.pointer("/backend/service") else { continue };
            let field = format!("spec.rules[{rule_index}].http.paths[{index}].backend.service");
            check_backend(report, ingress, backend, &field);
        }
    }
    if let Some(backend) = ingress.document.pointer("/spec/defaultBackend/service") {
        check_backend(report, ingress, backend, "spec.defaultBackend.service");
    }
}

fn check_backend(report: &mut Report<'_>, ingress: &Object, backend: &Value, field: &str) {
    let name = text(backend, "name");
    report.require(ingress, &format!("{field}.name"), "Service", name);
    let Some(service) = report.find("Service", name) else { return };
    let (number, port_name) = (backend.pointer("/port/number"), backend.pointer("/port/name"));
    let has_port = pods::items(service.document.pointer("/spec/ports")).any(|(_, port)| {
        number.is_some_and(|number| port.get("port") == Some(number))
            || port_name.is_some_and(|name| port.get("name") == Some(name))
    });
    let wanted = number.or(port_name);
    if let Some(wanted) = wanted.filter(|_| !has_port) {
        let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), ToOwned::to_owned);
        report.error(ingress, &format!("{field}.port"), format!("the Service `{name}` has no port `{wanted}`"));
    }
}

/// Checks that a named port of a Service is one of the pods that it selects.
fn check_service(report: &mut Report<'_>, service: &Object) {
    let Some(selector) = service.document.pointer("/spec/selector").and_then(Value::as_object) else { return };
    if selector.is_empty() {
        return;
    }
    let is_selected = |object: &Object, template: &Value| {
        let labels = template.pointer("/metadata/labels");
        selector.iter().all(|(key, value)| {
            labels.and_then(|labels| labels.get(key)) == Some(value) || is_set_by_controller(object, key, value)
        })
    };
    let templates =
        report.objects.iter().flat_map(|object| pods::templates(object).map(move |(template, _)| (object, template)));
    let selected: Vec<_> =
        templates.filter(|(object, template)| is_selected(object, template)).map(|(_, template)| template).collect();
    if selected.is_empty() {
        let message = "selects no pods of the manifests".to_owned();
        report.findings.push(service.finding(crate::render::finding::Severity::Warning, "spec.selector", message));
        return;
    }
    for (index, port) in pods::items(service.document.pointer("/spec/ports")) {
        let Some(name) = port.get("targetPort").and_then(Value::as_str) else { continue };
        if name.parse::<u16>().is_ok() || selected.iter().any(|template| has_port(template, name, protocol(port))) {
            continue;
        }
        let message = format!("no container of the pods that it selects has a port with the name `{name}`");
        report.error(service, &format!("spec.ports[{index}].targetPort"), message);
    }
}

/// Whether the controller of a workload gives this label to one of its pods.
fn is_set_by_controller(workload: &Object, key: &str, value: &Value) -> bool {
    let value = value.as_str().unwrap_or_default();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let of_name = value.strip_prefix(workload.name());
    match (workload.kind(), key) {
        ("StatefulSet", "statefulset.kubernetes.io/pod-name") => {
            of_name.and_then(|rest| rest.strip_prefix('-')).is_some_and(is_number)
        }
        ("StatefulSet", "apps.kubernetes.io/pod-index") | ("Job", "batch.kubernetes.io/job-completion-index") => {
            is_number(value)
        }
        ("Job", "job-name" | "batch.kubernetes.io/job-name") => of_name == Some(""),
        _ => false,
    }
}

/// Whether a container that runs as long as the pod has a port with this name and protocol, as the endpoints controller looks.
fn has_port(template: &Value, name: &str, wanted: &str) -> bool {
    let Some(spec) = template.get("spec") else { return false };
    let sidecars = pods::items(spec.get("initContainers"))
        .filter(|(_, container)| container.get("restartPolicy").is_some_and(|policy| policy == "Always"));
    pods::items(spec.get("containers")).chain(sidecars).any(|(_, container)| {
        pods::items(container.get("ports")).any(|(_, port)| text(port, "name") == name && protocol(port) == wanted)
    })
}

fn protocol(port: &Value) -> &str {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP")
}

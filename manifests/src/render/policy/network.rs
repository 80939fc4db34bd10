//! Rules for traffic: only the app's hosts from outside, Services inside the cluster, and port 7233 never outside it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, ObjectReport, PolicyInput, metadata::is_empty, open_policies, pods, routes};
use crate::render::{
    object::Object, stamp::string_entries, temporal_service::TEMPORAL_PORT, variables::EnvironmentKind,
};

/// Annotations, with any prefix, that give an Ingress, a Service or a certificate further host names. Among them are
/// ingress-nginx's and haproxy's `server-alias`, Kong's `host-aliases`, and those of cert-manager and external-dns. The values
/// are lists with commas.
const HOST_ANNOTATIONS: [&str; 7] =
    ["alt-names", "common-name", "host-aliases", "hostname", "internal-hostname", "server-alias", "server-alias-regex"];

/// Annotations of Traefik with the hosts of a certificate.
const TLS_DOMAINS: &str = "router.tls.domains.";

/// Annotations of ingress-nginx that refer to an object, possibly in another namespace (`namespace/name`).
const REFERENCE_ANNOTATIONS: [&str; 6] = [
    "nginx.ingress.kubernetes.io/auth-proxy-set-headers",
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/custom-headers",
    "nginx.ingress.kubernetes.io/fastcgi-params-configmap",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret",
];

/// The rules for one object's traffic.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    check_annotations(report);
    routes::check_annotations(report);
    match report.object.kind() {
        "Service" => check_service(report),
        "Ingress" => check_ingress(report),
        "NetworkPolicy" => open_policies::check(report),
        _ => {}
    }
}

fn check_annotations(report: &mut ObjectReport<'_>) {
    for (path, key, value) in string_entries(report.object, "annotations") {
        let name = key.rsplit('/').next().unwrap_or(key);
        if name.contains("snippet") || key.starts_with("haproxy-ingress.github.io/config-") {
            report.refuse_in_preview(&path, "a snippet changes the configuration of the whole ingress controller");
        }
        if name == "from-to-www-redirect" && value == "true" {
            report.refuse_in_preview(&path, "would serve a further host");
        }
        if HOST_ANNOTATIONS.contains(&name) || name.starts_with(TLS_DOMAINS) {
            for host in value.split(',').map(str::trim).filter(|host| !host.is_empty()) {
                // The final dot of a name in DNS. In a regular expression it would stand for any character.
                let without_dot = if name.ends_with("regex") { None } else { host.strip_suffix('.') };
                check_host(report, &path, without_dot.unwrap_or(host));
            }
        }
        let other_namespace = value.split_once('/').is_some_and(|(namespace, _)| namespace != report.input.namespace);
        if REFERENCE_ANNOTATIONS.contains(&key) && other_namespace {
            report.refuse(&path, "must not refer to an object of another namespace");
        }
    }
}

fn check_host(report: &mut ObjectReport<'_>, path: &str, host: &str) {
    if !report.input.hosts.iter().any(|allowed| allowed == host) {
        let message =
            format!("`{host}` is not a host of this environment; its hosts: {}", report.input.hosts.join(", "));
        report.refuse(path, message);
    }
}

fn check_service(report: &mut ObjectReport<'_>) {
    let spec = report.object.document.get("spec").unwrap_or(&Value::Null);
    if !report.is_preview() {
        return;
    }
    let kind = spec.get("type").unwrap_or(&Value::Null);
    if kind == "NodePort" {
        let message = "is changed to `ClusterIP`: a preview gets no port of the nodes. Its Ingress needs none, unless the \
                       controller reaches Services through node ports";
        report.note("spec.type", message);
    } else if !(is_empty(kind) || kind == "ClusterIP") {
        let kind = kind.as_str().unwrap_or_default();
        let message = format!("a preview may not have a Service of type `{kind}`: use `ClusterIP` and the Ingress");
        report.refuse("spec.type", message);
    }
    for field in ["externalIPs", "externalName", "loadBalancerIP"] {
        if spec.get(field).is_some_and(|value| !is_empty(value)) {
            report.refuse(&format!("spec.{field}"), "a preview's Service must be internal to the cluster");
        }
    }
}

/// Changes a preview's Service of type `NodePort` to `ClusterIP`. Some teams have such Services from before they had an
/// Ingress, and their manifests must work unchanged. `externalTrafficPolicy` is removed, because the API
/// server refuses it without a node's port.
pub(super) fn complete(object: &mut Object, input: &PolicyInput) {
    let preview = input.environment_kind == EnvironmentKind::Preview;
    if !preview || object.kind() != "Service" || object.string_at("/spec/type") != "NodePort" {
        return;
    }
    let Some(spec) = object.document.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.insert("type".to_owned(), Value::from("ClusterIP"));
    spec.remove("externalTrafficPolicy");
}

fn check_ingress(report: &mut ObjectReport<'_>) {
    let spec = report.object.document.get("spec").unwrap_or(&Value::Null);
    for field in ["defaultBackend", "backend"] {
        if spec.get(field).is_some_and(|value| !is_empty(value)) {
            report.refuse(&format!("spec.{field}"), "would serve every host without another Ingress");
        }
    }
    let rules = spec.get("rules").and_then(Value::as_array);
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        let path = format!("spec.rules[{index}]");
        match rule.get("host").and_then(Value::as_str).unwrap_or_default() {
            "" => report.refuse(&path, "must have a `host`; without one it serves every host"),
            host => check_host(report, &format!("{path}.host"), host),
        }
        for (index, path_rule) in paths(rule) {
            if let Some(text) = path_rule.get("path").and_then(Value::as_str) {
                routes::check_path(report, &format!("{path}.http.paths[{index}].path"), text);
            }
            if path_rule.pointer("/backend/resource").is_some_and(|resource| !is_empty(resource)) {
                report.refuse_in_preview(
                    &format!("{path}.http.paths[{index}].backend.resource"),
                    "a backend must be a Service",
                );
            }
        }
    }
    let tls = spec.get("tls").and_then(Value::as_array);
    for (index, tls) in tls.into_iter().flatten().enumerate() {
        let hosts = tls.get("hosts").and_then(Value::as_array);
        for (host_index, host) in hosts.into_iter().flatten().enumerate() {
            check_host(report, &format!("spec.tls[{index}].hosts[{host_index}]"), host.as_str().unwrap_or_default());
        }
    }
}

/// Refuses an Ingress that leads to port 7233, and a Service that opens it outside the cluster. Named ports are resolved.
pub(super) fn check_temporal_is_internal(objects: &[Object], input: &PolicyInput, findings: &mut Vec<Finding>) {
    let names = temporal_port_names(objects);
    let is_temporal = |port: &Value| {
        port.as_u64() == Some(TEMPORAL_PORT) || port.as_str().is_some_and(|name| names.contains(name) || name == "7233")
    };
    // The names of Services, with their ports that lead to 7233.
    let mut internal: Vec<(&str, &Value)> = Vec::new();
    for service in objects.iter().filter(|object| object.kind() == "Service") {
        let ports = service.document.pointer("/spec/ports").and_then(Value::as_array);
        for (index, port) in ports.into_iter().flatten().enumerate() {
            if !["port", "targetPort"].iter().any(|field| port.get(field).is_some_and(is_temporal)) {
                continue;
            }
            internal.push((service.name(), port));
            if is_external(service) {
                let message = "port 7233 (temporal-server) must be internal to the cluster";
                findings.push(service.error(&format!("spec.ports[{index}]"), message));
            }
        }
    }
    for ingress in objects.iter().filter(|object| object.kind() == "Ingress") {
        for (path, backend) in backends(ingress) {
            let (name, port) = (backend.get("name").and_then(Value::as_str), backend.get("port"));
            let number = port.and_then(|port| port.get("number")).unwrap_or(&Value::Null);
            let port_name = port.and_then(|port| port.get("name")).unwrap_or(&Value::Null);
            let leads_there = internal.iter().any(|(service, service_port)| {
                let same = |field: &str, value: &Value| !value.is_null() && service_port.get(field) == Some(value);
                Some(*service) == name && (same("port", number) || same("name", port_name))
            });
            if leads_there || is_temporal(number) {
                let message = format!("leads to port 7233 (temporal-server) from outside `{}`", input.namespace);
                findings.push(ingress.error(&path, message));
            }
        }
    }
}

/// The names of port 7233 in containers.
fn temporal_port_names(objects: &[Object]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (spec, path) in objects.iter().flat_map(pods::specs) {
        for (container, _) in pods::containers(spec, &path) {
            for (_, port) in pods::items(container.get("ports")) {
                if port.get("containerPort").and_then(Value::as_u64) == Some(TEMPORAL_PORT) {
                    names.extend(port.get("name").and_then(Value::as_str));
                }
            }
        }
    }
    names
}

fn is_external(service: &Object) -> bool {
    matches!(service.string_at("/spec/type"), "LoadBalancer" | "NodePort")
        || service.document.pointer("/spec/externalIPs").is_some_and(|value| !is_empty(value))
}

/// The Services that an Ingress leads to, with the path of each.
fn backends(ingress: &Object) -> Vec<(String, &Value)> {
    let rules = ingress.document.pointer("/spec/rules").and_then(Value::as_array);
    let mut backends = Vec::new();
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        for (path_index, path) in paths(rule) {
            if let Some(service) = path.pointer("/backend/service") {
                backends.push((format!("spec.rules[{index}].http.paths[{path_index}].backend.service.port"), service));
            }
        }
    }
    backends.extend(
        ingress
            .document
            .pointer("/spec/defaultBackend/service")
            .map(|service| ("spec.defaultBackend.service.port".to_owned(), service)),
    );
    backends
}

fn paths(rule: &Value) -> impl Iterator<Item = (usize, &Value)> {
    rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten().enumerate()
}

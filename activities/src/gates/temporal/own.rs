//! The Temporal server that an address means: one inside the environment is asked through a port-forward, because its name means
//! nothing where the worker runs. Pure.

use berth_manifests::app::TemporalServerGate;
use serde_json::Value;

use crate::gates::objects::{list, name_of, of_kind};

/// Returns the workload and port of the server at the address, if that is inside the environment. The gate's own workload and port
/// stand for a Service that the release does not have.
pub(super) fn own_server(
    address: &str,
    namespace: &str,
    objects: &[Value],
    gate: &TemporalServerGate,
) -> Option<TemporalServerGate> {
    let (host, port) = host_and_port(address);
    let service = service_in(&host, namespace)?;
    let behind = of_kind(objects, "Service").find(|object| name_of(object) == service);
    let found = behind.and_then(|service| server_behind(service, port, objects));
    let (workload, port) = found.unwrap_or_else(|| (gate.workload.clone(), gate.port));
    Some(TemporalServerGate { workload, port, ..gate.clone() })
}

/// The host in lower case, and the port, if it is written.
fn host_and_port(address: &str) -> (String, Option<u16>) {
    let address = address.trim().rsplit("://").next().unwrap_or_default();
    let address = address.trim_start_matches('/').split('/').next().unwrap_or_default();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port.parse().ok()),
        _ => (address, None),
    };
    (host.trim_end_matches('.').to_ascii_lowercase(), port)
}

/// The Service's name, if the host is one of the namespace: `name`, `name.namespace`, `name.namespace.svc` with or without the
/// cluster's domain, and a pod's name before these.
fn service_in<'h>(host: &'h str, namespace: &str) -> Option<&'h str> {
    let labels: Vec<_> = host.split('.').collect();
    match labels[..] {
        // An address of IPv6 has no dots either.
        [service] => (!service.is_empty() && !service.contains(':')).then_some(service),
        [service, of] | [service, of, "svc", ..] if of == namespace => Some(service),
        [_, service, of, "svc", ..] if of == namespace => Some(service),
        _ => None,
    }
}

/// The workload and the container's port behind a Service's port.
fn server_behind(service: &Value, port: Option<u16>, objects: &[Value]) -> Option<(String, u16)> {
    let spec = &service["spec"];
    let selector = spec["selector"].as_object().filter(|selector| !selector.is_empty())?;
    let workload = objects.iter().find(|object| {
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        object["kind"] != "Job" && selector.iter().all(|(key, value)| labels[key] == *value)
    })?;
    let ports = list(&spec["ports"]);
    let wanted = |known: &&Value| port.is_none_or(|port| known["port"].as_u64() == Some(port.into()));
    let port = ports.clone().find(wanted)?;
    let target = match &port["targetPort"] {
        Value::Null => port["port"].as_u64(),
        Value::String(name) => name.parse().ok().or_else(|| port_named(workload, name)),
        number => number.as_u64(),
    };
    Some((name_of(workload).to_owned(), u16::try_from(target?).ok()?))
}

fn port_named(workload: &Value, name: &str) -> Option<u64> {
    let pod = &workload["spec"]["template"]["spec"];
    let containers = list(&pod["containers"]).chain(list(&pod["initContainers"]));
    containers.flat_map(|container| list(&container["ports"])).find(|port| port["name"] == name)?["containerPort"]
        .as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gate() -> TemporalServerGate {
        TemporalServerGate { workload: "web-temporal".into(), port: 7233, namespace: "default".into() }
    }

    fn objects(target: &Value) -> Vec<Value> {
        let labels = json!({"app": "temporal", "tier": "grpc"});
        let ports = json!([{"name": "grpc", "containerPort": 7000}]);
        vec![
            json!({"kind": "Service", "metadata": {"name": "temporal-grpc"}, "spec": {
                "selector": {"app": "temporal"}, "ports": [{"port": 8080}, {"port": 7233, "targetPort": target}]}}),
            json!({"kind": "Deployment", "metadata": {"name": "engine"}, "spec": {"template": {
                "metadata": {"labels": labels}, "spec": {"containers": [{"name": "x"}, {"name": "t", "ports": ports}]}}}}),
        ]
    }

    fn found(address: &str, target: &Value) -> Option<(String, u16)> {
        own_server(address, "pr-1", &objects(target), &gate()).map(|server| (server.workload, server.port))
    }

    #[test]
    fn host_inside_the_environment_is_asked_in_its_pod() {
        for host in [
            "temporal-grpc",
            "TEMPORAL-GRPC.",
            "temporal-grpc.pr-1",
            "temporal-grpc.pr-1.svc",
            "temporal-grpc.pr-1.svc.cluster.local",
            "temporal-grpc.pr-1.svc.example.internal.",
            "engine-0.temporal-grpc.pr-1.svc.cluster.local",
            "http://temporal-grpc",
            "dns:///temporal-grpc",
        ] {
            assert_eq!(found(&format!("{host}:7233"), &json!(7001)), Some(("engine".into(), 7001)), "{host}");
        }
    }

    #[test]
    fn host_outside_the_environment_is_asked_there() {
        for address in [
            "t.example.com:7233",
            "temporal-grpc.pr-2:7233",
            "temporal-grpc.pr-2.svc.cluster.local:7233",
            "pr-1.svc:7233",
            "temporal-grpc.pr-1.example.com:7233",
            "10.0.0.1:7233",
            "[::1]:7233",
            ":7233",
        ] {
            assert_eq!(found(address, &json!(7001)), None, "{address}");
        }
    }

    #[test]
    fn port_of_the_service_becomes_that_of_the_container() {
        for (target, port) in [(json!(null), 7233), (json!(7001), 7001), (json!("7002"), 7002), (json!("grpc"), 7000)] {
            assert_eq!(found("temporal-grpc:7233", &target), Some(("engine".into(), port)), "{target}");
        }
        let of_the_gate = Some(("web-temporal".into(), 7233));
        for address in ["elsewhere:7233", "temporal-grpc:9999"] {
            assert_eq!(found(address, &json!(7001)), of_the_gate, "the release does not have it: {address}");
        }
        assert_eq!(found("temporal-grpc:7233", &json!("nobodys")), of_the_gate);
    }
}

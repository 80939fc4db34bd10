//! The Service through which an environment's pods find its Temporal server. Pure.

use serde_json::Value;

use super::object::Object;

/// The port of Temporal's frontend, as every Temporal tool expects it. Internal in every environment.
pub(super) const TEMPORAL_PORT: u64 = 7233;

/// Returns the name of the Service with port 7233: of several the one called `preferred`, else one with an address of its own
/// (a headless one is mostly for the server's own pods), else the first by name. `None` if no Service has that port.
pub fn find_temporal_service<'a>(objects: impl IntoIterator<Item = &'a Object>, preferred: &str) -> Option<&'a str> {
    let services = objects.into_iter().filter(|object| object.kind() == "Service" && has_port(&object.document));
    let ranked = services.map(|service| {
        let is_headless = service.document["spec"]["clusterIP"] == "None";
        (service.name() != preferred, is_headless, service.name())
    });
    ranked.min().map(|(_, _, name)| name)
}

fn has_port(service: &Value) -> bool {
    let ports = service["spec"]["ports"].as_array();
    ports.is_some_and(|ports| ports.iter().any(|port| port["port"].as_u64() == Some(TEMPORAL_PORT)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, port: u64, cluster_ip: Option<&str>) -> Object {
        let spec = json!({"clusterIP": cluster_ip, "ports": [{"port": 80}, {"port": port}]});
        Object::new("web.yaml", 1, json!({"kind": "Service", "metadata": {"name": name}, "spec": spec}))
    }

    fn found(objects: &[Object]) -> Option<&str> {
        find_temporal_service(objects, "web-temporal")
    }

    #[test]
    fn service_with_temporals_port_is_found_whatever_its_name() {
        let all = [service("web", 8080, None), service("temporal-grpc", 7233, None)];
        assert_eq!(found(&all), Some("temporal-grpc"));
        assert_eq!(found(&all[..1]), None);
        let mut workload = service("engine", 7233, None);
        workload.document["kind"] = json!("Deployment");
        assert_eq!(found(&[workload]), None);
    }

    #[test]
    fn of_several_the_usual_name_wins_then_the_one_with_an_address() {
        let headless = service("frontend-headless", 7233, Some("None"));
        let (plain, other) = (service("temporal-frontend", 7233, None), service("a-internal", 7233, Some("None")));
        assert_eq!(found(&[headless.clone(), plain.clone(), other.clone()]), Some("temporal-frontend"));
        assert_eq!(found(&[headless.clone(), other]), Some("a-internal"));
        assert_eq!(found(&[plain, headless, service("web-temporal", 7233, Some("None"))]), Some("web-temporal"));
    }
}

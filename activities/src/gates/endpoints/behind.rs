//! The Services and ports that the Ingresses of a release send traffic to. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::gates::objects::{list, name_of, of_kind};

/// A Service's port that an Ingress refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gates) struct BehindIngress {
    pub(super) service: String,
    pub(super) ingress: String,
    pub(super) port: BackendPort,
}

/// A port of a Service, as far as the release says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BackendPort {
    /// A port that the release's Service has.
    Known(ServicePort),
    /// The release's Service has no port of this name or number.
    Missing(String),
    /// The Service is somebody else's, or the Ingress names no port.
    Any,
}

/// A port of a Service of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServicePort {
    /// The name that `EndpointSlice`s have for it. Empty for the only port of a Service.
    pub(super) name: String,
    pub(super) number: String,
    pub(super) protocol: String,
    /// The container's port, if the Service names it.
    pub(super) named_target: Option<String>,
    /// The labels of the pods behind it. Empty: somebody else lists the endpoints.
    pub(super) selector: BTreeMap<String, String>,
}

/// Returns the Services and ports that the release's Ingresses send traffic to, except Services of type `ExternalName`.
///
/// The release is read, not the namespace: there may be Ingresses of a failed release, which are pruned after the
/// gates.
pub(in crate::gates) fn services_behind_ingresses(objects: &[Value]) -> Vec<BehindIngress> {
    let mut behind: Vec<BehindIngress> = Vec::new();
    for (ingress, backend) in backends(objects) {
        let Some(service) = backend["name"].as_str() else { continue };
        let found = of_kind(objects, "Service").find(|object| name_of(object) == service);
        if found.is_some_and(|found| found["spec"]["type"] == "ExternalName") {
            continue;
        }
        let port = found.map_or(BackendPort::Any, |found| port_of(found, &backend["port"]));
        // A second Ingress to the same port adds nothing.
        if !behind.iter().any(|known| known.service == service && known.port == port) {
            behind.push(BehindIngress { service: service.to_owned(), ingress: ingress.to_owned(), port });
        }
    }
    behind.sort_by(|one, other| one.service.cmp(&other.service));
    behind
}

/// Returns the reference to a Service in each backend, with the name of its Ingress.
fn backends(objects: &[Value]) -> impl Iterator<Item = (&str, &Value)> {
    of_kind(objects, "Ingress").flat_map(|ingress| {
        let spec = &ingress["spec"];
        let paths = list(&spec["rules"]).flat_map(|rule| list(&rule["http"]["paths"]));
        let backends = std::iter::once(&spec["defaultBackend"]).chain(paths.map(|path| &path["backend"]));
        backends.map(|backend| (name_of(ingress), &backend["service"]))
    })
}

fn port_of(service: &Value, wanted: &Value) -> BackendPort {
    let text = match (&wanted["name"], &wanted["number"]) {
        (Value::String(name), _) => name.clone(),
        (_, Value::Number(number)) => number.to_string(),
        _ => return BackendPort::Any,
    };
    let is_it = |port: &&Value| match wanted["name"].as_str() {
        Some(name) => port["name"] == name,
        None => port["port"] == wanted["number"],
    };
    let spec = &service["spec"];
    let Some(port) = list(&spec["ports"]).find(is_it) else { return BackendPort::Missing(text) };
    let target = port["targetPort"].as_str().filter(|target| target.parse::<u16>().is_err());
    let selector = spec["selector"].as_object().into_iter().flatten();
    BackendPort::Known(ServicePort {
        name: port["name"].as_str().unwrap_or_default().to_owned(),
        number: port["port"].to_string(),
        protocol: port["protocol"].as_str().unwrap_or("TCP").to_owned(),
        named_target: target.map(str::to_owned),
        selector: selector.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn backend(name: &str, port: &Value) -> Value {
        json!({"service": {"name": name, "port": port}})
    }

    fn ingress(backend: &Value) -> Value {
        json!({"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"defaultBackend": backend}})
    }

    fn service(spec: Value) -> Value {
        json!({"kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    }

    #[test]
    fn services_of_rules_and_default_backends_are_listed_once() {
        let backend = |name: &str| backend(name, &json!({"number": 80}));
        let ingress = json!({
            "kind": "Ingress", "metadata": {"name": "web"},
            "spec": {
                "defaultBackend": backend("fallback"),
                "rules": [
                    {"host": "a", "http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": backend("web")}]}},
                    {"host": "b", "http": {"paths": [
                        {"pathType": "Prefix", "path": "/", "backend": backend("web")},
                        {"pathType": "Prefix", "path": "/f", "backend": {"resource": {"kind": "Bucket", "name": "f"}}}]}},
                    {"host": "c"}]},
        });
        let found = services_behind_ingresses(&[ingress.clone(), ingress]);
        assert_eq!(found.iter().map(|behind| behind.service.as_str()).collect::<Vec<_>>(), ["fallback", "web"]);
    }

    #[test]
    fn an_external_name_service_is_not_waited_for() {
        let ingress = ingress(&backend("web", &Value::Null));
        let external = service(json!({"type": "ExternalName"}));
        assert_eq!(services_behind_ingresses(&[external, ingress.clone()]), []);
        for objects in [vec![service(json!({"type": "ClusterIP"})), ingress.clone()], vec![ingress]] {
            let found = services_behind_ingresses(&objects);
            assert_eq!((found.len(), &found[0].port), (1, &BackendPort::Any), "{objects:?}");
        }
    }

    #[test]
    fn port_of_a_backend_is_that_of_the_releases_service() {
        let ports = json!([{"name": "http", "port": 80, "targetPort": "web"}, {"name": "ui", "port": 81, "targetPort": "8088"}]);
        let service = service(json!({"selector": {"app": "web"}, "ports": ports}));
        let port = |wanted: Value| {
            services_behind_ingresses(&[service.clone(), ingress(&backend("web", &wanted))]).remove(0).port
        };
        let named = |name: &str, number: &str, named_target: Option<&str>| {
            BackendPort::Known(ServicePort {
                name: name.to_owned(),
                number: number.to_owned(),
                protocol: "TCP".to_owned(),
                named_target: named_target.map(str::to_owned),
                selector: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            })
        };
        assert_eq!(port(json!({"name": "http"})), named("http", "80", Some("web")));
        assert_eq!(port(json!({"number": 80})), named("http", "80", Some("web")));
        assert_eq!(port(json!({"number": 81})), named("ui", "81", None), "a number in quotes is no name");
        assert_eq!(port(json!({"name": "web"})), BackendPort::Missing("web".to_owned()));
        assert_eq!(port(json!({"number": 8080})), BackendPort::Missing("8080".to_owned()));
    }
}

//! The route of a request through the Ingresses of a release.

use serde_json::Value;

/// The Ingress that a request is sent by, and the Service that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The Ingress's name.
    pub ingress: String,
    /// The Service's name. `None`: the Ingress leads to something else.
    pub service: Option<String>,
}

/// How exactly a rule fits, the best last: the host, then the path's length.
type Fit = (HostFit, usize);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostFit {
    /// A rule for every host, or a backend without a rule.
    Any,
    Wildcard,
    Exact,
}

/// Returns the route of a request, or `None` if no Ingress among the objects has one.
///
/// As Kubernetes defines it: an exact host before a wildcard before none, then the longest path. An `ImplementationSpecific`
/// path counts as a prefix, because the controllers that read it otherwise cannot be known.
pub fn find_route<'a>(objects: impl IntoIterator<Item = &'a Value>, host: &str, path: &str) -> Option<Route> {
    let path = path.split('?').next().unwrap_or_default();
    let ingresses = objects.into_iter().filter(|object| object["kind"] == "Ingress");
    let mut best: Option<(Fit, Route)> = None;
    for ingress in ingresses {
        for (fit, backend) in backends(ingress, host, path) {
            if best.as_ref().is_none_or(|(known, _)| fit > *known) {
                let route = Route {
                    ingress: text(&ingress["metadata"]["name"]).to_owned(),
                    service: backend["service"]["name"].as_str().map(str::to_owned),
                };
                best = Some((fit, route));
            }
        }
    }
    best.map(|(_, route)| route)
}

/// The backends of an Ingress that fit, each with how exactly.
fn backends<'a>(ingress: &'a Value, host: &str, path: &str) -> Vec<(Fit, &'a Value)> {
    let spec = &ingress["spec"];
    let mut found = Vec::new();
    if spec["defaultBackend"].is_object() {
        found.push(((HostFit::Any, 0), &spec["defaultBackend"]));
    }
    for rule in list(&spec["rules"]) {
        let Some(host_fit) = fit_of_host(text(&rule["host"]), host) else { continue };
        for rule_path in list(&rule["http"]["paths"]) {
            let prefix = text(&rule_path["path"]);
            let is_exact = rule_path["pathType"] == "Exact";
            if if is_exact { prefix == path } else { is_prefix(prefix, path) } {
                // An exact path comes before a prefix of the same length.
                found.push(((host_fit, prefix.len() * 2 + usize::from(is_exact)), &rule_path["backend"]));
            }
        }
    }
    found
}

fn fit_of_host(rule: &str, host: &str) -> Option<HostFit> {
    match rule.strip_prefix("*.") {
        _ if rule.is_empty() => Some(HostFit::Any),
        _ if rule == host => Some(HostFit::Exact),
        // A wildcard stands for one label.
        Some(parent) if host.split_once('.').is_some_and(|(_, rest)| rest == parent) => Some(HostFit::Wildcard),
        _ => None,
    }
}

/// Whether a path begins with these elements.
fn is_prefix(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingress(name: &str, host: &str, paths: &[(&str, &str, &str)]) -> Value {
        let backend = |service: &str| json!({"service": {"name": service, "port": {"number": 80}}});
        let path = |(kind, path, service): &(&str, &str, &str)| json!({"pathType": kind, "path": path, "backend": backend(service)});
        let mut rule = json!({"http": {"paths": paths.iter().map(path).collect::<Vec<_>>()}});
        if !host.is_empty() {
            rule["host"] = json!(host);
        }
        json!({"kind": "Ingress", "metadata": {"name": name}, "spec": {"rules": [rule]}})
    }

    fn service(objects: &[Value], host: &str, path: &str) -> Option<String> {
        find_route(objects, host, path).map(|route| route.service.unwrap())
    }

    #[test]
    fn route_is_that_of_the_most_exact_host_and_path() {
        let objects = [
            json!({"kind": "Service", "metadata": {"name": "web"}}),
            ingress("any", "", &[("Prefix", "/", "any")]),
            ingress("wild", "*.example.com", &[("Prefix", "/", "wild")]),
            ingress(
                "web",
                "pr-1.example.com",
                &[("Prefix", "/", "web"), ("Prefix", "/api", "api"), ("Exact", "/api", "exact")],
            ),
        ];
        for (host, path, expected) in [
            ("pr-1.example.com", "/", "web"),
            ("pr-1.example.com", "/api/health?full=1", "api"),
            ("pr-1.example.com", "/api", "exact"),
            ("pr-1.example.com", "/apis", "web"),
            ("pr-2.example.com", "/api", "wild"),
            ("a.pr-2.example.com", "/", "any"),
        ] {
            assert_eq!(service(&objects, host, path).as_deref(), Some(expected), "{host}{path}");
        }
        assert_eq!(find_route(&objects[3..], "pr-1.example.com", "/").unwrap().ingress, "web");
    }

    #[test]
    fn request_that_no_ingress_takes_has_no_route() {
        let objects = [ingress("web", "pr-1.example.com", &[("Prefix", "/api/", "api")])];
        assert_eq!(service(&objects, "pr-1.example.com", "/"), None);
        assert_eq!(service(&objects, "pr-2.example.com", "/api"), None);
        assert_eq!(service(&objects, "pr-1.example.com", "/api").as_deref(), Some("api"));
        let fallback = json!({"kind": "Ingress", "metadata": {"name": "web"},
            "spec": {"defaultBackend": {"resource": {"kind": "Bucket", "name": "files"}}}});
        let expected = Route { ingress: "web".to_owned(), service: None };
        assert_eq!(find_route([&fallback], "pr-1.example.com", "/"), Some(expected));
    }
}

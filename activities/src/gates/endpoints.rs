//! The gate that every release has: each Service behind an Ingress of the environment sends its traffic to a ready pod of
//! the new revision. Without it "live" could be a page that answers 503.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{discovery::v1::EndpointSlice, networking::v1::Ingress};
use kube::{Api, Client, ResourceExt, api::ListParams};

use berth_workflows::activity_definitions::CheckGatesInput;

use super::{Seen, pods};

/// The endpoints controller follows a pod's readiness within a second or two.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// One try.
pub(super) async fn look(client: &Client, check: &CheckGatesInput) -> Seen {
    match missing(client, check).await {
        Ok(None) => Seen::Holds,
        Ok(Some(service)) => {
            let why = format!("Service {service} is behind an Ingress and has no ready endpoint of the new revision");
            Seen::NotYet { why, pod: None }
        }
        Err(e) => Seen::NotYet { why: format!("the Kubernetes API did not answer: {e}"), pod: None },
    }
}

/// A Service behind an Ingress that has no ready pod of the release.
async fn missing(client: &Client, check: &CheckGatesInput) -> kube::Result<Option<String>> {
    let namespace = &check.environment.namespace;
    let all = ListParams::default();
    let ingresses = Api::<Ingress>::namespaced(client.clone(), namespace);
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    let (ingresses, slices, snapshot) =
        futures::try_join!(ingresses.list(&all), slices.list(&all), pods::snapshot(client, check))?;
    let ready: BTreeSet<String> = check
        .workloads
        .iter()
        .flat_map(|workload| pods::ready_pods(&snapshot, workload))
        .map(|pod| pod.name_any())
        .collect();
    let services: BTreeSet<String> = ingresses.items.iter().flat_map(services_behind).collect();
    Ok(services.into_iter().find(|service| !is_served(service, &slices.items, &ready)))
}

fn services_behind(ingress: &Ingress) -> Vec<String> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    let paths = rules.filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
    paths.filter_map(|path| path.backend.service.as_ref()).map(|service| service.name.clone()).collect()
}

fn is_served(service: &str, slices: &[EndpointSlice], ready: &BTreeSet<String>) -> bool {
    let of_service =
        |slice: &&EndpointSlice| slice.labels().get("kubernetes.io/service-name").is_some_and(|name| name == service);
    slices.iter().filter(of_service).flat_map(|slice| &slice.endpoints).any(|endpoint| {
        // No word on readiness means ready, says the API.
        let is_ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        is_ready
            && endpoint
                .target_ref
                .as_ref()
                .and_then(|target| target.name.as_ref())
                .is_some_and(|pod| ready.contains(pod))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slice(service: &str, pod: &str, ready: bool) -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}],
        }))
        .unwrap()
    }

    #[test]
    fn only_a_ready_pod_of_the_release_serves_a_service() {
        let ready = BTreeSet::from(["web-new".to_owned()]);
        assert!(is_served("web", &[slice("web", "web-new", true)], &ready));
        assert!(!is_served("web", &[slice("web", "web-new", false)], &ready));
        assert!(!is_served("web", &[slice("web", "web-old", true)], &ready));
        assert!(!is_served("web", &[slice("api", "web-new", true)], &ready));
    }

    #[test]
    fn every_service_that_an_ingress_names_is_behind_it() {
        let path = |name: &str| json!({"pathType": "Prefix", "path": "/", "backend": {"service": {"name": name, "port": {"number": 80}}}});
        let ingress = serde_json::from_value(json!({
            "metadata": {"name": "web"},
            "spec": {"rules": [{"http": {"paths": [path("web"), path("api")]}}, {"host": "x"}]},
        }));
        assert_eq!(services_behind(&ingress.unwrap()), ["web", "api"]);
    }
}

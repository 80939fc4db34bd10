//! The gate `endpoints`: every Service behind an Ingress has a ready endpoint that is a pod of the new revision.

use std::collections::BTreeMap;

use berth_workflows::activity_definitions::Workload;
use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::{Endpoint, EndpointSlice},
    networking::v1::{Ingress, IngressBackend},
};
use kube::{Api, Client, ResourceExt, api::ListParams, runtime::watcher::Config};
use tokio::time::Instant;

use super::{Checks, ENDPOINTS_DEADLINE, Stopped, Unmet};
use crate::{
    failure::Failure,
    rollout::{classify::Log, snapshot::Snapshot, watch::Watches},
};

pub(super) const NAME: &str = "endpoints";

/// A Service that an Ingress names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BehindIngress {
    pub(super) service: String,
    pub(super) ingress: String,
}

/// The Services that the namespace's Ingresses send traffic to, those aside that stand for a name elsewhere.
///
/// # Errors
/// If the API server does not answer or refuses.
pub(super) async fn services_behind_ingresses(client: &Client, namespace: &str) -> Result<Vec<BehindIngress>, Failure> {
    let failed = |error| Failure::kubernetes(format!("reading the Ingresses of namespace {namespace}"), error);
    let ingresses = Api::<Ingress>::namespaced(client.clone(), namespace);
    let ingresses = ingresses.list(&ListParams::default()).await.map_err(failed)?;
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let mut behind = Vec::new();
    for (service, ingress) in named(&ingresses.items) {
        let failed = |error| Failure::kubernetes(format!("reading Service/{service} in {namespace}"), error);
        let found = services.get_opt(&service).await.map_err(failed)?;
        let kind = found.and_then(|service| service.spec?.type_);
        if kind.as_deref() != Some("ExternalName") {
            behind.push(BehindIngress { service, ingress });
        }
    }
    Ok(behind)
}

/// Each Service that is named, with the first Ingress that names it.
fn named(ingresses: &[Ingress]) -> BTreeMap<String, String> {
    let mut services = BTreeMap::new();
    for ingress in ingresses {
        let Some(spec) = &ingress.spec else { continue };
        let paths = spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
        let backends = spec.default_backend.iter().chain(paths.map(|path| &path.backend));
        for service in backends.filter_map(|backend: &IngressBackend| backend.service.as_ref()) {
            services.entry(service.name.clone()).or_insert_with(|| ingress.name_any());
        }
    }
    services
}

/// Watches what the gate looks at.
pub(super) fn watch(watches: &mut Watches) {
    watches.open::<EndpointSlice>("endpoint slices", Config::default(), |snapshot| &mut snapshot.endpoint_slices);
}

/// Waits until every one of the Services has such an endpoint.
pub(super) async fn check(checks: &Checks<'_>, services: &[BehindIngress]) -> Result<(), Stopped> {
    let deadline = Instant::now() + ENDPOINTS_DEADLINE;
    let workloads = &checks.check.workloads;
    match checks.until_nothing(deadline, |snapshot| missing(snapshot, workloads, services)).await {
        None => Ok(()),
        Some(message) => Err(Stopped::Unmet(Box::new(Unmet {
            gate: NAME.to_owned(),
            message: format!("{message} for {} s", ENDPOINTS_DEADLINE.as_secs()),
            workload: None,
            pod: None,
            exit_code: None,
            log: Log::None,
            advice: None,
        }))),
    }
}

/// The first Service that has no such endpoint, in words.
fn missing(snapshot: &Snapshot, workloads: &[Workload], services: &[BehindIngress]) -> Option<String> {
    let serves = |service: &str| {
        snapshot
            .endpoint_slices
            .iter()
            .filter(|slice| slice.labels().get("kubernetes.io/service-name").is_some_and(|name| name == service))
            .flat_map(|slice| &slice.endpoints)
            .any(|endpoint| is_of_the_release(snapshot, workloads, endpoint))
    };
    services.iter().find(|behind| !serves(&behind.service)).map(|BehindIngress { service, ingress }| {
        format!("Service {service}, named by Ingress {ingress}, had no ready endpoint of the new revision")
    })
}

/// An endpoint that is none of the release's pods (a Service without a selector, a pod made by other hands) counts as
/// it is: there is no new revision of it.
fn is_of_the_release(snapshot: &Snapshot, workloads: &[Workload], endpoint: &Endpoint) -> bool {
    // What says nothing about readiness is to be taken for ready, as the API has it.
    let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
    let target = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    let Some(name) = target.and_then(|target| target.name.as_deref()) else { return ready };
    // Not seen yet, or gone already.
    let Some(pod) = snapshot.pods.get(name) else { return false };
    let owner = workloads.iter().find(|workload| snapshot.is_of(pod, workload));
    ready && owner.is_none_or(|owner| snapshot.new_pods(owner).iter().any(|new| new.name_any() == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::{case, pod, put, replica_set, snapshot, workload};

    fn behind() -> Vec<BehindIngress> {
        vec![BehindIngress { service: "web".into(), ingress: "web".into() }]
    }

    fn slice(pod: &str, ready: bool) -> serde_json::Value {
        json!({"kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["10.88.1.7"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}]})
    }

    #[test]
    fn only_a_ready_pod_of_the_new_revision_makes_a_service_serve() {
        let mut snapshot = snapshot("ready");
        let running = case("ready");
        put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
        put(&mut snapshot, &pod("web-4c7e-fghij", "old-uid", "web-4c7e", &running["pod"]));
        let workloads = [workload("Deployment", "web", 2)];
        let expected = "Service web, named by Ingress web, had no ready endpoint of the new revision";
        assert_eq!(missing(&snapshot, &workloads, &behind()).as_deref(), Some(expected));
        for (endpoint, serves) in [
            (slice("web-4c7e-fghij", true), false),
            (slice("web-5d8f-abcde", false), false),
            (slice("never-seen", true), false),
            (slice("web-5d8f-abcde", true), true),
        ] {
            put(&mut snapshot, &endpoint);
            assert_eq!(missing(&snapshot, &workloads, &behind()).is_none(), serves, "{endpoint}");
        }
    }

    #[test]
    fn an_endpoint_that_is_no_pod_of_the_release_counts_as_it_is() {
        let mut snapshot = snapshot("ready");
        let mut by_hand = pod("by-hand", "by-hand-uid", "none", &case("ready")["pod"]);
        by_hand["metadata"]["ownerReferences"] = json!([]);
        put(&mut snapshot, &by_hand);
        put(&mut snapshot, &slice("by-hand", true));
        assert_eq!(missing(&snapshot, &[workload("Deployment", "web", 2)], &behind()), None);
    }

    #[test]
    fn the_services_of_rules_and_of_default_backends_are_named_once() {
        let backend = |name: &str| json!({"service": {"name": name, "port": {"number": 80}}});
        let ingress: Ingress = serde_json::from_value(json!({
            "metadata": {"name": "web"},
            "spec": {
                "defaultBackend": backend("fallback"),
                "rules": [
                    {"host": "a", "http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": backend("web")}]}},
                    {"host": "b", "http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": backend("web")}]}}]},
        }))
        .unwrap();
        let names: Vec<_> = named(&[ingress.clone(), ingress]).into_keys().collect();
        assert_eq!(names, ["fallback", "web"]);
    }
}

//! The gate `endpoints`: every Service behind an Ingress has a ready endpoint that is a pod of the new revision.

use std::{collections::BTreeMap, time::Duration};

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::{ResourceExt, runtime::watcher::Config};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    gates::checks::{Checks, NotPassed, Unmet},
    rollout::{snapshot::Snapshot, watch::Watches},
};

pub(super) const NAME: &str = "endpoints";
/// The time that controllers get to list ready pods in `EndpointSlice`s. Normally they have before the rollout is done.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A Service that an Ingress refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BehindIngress {
    pub(super) service: String,
    pub(super) ingress: String,
}

/// Returns the Services that the release's Ingresses send traffic to, except those of type `ExternalName`.
///
/// The release is read, not the namespace: there may be Ingresses of a failed release, which are pruned after the
/// gates.
pub(super) fn services_behind_ingresses(objects: &[Value]) -> Vec<BehindIngress> {
    let is_elsewhere = |name: &str| {
        let mut services = of_kind(objects, "Service");
        services.any(|service| name_of(service) == name && service["spec"]["type"] == "ExternalName")
    };
    let behind = named(objects).into_iter().filter(|(service, _)| !is_elsewhere(service));
    behind.map(|(service, ingress)| BehindIngress { service, ingress }).collect()
}

/// Returns each referenced Service with the first Ingress that refers to it.
fn named(objects: &[Value]) -> BTreeMap<String, String> {
    let mut services = BTreeMap::new();
    for ingress in of_kind(objects, "Ingress") {
        let spec = &ingress["spec"];
        let paths = list(&spec["rules"]).flat_map(|rule| list(&rule["http"]["paths"]));
        let backends = std::iter::once(&spec["defaultBackend"]).chain(paths.map(|path| &path["backend"]));
        for service in backends.filter_map(|backend| backend["service"]["name"].as_str()) {
            services.entry(service.to_owned()).or_insert_with(|| name_of(ingress).to_owned());
        }
    }
    services
}

fn of_kind<'a>(objects: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Opens the watch that the gate needs.
pub(super) fn watch(watches: &mut Watches) {
    watches.open::<EndpointSlice>("endpoint slices", Config::default(), |snapshot| &mut snapshot.endpoint_slices);
}

/// Waits until each of the Services has such an endpoint.
pub(super) async fn check(checks: &Checks<'_>, services: &[BehindIngress]) -> Result<(), NotPassed> {
    let patience = checks.patience(DEADLINE);
    let deadline = Instant::now() + patience;
    let workloads = &checks.check.workloads;
    let look = |snapshot: &Snapshot| missing(snapshot, workloads, services);
    if checks.until_none(deadline, look).await.is_none() {
        return Ok(());
    }
    checks.observer.refreshed().await;
    let missing = look(&checks.current.borrow());
    match missing {
        None => Ok(()),
        Some(message) => Err(Unmet::new(NAME, format!("{message} for {} s", patience.as_secs())).into()),
    }
}

/// Describes the first Service without such an endpoint.
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
        format!("Service {service} of Ingress {ingress} had no ready endpoint of the new revision")
    })
}

/// Returns whether the endpoint is a pod of the release. Others (a Service without a selector, a pod created by hand)
/// always count, because they have no new revision.
fn is_of_the_release(snapshot: &Snapshot, workloads: &[Workload], endpoint: &Endpoint) -> bool {
    // A missing condition counts as ready, as in the API's definition.
    let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
    let target = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    let Some(name) = target.and_then(|target| target.name.as_deref()) else { return ready };
    // The pod is not listed yet, or gone already.
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
        let expected = "Service web of Ingress web had no ready endpoint of the new revision";
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
    fn an_endpoint_outside_the_release_always_counts() {
        let mut snapshot = snapshot("ready");
        let mut by_hand = pod("by-hand", "by-hand-uid", "none", &case("ready")["pod"]);
        by_hand["metadata"]["ownerReferences"] = json!([]);
        put(&mut snapshot, &by_hand);
        put(&mut snapshot, &slice("by-hand", true));
        assert_eq!(missing(&snapshot, &[workload("Deployment", "web", 2)], &behind()), None);
    }

    #[test]
    fn services_of_rules_and_default_backends_are_listed_once() {
        let backend = |name: &str| json!({"service": {"name": name, "port": {"number": 80}}});
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
        let names: Vec<_> = named(&[ingress.clone(), ingress]).into_keys().collect();
        assert_eq!(names, ["fallback", "web"]);
    }

    #[test]
    fn an_external_name_service_is_not_waited_for() {
        let service = |kind: &str| json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"type": kind}});
        let ingress = json!({"kind": "Ingress", "metadata": {"name": "web"},
            "spec": {"defaultBackend": {"service": {"name": "web"}}}});
        assert_eq!(services_behind_ingresses(&[service("ExternalName"), ingress.clone()]), []);
        assert_eq!(services_behind_ingresses(&[service("ClusterIP"), ingress.clone()]), behind());
        assert_eq!(services_behind_ingresses(&[ingress]), behind(), "one that somebody else makes");
    }
}

//! Refusals because another object has what an object asks for: a host and path, a port of the nodes, an address. An object
//! that the release no longer has keeps it until the prune, which comes after the gates: no push would ever pass.

use berth_workflows::contract::verdict::Verdict;

use super::ReleaseApply;

/// The end of ingress-nginx's refusal, before `namespace/name` of the other Ingress.
const DEFINED_IN: &str = "is already defined in ingress ";
/// Parts of the API server's refusals of a Service. They do not name the other one.
const ALLOCATED: [&str; 2] = ["provided port is already allocated", "provided IP is already allocated"];

/// Replaces the advice of a refusal if another object is the cause.
pub(super) fn advise(verdict: &mut Verdict, apply: &ReleaseApply<'_>) {
    if let Some(advice) = advice(&verdict.message, apply) {
        verdict.advice = advice;
    }
}

fn advice(message: &str, apply: &ReleaseApply<'_>) -> Option<String> {
    let namespace = &apply.environment.namespace;
    let is_wanted = |kind: &str, name: &str| {
        apply.release.objects.iter().any(|one| one["kind"] == kind && one["metadata"]["name"] == name)
    };
    if let Some((_, other)) = message.split_once(DEFINED_IN) {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/'));
        let (of, name) = other.split(ends).next()?.trim_end_matches('.').split_once('/')?;
        return Some(if of != namespace {
            format!("Ingress/{name} of namespace {of} has that host and path: choose another host, or remove it there")
        } else if is_wanted("Ingress", name) {
            format!("Ingress/{name} of the same release has that host and path: keep it in one of them")
        } else {
            leave("Ingress", name, namespace)
        });
    }
    if !ALLOCATED.iter().any(|sign| message.contains(sign)) {
        return None;
    }
    let before = apply.serving.iter().flat_map(|serving| &serving.objects);
    let services = before.filter(|one| one["kind"] == "Service").filter_map(|one| one["metadata"]["name"].as_str());
    let mut services = services.filter(|name| !is_wanted("Service", name));
    Some(match services.next() {
        Some(name) => leave("Service", name, namespace),
        None => "another Service of the cluster has it: kubectl get services -A; choose another one".to_owned(),
    })
}

/// Returns the advice on an object that the release has no longer.
fn leave(kind: &str, name: &str, namespace: &str) -> String {
    let plural = kind.to_lowercase();
    format!(
        "{kind}/{name} is not in the release any more and has it until the release serves. Keep that name, or delete it \
         first, which interrupts its traffic: kubectl delete {plural} {name} -n {namespace}; then push again"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        examples::environment,
        release::{apply_release::Mode, stored_release::StoredRelease},
    };

    fn release(objects: &[(&str, &str)]) -> StoredRelease {
        let object = |(kind, name): &(&str, &str)| -> Value { json!({"kind": kind, "metadata": {"name": name}}) };
        StoredRelease { objects: objects.iter().map(object).collect(), ..StoredRelease::empty() }
    }

    fn advice_on(message: &str) -> Option<String> {
        let environment = environment();
        let serving = release(&[("Service", "old"), ("Service", "web"), ("Ingress", "old")]);
        let release = release(&[("Service", "web"), ("Ingress", "new"), ("Ingress", "other")]);
        let apply = ReleaseApply {
            environment: &environment,
            release: &release,
            store: None,
            serving: Some(&serving),
            deploy_id: 2,
            mode: Mode::Release,
            reported: None,
            kept: None,
        };
        advice(message, &apply)
    }

    #[test]
    fn ingress_with_the_same_host_is_named_with_its_command() {
        let refusal = |other: &str| {
            format!(
                "applying Ingress/new: admission webhook \"validate.nginx.ingress.kubernetes.io\" denied the request: host \
                 \"pr-1.example.com\" and path \"/\" is already defined in ingress {other}"
            )
        };
        let own = advice_on(&refusal("pr-1/old")).unwrap();
        assert!(own.contains("kubectl delete ingress old -n pr-1; then push again"), "{own}");
        let same = advice_on(&refusal("pr-1/other\nand more")).unwrap();
        assert!(same.starts_with("Ingress/other of the same release"), "{same}");
        let foreign = advice_on(&refusal("pr-2/web.")).unwrap();
        assert!(foreign.starts_with("Ingress/web of namespace pr-2"), "{foreign}");
        assert_eq!(advice_on("host and path is already defined in ingress "), None);
    }

    #[test]
    fn service_that_keeps_a_port_or_an_address_is_named() {
        for message in [
            "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated",
            "spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: failed to allocate IP 10.96.0.9: provided IP is already allocated",
        ] {
            let advice = advice_on(message).unwrap();
            assert!(advice.contains("kubectl delete service old -n pr-1"), "{advice}");
        }
        assert_eq!(advice_on("field is immutable"), None);
    }
}

//! The network access of a script's pod: no incoming traffic, and the destinations of the pod it is modelled on. Pure.
//!
//! berth's own policies select every pod of the environment. The manifests may open destinations to the modelled pod by a
//! label that the script's pod must not have. A policy of its own opens these to the script's pod.

use std::collections::BTreeMap;

use berth_workflows::contract::script_job::StartScriptInput;
use k8s_openapi::{
    api::{
        core::v1::Service,
        networking::v1::{NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicySpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::core::{Selector, SelectorExt};

use super::job::job_labels;

pub(super) type Labels = BTreeMap<String, String>;

/// Returns a Service that would send traffic to a pod with these labels.
pub(super) fn selecting_service<'a>(services: &'a [Service], labels: &Labels) -> Option<&'a Service> {
    services.iter().find(|service| {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        })
    })
}

/// Returns the labels without those by which a Service would send traffic to a pod.
pub(super) fn without_services(mut labels: Labels, services: &[Service]) -> Labels {
    while let Some(service) = selecting_service(services, &labels) {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        labels.retain(|key, _| selector.is_none_or(|selector| !selector.contains_key(key)));
    }
    labels
}

/// Builds a policy for destinations that only the labels of the modelled pod open, not those of the script's `pod`.
/// `None` if there are none.
pub(super) fn egress_policy(
    input: &StartScriptInput,
    installation: &str,
    policies: &[NetworkPolicy],
    (modelled, pod): (&Labels, &Labels),
) -> Option<NetworkPolicy> {
    let own = job_labels(input, installation);
    let specs = policies.iter().filter_map(|policy| policy.spec.as_ref());
    let egress: Vec<NetworkPolicyEgressRule> = specs
        .filter(|spec| selects(spec, modelled) && !selects(spec, pod))
        .flat_map(|spec| spec.egress.iter().flatten().cloned())
        .collect();
    if egress.is_empty() {
        return None;
    }
    let mut policy = NetworkPolicy {
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(own.clone()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(egress),
            ingress: None,
        }),
        ..NetworkPolicy::default()
    };
    policy.metadata.name = Some(input.job.clone());
    policy.metadata.namespace = Some(input.environment.namespace.clone());
    policy.metadata.labels = Some(own);
    Some(policy)
}

fn selects(spec: &NetworkPolicySpec, labels: &Labels) -> bool {
    // The API server accepts readable selectors only. An unreadable one opens nothing.
    Selector::try_from(spec.pod_selector.clone().unwrap_or_default()).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(selector: serde_json::Value, port: u16) -> NetworkPolicy {
        serde_json::from_value(json!({"spec": {"podSelector": selector, "egress": [{"ports": [{"port": port}]}]}}))
            .unwrap()
    }

    fn input() -> StartScriptInput {
        StartScriptInput {
            environment: crate::examples::environment(),
            script: serde_json::from_value(json!({"name": "it"})).unwrap(),
            stored_release: None,
            job: "preview-web-1-script-1".into(),
            run_id: "run".into(),
        }
    }

    #[test]
    fn a_scripts_policy_opens_the_web_pods_destinations_only() {
        let web = Labels::from([("app".to_owned(), "web".to_owned())]);
        let policies = [
            policy(json!({"matchLabels": {"app": "web"}}), 5432),
            policy(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}), 6379),
            policy(json!({}), 53),
            policy(json!({"matchLabels": {"app": "other"}}), 9999),
        ];
        let own = job_labels(&input(), "berth");
        let made = egress_policy(&input(), "berth", &policies, (&web, &own)).unwrap();
        let json = serde_json::to_value(made.spec.unwrap()).unwrap();
        assert_eq!(json["egress"], json!([{"ports": [{"port": 5432}]}, {"ports": [{"port": 6379}]}]));
        assert_eq!(json["policyTypes"], json!(["Egress"]));
        assert_eq!(json["podSelector"]["matchLabels"]["berth.dev/script"], "it");
        assert_eq!(egress_policy(&input(), "berth", &policies[2..], (&web, &own)), None);
    }

    #[test]
    fn a_service_that_selects_the_scripts_pod_is_found() {
        let service = |selector: serde_json::Value| -> Service {
            serde_json::from_value(json!({"spec": {"selector": selector}})).unwrap()
        };
        let own = job_labels(&input(), "berth");
        let harmless = [service(json!({"app": "web"})), service(json!({})), service(json!(null))];
        assert_eq!(selecting_service(&harmless, &own), None);
        let all = [service(json!({"app.kubernetes.io/managed-by": "berth"}))];
        assert!(selecting_service(&all, &own).is_some());
    }

    #[test]
    fn destinations_that_a_kept_label_opens_need_no_policy() {
        let modelled = Labels::from([("app".to_owned(), "web".to_owned()), ("role".to_owned(), "cron".to_owned())]);
        let pod = Labels::from([("role".to_owned(), "cron".to_owned())]);
        let policies = [
            policy(json!({"matchLabels": {"role": "cron"}}), 6379),
            policy(json!({"matchLabels": {"app": "web"}}), 5432),
        ];
        let made = egress_policy(&input(), "berth", &policies, (&modelled, &pod)).unwrap();
        assert_eq!(serde_json::to_value(made.spec.unwrap()).unwrap()["egress"], json!([{"ports": [{"port": 5432}]}]));
        assert_eq!(egress_policy(&input(), "berth", &policies[..1], (&modelled, &pod)), None);
    }

    #[test]
    fn labels_that_a_service_selects_are_left_out() {
        let service = |selector: serde_json::Value| -> Service {
            serde_json::from_value(json!({"spec": {"selector": selector}})).unwrap()
        };
        let labels = |value: serde_json::Value| -> Labels { serde_json::from_value(value).unwrap() };
        let all = labels(json!({"app": "web", "tier": "front", "team": "a", "role": "cron"}));
        let services = [
            service(json!({"app": "web", "tier": "front"})),
            service(json!({"team": "a"})),
            service(json!({"role": "web"})),
            service(json!({})),
            service(json!(null)),
        ];
        assert_eq!(without_services(all.clone(), &services), labels(json!({"role": "cron"})));
        assert_eq!(without_services(all.clone(), &services[2..]), all);
    }
}

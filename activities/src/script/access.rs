//! Who may talk with a script's pod: nobody new, and it may reach what the web pod reaches. Pure.
//!
//! berth's own policies select every pod of the environment. What the manifests allow to the web pod alone, by a label that
//! the script's pod must not have, is given to it by a policy of its own.

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

use super::job::labels_of;

type Labels = BTreeMap<String, String>;

/// A Service that would send traffic to a pod with these labels.
pub(super) fn selected_by<'a>(services: &'a [Service], labels: &Labels) -> Option<&'a Service> {
    services.iter().find(|service| {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        })
    })
}

/// A policy that lets the script's pod out to where only the web pod's labels let one, if there is such a place.
pub(super) fn as_the_web_pod(
    input: &StartScriptInput,
    installation: &str,
    policies: &[NetworkPolicy],
    web: &Labels,
) -> Option<NetworkPolicy> {
    let own = labels_of(input, installation);
    let specs = policies.iter().filter_map(|policy| policy.spec.as_ref());
    let egress: Vec<NetworkPolicyEgressRule> = specs
        .filter(|spec| selects(spec, web) && !selects(spec, &own))
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
    // One that the API server took can be read; what cannot be is not widened.
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
            environment: crate::secrets::example_environment(),
            script: serde_json::from_value(json!({"name": "it"})).unwrap(),
            job: "preview-web-1-script-1".into(),
            run_id: "run".into(),
        }
    }

    #[test]
    fn the_script_may_go_where_only_the_web_pods_labels_let_one_and_nowhere_else() {
        let web = Labels::from([("app".to_owned(), "web".to_owned())]);
        let policies = [
            policy(json!({"matchLabels": {"app": "web"}}), 5432),
            policy(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}), 6379),
            policy(json!({}), 53),
            policy(json!({"matchLabels": {"app": "other"}}), 9999),
        ];
        let made = as_the_web_pod(&input(), "berth", &policies, &web).unwrap();
        let json = serde_json::to_value(made.spec.unwrap()).unwrap();
        assert_eq!(json["egress"], json!([{"ports": [{"port": 5432}]}, {"ports": [{"port": 6379}]}]));
        assert_eq!(json["policyTypes"], json!(["Egress"]));
        assert_eq!(json["podSelector"]["matchLabels"]["berth.dev/script"], "it");
        assert_eq!(as_the_web_pod(&input(), "berth", &policies[2..], &web), None);
    }

    #[test]
    fn a_service_that_would_send_it_traffic_is_seen() {
        let service = |selector: serde_json::Value| -> Service {
            serde_json::from_value(json!({"spec": {"selector": selector}})).unwrap()
        };
        let own = labels_of(&input(), "berth");
        let harmless = [service(json!({"app": "web"})), service(json!({})), service(json!(null))];
        assert_eq!(selected_by(&harmless, &own), None);
        let all = [service(json!({"app.kubernetes.io/managed-by": "berth"}))];
        assert!(selected_by(&all, &own).is_some());
    }
}

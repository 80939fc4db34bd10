//! `NetworkPolicy` objects that open more than an environment may have.

use serde_json::{Value, json};

use super::*;

fn policy(spec: &Value) -> Value {
    object("networking.k8s.io/v1", "NetworkPolicy", spec.clone())
}

/// The rules of a preview's policy as applied, and the fields of its notes.
fn narrowed(spec: &Value) -> (Value, Vec<String>) {
    let (mut objects, findings) = checked(policy(spec), &preview_policy());
    assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{findings:?}");
    let fields = findings.into_iter().map(|finding| finding.field.unwrap_or_default()).collect();
    (objects.remove(0).document["spec"].clone(), fields)
}

/// What a preview's egress rule becomes.
fn egress(rule: &Value) -> (Vec<Value>, Vec<String>) {
    let (spec, fields) = narrowed(&json!({"podSelector": {}, "egress": [rule]}));
    (spec["egress"].as_array().unwrap().clone(), fields)
}

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

fn of_namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

#[test]
fn preview_egress_to_every_address_is_narrowed_to_public_ones() {
    let everywhere = json!({"to": [block("0.0.0.0/0"), block("::/0")], "ports": [{"port": 443}]});
    for rule in [json!({"ports": [{"port": 443}]}), json!({"to": [], "ports": [{"port": 443}]}), everywhere] {
        let (rules, fields) = egress(&rule);
        assert_eq!(rules[0]["ports"], json!([{"port": 443}]));
        let except = |index: usize| rules[0]["to"][index]["ipBlock"]["except"].to_string();
        for closed in ["10.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "192.168.0.0/16", "100.64.0.0/10"] {
            assert!(except(0).contains(closed), "{closed}: {rules:?}");
        }
        assert!(except(1).contains("fc00::/7") && except(1).contains("fe80::/10"), "{rules:?}");
        assert!(fields[0].starts_with("spec.egress[0]"), "{fields:?}");
    }
}

#[test]
fn preview_egress_to_private_networks_is_left_out() {
    for cidr in ["10.20.0.5/32", "10.0.0.0/8", "172.20.0.0/16", "169.254.169.254/32", "168.63.129.16/32", "fd00::/8"] {
        let (rules, fields) = egress(&json!({"to": [block(cidr), block("1.1.1.1/32")]}));
        assert_eq!(
            (rules, fields),
            (vec![json!({"to": [block("1.1.1.1/32")]})], vec!["spec.egress[0].to[0]".to_owned()])
        );
        let (rules, fields) = egress(&json!({"to": [block(cidr)]}));
        assert_eq!((rules, fields), (vec![], vec!["spec.egress[0].to[0]".to_owned()]), "no peer would mean every peer");
    }
}

#[test]
fn closed_networks_of_a_block_are_excepted_once() {
    let own = json!({"ipBlock": {"cidr": "8.0.0.0/6", "except": ["8.8.0.0/16", "10.0.0.0/7"]}});
    assert_eq!(egress(&json!({"to": [own]})), (vec![json!({"to": [own]})], vec![]));
    let own = json!({"ipBlock": {"cidr": "8.0.0.0/6", "except": ["8.8.0.0/16"]}});
    let (rules, fields) = egress(&json!({"to": [own]}));
    assert_eq!(rules[0]["to"][0]["ipBlock"]["except"], json!(["8.8.0.0/16", "10.0.0.0/8"]));
    assert_eq!(fields, ["spec.egress[0].to[0]"]);
    let told = PolicyInput { closed: vec!["203.0.113.0/24".parse().unwrap()], ..preview_policy() };
    let (objects, findings) = checked(policy(&json!({"egress": [{"to": [block("203.0.0.0/16")]}]})), &told);
    let to = &objects[0].document["spec"]["egress"][0]["to"];
    assert_eq!((&to[0]["ipBlock"]["except"], findings.len()), (&json!(["203.0.113.0/24"]), 1));
}

#[test]
fn preview_egress_to_other_namespaces_is_left_out() {
    for peer in [
        json!({"namespaceSelector": {}}),
        json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}),
        json!({"namespaceSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "berth"}}}),
        of_namespace("pr-124"),
        of_namespace("kube-system"),
    ] {
        let (rules, fields) = egress(&json!({"to": [peer], "ports": [{"port": 80}]}));
        assert_eq!((rules, fields), (vec![], vec!["spec.egress[0].to[0]".to_owned()]), "{peer}");
    }
    let dns = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    for rule in [
        json!({"to": [{"podSelector": {"matchLabels": {"app": "redis"}}}]}),
        json!({"to": [of_namespace("pr-123")]}),
        json!({"to": [of_namespace("kube-system")], "ports": dns}),
        json!({"to": [block("1.1.1.1/32")], "ports": dns}),
    ] {
        assert_eq!(egress(&rule), (vec![rule.clone()], vec![]));
    }
}

#[test]
fn preview_gets_no_dns_of_every_address() {
    let ports = json!([{"port": 53, "protocol": "UDP"}]);
    for rule in [json!({"ports": ports}), json!({"to": [block("0.0.0.0/0")], "ports": ports})] {
        let (rules, fields) = egress(&rule);
        assert_eq!((rules, fields.len()), (vec![], 1), "{rule}");
    }
}

#[test]
fn preview_ingress_from_every_namespace_is_left_out() {
    let every = [
        json!({"namespaceSelector": {}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}}),
    ];
    for peer in every {
        let (spec, fields) = narrowed(&json!({"ingress": [{"from": [peer, of_namespace("monitoring")]}]}));
        assert_eq!(spec["ingress"], json!([{"from": [of_namespace("monitoring")]}]));
        assert_eq!(fields, ["spec.ingress[0].from[0]"]);
        let (spec, _) = narrowed(&json!({"ingress": [{"from": [peer]}]}));
        assert_eq!(spec["ingress"], json!([]), "no peer would mean every peer");
    }
}

#[test]
fn narrowing_twice_changes_nothing_more() {
    let spec = json!({"ingress": [{"from": [{"namespaceSelector": {}}]}], "egress": [
        {}, {"to": [block("0.0.0.0/0"), block("10.1.1.1/32"), block("8.0.0.0/6")]},
        {"to": [{"namespaceSelector": {}}]}, {"to": [{"podSelector": {}}]},
    ]});
    let (once, notes) = narrowed(&spec);
    assert_eq!((narrowed(&once), notes.len()), ((once, vec![]), 6));
}

#[test]
fn production_policy_is_applied_as_written() {
    let spec = json!({"egress": [{}, {"to": [{"namespaceSelector": {}}, block("10.0.0.0/8"), block("0.0.0.0/0")]}]});
    let (objects, _) = checked(policy(&spec), &production_policy());
    assert_eq!(objects[0].document["spec"], spec);
}

#[test]
fn open_policy_is_one_warning_that_says_what_it_opens() {
    let metadata = "it allows traffic to every address, including the cloud's metadata service and other environments";
    let others = "it allows traffic to every address, including other environments";
    let from = "it allows traffic from every other environment";
    let every = json!([{"namespaceSelector": {}}]);
    for (spec, expected) in [
        (json!({"egress": [{"to": [{"podSelector": {}}]}]}), None),
        (json!({"egress": [{"to": [block("10.0.0.0/8")]}]}), None),
        (json!({"egress": [{}]}), Some(format!("has no `to`: {metadata}"))),
        (
            json!({"egress": [{"ports": [{"port": 443}, {"port": 6379}]}]}),
            Some(format!("has no `to`: {others}, on port 443, 6379")),
        ),
        (json!({"egress": [{"ports": [{"port": 53}]}]}), Some(format!("has no `to`: {others}, on port 53"))),
        (
            json!({"egress": [{"ports": [{"port": 1, "endPort": 1000}]}]}),
            Some(format!("has no `to`: {metadata}, on port 1 to 1000")),
        ),
        (json!({"egress": [{"to": [block("0.0.0.0/0")]}]}), Some(format!("has every address in its `to`: {metadata}"))),
        (
            json!({"egress": [{"to": every}]}),
            Some("has every namespace in its `to`: it allows traffic to every other environment".to_owned()),
        ),
        (
            json!({"ingress": [{"ports": [{"port": "http"}]}], "egress": [{"ports": [{"port": 443}]}]}),
            Some(format!("has no `from`: {from}, on port http; has no `to`: {others}, on port 443")),
        ),
        (json!({"ingress": [{"from": every}]}), Some(format!("has every namespace in its `from`: {from}"))),
    ] {
        let (_, findings) = checked(policy(&spec), &production_policy());
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:?}");
        let messages: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
        assert_eq!(messages, Vec::from_iter(expected), "{spec}");
    }
    for from in [json!([]), json!([block("0.0.0.0/0")])] {
        let (_, findings) = checked(policy(&json!({"ingress": [{"from": from}]})), &preview_policy());
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.field.as_deref()), (Severity::Warning, Some("spec.ingress[0]")));
    }
}

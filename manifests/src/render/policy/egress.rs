//! A preview's `NetworkPolicy` objects: rules to closed networks and other namespaces are narrowed or left out.
//!
//! These objects only add to what is allowed, so each would undo a part of berth's own.

use serde_json::{Value, json};

use super::{ObjectReport, PolicyInput, metadata::is_empty, pods};
use crate::{
    network::{EVERYWHERE, Network, ip_block, peers},
    render::{object::Object, variables::EnvironmentKind},
};

const ADVICE: &str = "the app file's `isolation.egress_allow` opens a network";
const METADATA_NAME: &str = "kubernetes.io/metadata.name";
const DNS_PORT: u64 = 53;
const OTHER_DNS: &str = "is left out: berth opens the cluster's DNS, and port 53 of no other address";
const OPEN_TO_ALL: &str = "is left out: it lets pods of every namespace in. berth lets in the environment's own pods and the \
                           ingress controller; name another namespace by its labels";

/// The result for a rule, or for one of its peers.
#[derive(Debug, PartialEq)]
enum Fate {
    Kept,
    /// It becomes this, for the reason.
    Changed(Value, String),
    /// It is removed, for the reason.
    LeftOut(String),
}

/// Notes what [`complete`] changes.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    for (field, fate) in fates(report.object, report.input) {
        if let Fate::Changed(_, why) | Fate::LeftOut(why) = fate {
            report.note(&field, why);
        }
    }
}

/// Changes a preview's `NetworkPolicy`.
pub(super) fn complete(object: &mut Object, input: &PolicyInput) {
    if !is_narrowed(object, input) {
        return;
    }
    for (direction, side) in SIDES {
        let Some(rules) = object.document.pointer(&format!("/spec/{direction}")).and_then(Value::as_array) else {
            continue;
        };
        let rules = rules.iter().filter_map(|rule| match rule_outcome(rule, direction, side, input) {
            Outcome::Whole(Fate::Kept) => Some(rule.clone()),
            Outcome::Whole(Fate::Changed(rule, _)) => Some(rule),
            Outcome::Whole(Fate::LeftOut(_)) => None,
            Outcome::Peers(peers) => without(rule, side, peers),
        });
        let rules: Vec<Value> = rules.collect();
        if let Some(spec) = object.document.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert(direction.to_owned(), Value::from(rules));
        }
    }
}

pub(super) const SIDES: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

fn is_narrowed(object: &Object, input: &PolicyInput) -> bool {
    input.environment_kind == EnvironmentKind::Preview && object.kind() == "NetworkPolicy"
}

/// The fates of a policy's rules and peers, by their field.
fn fates(object: &Object, input: &PolicyInput) -> Vec<(String, Fate)> {
    let mut fates = Vec::new();
    if !is_narrowed(object, input) {
        return fates;
    }
    for (direction, side) in SIDES {
        for (index, rule) in pods::items(object.document.pointer(&format!("/spec/{direction}"))) {
            let field = format!("spec.{direction}[{index}]");
            match rule_outcome(rule, direction, side, input) {
                Outcome::Whole(fate) => fates.push((field, fate)),
                Outcome::Peers(peers) => {
                    let peers = peers.into_iter().enumerate();
                    fates.extend(peers.map(|(index, fate)| (format!("{field}.{side}[{index}]"), fate)));
                }
            }
        }
    }
    fates
}

/// The result for a rule as a whole, or for each of its peers.
enum Outcome {
    Whole(Fate),
    Peers(Vec<Fate>),
}

fn rule_outcome(rule: &Value, direction: &str, side: &str, input: &PolicyInput) -> Outcome {
    let is_egress = direction == "egress";
    let is_open = rule.get(side).is_none_or(is_empty);
    if is_open {
        return Outcome::Whole(if is_egress { open_egress_fate(rule, input) } else { Fate::Kept });
    }
    let is_dns = is_dns(rule);
    let fate = |(_, peer): (usize, &Value)| match is_egress {
        true => egress_peer_fate(peer, is_dns, input),
        false if is_every_namespace(peer) => Fate::LeftOut(OPEN_TO_ALL.to_owned()),
        false => Fate::Kept,
    };
    Outcome::Peers(pods::items(rule.get(side)).map(fate).collect())
}

/// The rule without the peers that are left out; `None` without any. A rule without peers would allow every peer.
fn without(rule: &Value, side: &str, fates: Vec<Fate>) -> Option<Value> {
    let peers = pods::items(rule.get(side)).zip(fates);
    let peers = peers.filter_map(|((_, peer), fate)| match fate {
        Fate::Kept => Some(peer.clone()),
        Fate::Changed(peer, _) => Some(peer),
        Fate::LeftOut(_) => None,
    });
    let peers: Vec<Value> = peers.collect();
    let mut rule = rule.clone();
    let map = rule.as_object_mut().filter(|_| !peers.is_empty())?;
    map.insert(side.to_owned(), Value::from(peers));
    Some(rule)
}

/// Narrows a rule to every address.
fn open_egress_fate(rule: &Value, input: &PolicyInput) -> Fate {
    if is_dns(rule) {
        return Fate::LeftOut(OTHER_DNS.to_owned());
    }
    let mut narrowed = rule.clone();
    let Some(map) = narrowed.as_object_mut() else { return Fate::Kept };
    let public = peers(&EVERYWHERE, &input.closed);
    if public.is_empty() {
        return Fate::LeftOut(format!("is left out: every network is closed in previews; {ADVICE}"));
    }
    map.insert("to".to_owned(), Value::from(public));
    let why = "has no `to`: it is narrowed to public addresses. Other environments, the cluster, private networks and the \
               cloud's metadata service stay closed";
    Fate::Changed(narrowed, format!("{why}; {ADVICE}"))
}

fn egress_peer_fate(peer: &Value, is_dns: bool, input: &PolicyInput) -> Fate {
    if let Some(block) = peer.get("ipBlock").filter(|block| !block.is_null()) {
        return block_fate(block, is_dns, input);
    }
    let Some(selector) = peer.get("namespaceSelector").filter(|selector| !selector.is_null()) else {
        return Fate::Kept;
    };
    let name = selector.pointer(&format!("/matchLabels/{}", METADATA_NAME.replace('/', "~1"))).and_then(Value::as_str);
    match name {
        Some(name) if name == input.namespace => Fate::Kept,
        // berth opens DNS there as well.
        Some("kube-system") if is_dns => Fate::Kept,
        _ => Fate::LeftOut(format!(
            "is left out: it leads to other namespaces. berth opens the environment's own pods, the cluster's DNS and, with \
             `egress: internet`, the ingress controller; {ADVICE}"
        )),
    }
}

fn block_fate(block: &Value, is_dns: bool, input: &PolicyInput) -> Fate {
    let cidr = block.get("cidr").and_then(Value::as_str).unwrap_or_default();
    // The API server refuses text that is no network.
    let Some(network) = cidr.parse::<ipnet::IpNet>().ok().map(|network| network.trunc()) else { return Fate::Kept };
    if is_dns && EVERYWHERE.contains(&network) {
        return Fate::LeftOut(OTHER_DNS.to_owned());
    }
    let Some(mut narrowed) = ip_block(network, &input.closed) else {
        return Fate::LeftOut(format!("is left out: {cidr} is not public, and closed in previews; {ADVICE}"));
    };
    let Some(added) = narrowed.get("except").and_then(Value::as_array).cloned() else { return Fate::Kept };
    let own: Vec<Value> = pods::items(block.get("except")).map(|(_, network)| network.clone()).collect();
    let is_excepted = |network: &Value| own.iter().any(|own| contains(own, network));
    let added: Vec<Value> = added.into_iter().filter(|network| !is_excepted(network)).collect();
    if added.is_empty() {
        return Fate::Kept;
    }
    let names: Vec<_> = added.iter().filter_map(Value::as_str).collect();
    let why = format!("is narrowed: {} stay closed in previews; {ADVICE}", names.join(", "));
    // Kubernetes takes one network within another.
    narrowed["cidr"] = json!(cidr);
    narrowed["except"] = Value::from([own, added].concat());
    Fate::Changed(json!({"ipBlock": narrowed}), why)
}

/// Whether a network contains another.
fn contains(network: &Value, other: &Value) -> bool {
    let parse = |value: &Value| value.as_str().and_then(|text| text.parse::<Network>().ok());
    parse(network).zip(parse(other)).is_some_and(|(network, other)| network.0.contains(&other.0))
}

/// Whether a peer is the pods of every namespace, or of all but some.
pub(super) fn is_every_namespace(peer: &Value) -> bool {
    let is_broad = |expression: &Value| match expression["operator"].as_str() {
        Some("NotIn" | "DoesNotExist") => true,
        Some("Exists") => expression["key"] == METADATA_NAME,
        _ => false,
    };
    let selector = peer.get("namespaceSelector").filter(|selector| !selector.is_null());
    selector.is_some_and(|selector| {
        selector.get("matchLabels").is_none_or(is_empty)
            && pods::items(selector.get("matchExpressions")).all(|(_, expression)| is_broad(expression))
    })
}

/// Whether a rule is about DNS alone.
fn is_dns(rule: &Value) -> bool {
    let mut ports = pods::items(rule.get("ports")).peekable();
    ports.peek().is_some()
        && ports.all(|(_, port)| port["port"].as_u64() == Some(DNS_PORT) && port["endPort"].is_null())
}

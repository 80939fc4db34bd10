//! `NetworkPolicy` objects that are open to all: a warning.

use serde_json::Value;

use super::{ObjectReport, egress, metadata::is_empty, pods};

/// Warns about an open `NetworkPolicy`. These objects only add to what is allowed, so an app's policy can undo berth's. Teams
/// have such policies and are responsible for them in production. In previews [`super::egress`] narrows what leads out.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    let spec = report.object.document.get("spec").unwrap_or(&Value::Null);
    let is_preview = report.is_preview();
    let open: Vec<_> = egress::SIDES
        .into_iter()
        .filter(|(direction, _)| !is_preview || *direction == "ingress")
        .flat_map(|(direction, peers)| {
            pods::items(spec.get(direction)).filter_map(move |(index, rule)| {
                let why = openness(rule, peers, is_preview)?;
                Some((format!("spec.{direction}[{index}]"), format!("{why}{}", opened(direction, rule))))
            })
        })
        .collect();
    if let Some((field, _)) = open.first() {
        let opened: Vec<_> = open.iter().map(|(_, what)| what.as_str()).collect();
        report.warn(field, opened.join("; "));
    }
}

/// Why a rule is open to all, if it is. In a preview the peer of every namespace is left out.
fn openness(rule: &Value, peers: &str, is_preview: bool) -> Option<String> {
    if rule.get(peers).is_none_or(is_empty) {
        return Some(format!("has no `{peers}`"));
    }
    let is_everywhere = |peer: &Value| matches!(peer["ipBlock"]["cidr"].as_str(), Some("0.0.0.0/0" | "::/0"));
    let has = |is_open: &dyn Fn(&Value) -> bool| pods::items(rule.get(peers)).any(|(_, peer)| is_open(peer));
    if has(&is_everywhere) {
        return Some(format!("has every address in its `{peers}`"));
    }
    (!is_preview && has(&egress::is_every_namespace)).then(|| format!("has every namespace in its `{peers}`"))
}

/// Describes the traffic that an open rule allows.
fn opened(direction: &str, rule: &Value) -> String {
    let ports: Vec<_> = pods::items(rule.get("ports")).map(|(_, port)| ports_of(port)).collect();
    let on_ports = match ports.as_slice() {
        [] => String::new(),
        ports => format!(", on port {}", ports.join(", ")),
    };
    // The metadata service of a cloud answers on port 80.
    let reaches_metadata = ports.is_empty() || pods::items(rule.get("ports")).any(|(_, port)| has_port(port, 80));
    let by_namespace = pods::items(rule.get("to")).all(|(_, peer)| peer.get("namespaceSelector").is_some());
    let traffic = match direction {
        "ingress" => "from every other environment",
        _ if by_namespace && rule.get("to").is_some_and(|to| !is_empty(to)) => "to every other environment",
        _ if reaches_metadata => "to every address, including the cloud's metadata service and other environments",
        _ => "to every address, including other environments",
    };
    format!(": it allows traffic {traffic}{on_ports}")
}

/// A port of a rule in words: a number, a name or a range; `any` if only the protocol is given.
fn ports_of(port: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match (port.get("port"), port.get("endPort")) {
        (Some(first), Some(last)) => format!("{} to {}", text(first), text(last)),
        (Some(port), None) => text(port),
        (None, _) => "any".to_owned(),
    }
}

fn has_port(port: &Value, number: u64) -> bool {
    let is_tcp = port.get("protocol").is_none_or(|protocol| protocol.is_null() || protocol == "TCP");
    let (first, last) = (port.get("port"), port.get("endPort"));
    let within = match first {
        None | Some(Value::Null) => true,
        // A name is a port of the pods, of which nobody knows the number here.
        Some(Value::String(_)) => true,
        Some(first) => {
            let first = first.as_u64().unwrap_or_default();
            (first..=last.and_then(Value::as_u64).unwrap_or(first)).contains(&number)
        }
    };
    is_tcp && within
}

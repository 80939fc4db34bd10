//! Fields that bind an object to one thing of the cluster: an address, a port of the nodes, a volume.
//!
//! Manifests that come from `kubectl get -o yaml` have them. Only one environment can have that thing, and a volume holds data of
//! its earlier owner, so a preview's objects lose these fields. In production they stay.

use serde_json::Value;

use super::{
    ObjectReport, PolicyInput,
    metadata::{is_empty, is_set},
    pods,
};
use crate::render::{
    object::{Object, pointer_of},
    template::child,
    variables::EnvironmentKind,
};

const ADDRESS: &str = "a preview's Service gets an address of its own";
const NODE_PORT: &str = "a preview gets no port of the nodes";
const VOLUME: &str = "a preview's claim gets an empty volume of its own";

/// Annotations of a claim that has its volume. Without `volumeName`, a claim with the first would count as lost.
const OF_BOUND_CLAIM: [&str; 3] =
    ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node"];

/// A field that is left out of a preview.
struct BoundField {
    /// The path of the mapping that has the field.
    parent: String,
    key: &'static str,
    /// The reason, unless a note about another field has it.
    why: Option<&'static str>,
}

/// Notes each field that is left out of a preview.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    if !report.is_preview() {
        return;
    }
    for BoundField { parent, key, why } in bound_fields(report.object) {
        if let Some(why) = why {
            report.note(&child(&parent, key), format!("is left out: {why}"));
        }
    }
}

/// Removes these fields from an object of a preview.
pub(super) fn complete(object: &mut Object, input: &PolicyInput) {
    if input.environment_kind != EnvironmentKind::Preview {
        return;
    }
    for BoundField { parent, key, .. } in bound_fields(object) {
        let pointer = pointer_of(&parent);
        if let Some(map) = object.document.pointer_mut(&pointer).and_then(Value::as_object_mut) {
            map.remove(key);
        }
    }
}

fn bound_fields(object: &Object) -> Vec<BoundField> {
    match object.kind() {
        "Service" => of_service(object),
        _ => claims(object).into_iter().flat_map(|(claim, path)| of_claim(claim, &path)).collect(),
    }
}

fn of_service(service: &Object) -> Vec<BoundField> {
    let spec = service.document.get("spec").unwrap_or(&Value::Null);
    let field = |parent: &str, key, why| BoundField { parent: parent.to_owned(), key, why };
    let is_fixed = |address: &Value| !is_empty(address) && address != "None";
    let has_address = spec.get("clusterIP").is_some_and(is_fixed);
    let mut fields = Vec::new();
    if has_address {
        fields.push(field("spec", "clusterIP", Some(ADDRESS)));
    }
    if pods::items(spec.get("clusterIPs")).any(|(_, address)| is_fixed(address)) {
        fields.push(field("spec", "clusterIPs", (!has_address).then_some(ADDRESS)));
    }
    let is_port = |port: &Value| is_set(port) && port != 0;
    if spec.get("healthCheckNodePort").is_some_and(is_port) {
        fields.push(field("spec", "healthCheckNodePort", Some(NODE_PORT)));
    }
    for (index, port) in pods::items(spec.get("ports")) {
        if port.get("nodePort").is_some_and(is_port) {
            fields.push(field(&format!("spec.ports[{index}]"), "nodePort", Some(NODE_PORT)));
        }
    }
    fields
}

fn of_claim(claim: &Value, path: &str) -> Vec<BoundField> {
    let mut fields = Vec::new();
    let has_volume = claim.pointer("/spec/volumeName").is_some_and(|name| !is_empty(name));
    if has_volume {
        fields.push(BoundField { parent: child(path, "spec"), key: "volumeName", why: Some(VOLUME) });
    }
    let annotations = claim.pointer("/metadata/annotations").and_then(Value::as_object);
    let of_bound = OF_BOUND_CLAIM.into_iter().filter(|key| annotations.is_some_and(|map| map.contains_key(*key)));
    fields.extend(of_bound.enumerate().map(|(index, key)| BoundField {
        parent: format!("{}.annotations", child(path, "metadata")),
        key,
        why: (index == 0 && !has_volume).then_some(VOLUME),
    }));
    fields
}

/// The claims of an object and of its ephemeral volumes, with the path of each.
fn claims(object: &Object) -> Vec<(&Value, String)> {
    let mut claims: Vec<_> = pods::claims(object).collect();
    for (spec, path) in pods::specs(object) {
        claims.extend(pods::items(spec.get("volumes")).filter_map(|(index, volume)| {
            let claim = volume.pointer("/ephemeral/volumeClaimTemplate")?;
            Some((claim, format!("{path}.volumes[{index}].ephemeral.volumeClaimTemplate")))
        }));
    }
    claims
}

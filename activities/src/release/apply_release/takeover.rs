//! The takeover of fields that a client-side `kubectl apply` has set, after kubectl's own migration.
//!
//! Client-side apply is an ordinary update with a manager name of its own. A field that both it and berth own would
//! stay when berth's manifest drops it. So its entry in `managedFields` is merged into berth's.
//!
//! Fields without an owner are taken over, too, where the new document forbids them: the apply then removes them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::ResourceExt;
use serde_json::{Map, Value};

use super::{desired::forbidden_defaults, target::Target};
use crate::kubernetes::labels;

const LAST_APPLIED: &str = "/f:metadata/f:annotations/f:kubectl.kubernetes.io~1last-applied-configuration";
const CLIENT_SIDE: &str = "kubectl-client-side-apply";
/// The texts of a Secret, as an apply of an earlier berth recorded them. The API server keeps them under `data`.
const STRING_DATA: &str = "f:stringData";

/// Returns the managed fields that the object in the cluster must have before the apply. `None` if it has them, or if there
/// is no object.
pub(super) fn before_apply(target: &Target) -> Option<Vec<ManagedFieldsEntry>> {
    let live = target.live.as_ref()?;
    taken_over(live.managed_fields(), forbidden_defaults(&target.object.document, &live.data))
}

/// Returns the managed fields with those of client-side apply and `more` ones merged into berth's. `None` if that changes
/// nothing.
fn taken_over(managed: &[ManagedFieldsEntry], more: Option<Map<String, Value>>) -> Option<Vec<ManagedFieldsEntry>> {
    let berths = managed.iter().find(|entry| is_berths(entry));
    let client_side = managed.iter().find(|entry| is_client_side(entry));
    let has_string_data =
        berths.and_then(|entry| entry.fields_v1.as_ref()).is_some_and(|fields| fields.0.get(STRING_DATA).is_some());
    // An object that berth has not applied has no leftover of its applies.
    let first = client_side.or_else(|| berths.filter(|_| more.is_some() || has_string_data))?;
    let mut berths = berths.cloned().unwrap_or_else(|| ManagedFieldsEntry {
        manager: Some(labels::FIELD_MANAGER.to_owned()),
        operation: Some("Apply".to_owned()),
        fields_v1: None,
        ..first.clone()
    });
    let mut fields = berths.fields_v1.take().map_or_else(Map::new, |FieldsV1(fields)| as_map(fields));
    if let Some(keys) = fields.remove(STRING_DATA) {
        unite(&mut fields, Map::from_iter([("f:data".to_owned(), keys)]));
    }
    unite(&mut fields, more.unwrap_or_default());
    for entry in managed.iter().filter(|entry| is_client_side(entry)) {
        // Fields of another API version may have other names. kubectl drops them, too.
        if let Some(FieldsV1(theirs)) = entry.fields_v1.clone().filter(|_| entry.api_version == berths.api_version) {
            unite(&mut fields, as_map(theirs));
        }
    }
    berths.fields_v1 = Some(FieldsV1(Value::Object(fields)));
    let others = managed.iter().filter(|entry| !is_client_side(entry) && !is_berths(entry)).cloned();
    Some(others.chain([berths]).collect())
}

fn is_berths(entry: &ManagedFieldsEntry) -> bool {
    is(entry, "Apply") && entry.manager.as_deref() == Some(labels::FIELD_MANAGER)
}

/// Detects client-side apply by kubectl's default manager name, or by the annotation that only client-side apply
/// writes.
fn is_client_side(entry: &ManagedFieldsEntry) -> bool {
    let has_annotation = || entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(LAST_APPLIED).is_some());
    is(entry, "Update") && (entry.manager.as_deref() == Some(CLIENT_SIDE) || has_annotation())
}

fn is(entry: &ManagedFieldsEntry, operation: &str) -> bool {
    entry.operation.as_deref() == Some(operation) && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

fn as_map(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Merges two sets of paths. An empty map is a path that ends there. A path that ends and also continues has a `.`
/// entry.
fn unite(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, theirs) in from {
        let Some(ours) = into.get_mut(&key).and_then(Value::as_object_mut) else {
            into.insert(key, theirs);
            continue;
        };
        let theirs = as_map(theirs);
        let one_ends = ours.is_empty() != theirs.is_empty();
        unite(ours, theirs);
        if one_ends {
            ours.insert(".".to_owned(), Value::Object(Map::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> ManagedFieldsEntry {
        serde_json::from_value(json!({"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields,
            "manager": manager, "operation": operation}))
        .unwrap()
    }

    fn fields<'a>(managed: &'a [ManagedFieldsEntry], manager: &str) -> &'a Value {
        &managed.iter().find(|entry| entry.manager.as_deref() == Some(manager)).unwrap().fields_v1.as_ref().unwrap().0
    }

    #[test]
    fn fields_of_client_side_apply_become_berths() {
        let managed = [
            entry("berth", "Apply", json!({"f:data": {"f:a": {}}})),
            entry("kubectl-client-side-apply", "Update", json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}})),
            entry("kubectl-edit", "Update", json!({"f:data": {"f:c": {}}})),
        ];
        let after = taken_over(&managed, None).unwrap();
        assert_eq!(after.len(), 2);
        assert_eq!(*fields(&after, "berth"), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        assert_eq!(*fields(&after, "kubectl-edit"), json!({"f:data": {"f:c": {}}}));
        assert_eq!(taken_over(&after, None), None, "done once");
    }

    #[test]
    fn an_object_without_fields_of_berth_gets_them() {
        let managed = [entry("kubectl-client-side-apply", "Update", json!({"f:data": {"f:a": {}}}))];
        let after = taken_over(&managed, None).unwrap();
        assert_eq!(after, [entry("berth", "Apply", json!({"f:data": {"f:a": {}}}))]);
    }

    #[test]
    fn client_side_apply_with_another_manager_is_detected() {
        let annotation =
            json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}});
        let after = taken_over(&[entry("ci", "Update", annotation.clone())], None).unwrap();
        assert_eq!(*fields(&after, "berth"), annotation);
    }

    #[test]
    fn status_fields_and_other_managers_stay() {
        let mut status = entry("kubectl-client-side-apply", "Update", json!({"f:status": {}}));
        status.subresource = Some("status".into());
        let managed = [
            status,
            entry("kubectl-edit", "Update", json!({})),
            entry("kubectl-client-side-apply", "Apply", json!({})),
        ];
        assert_eq!(taken_over(&managed, None), None);
    }

    #[test]
    fn a_path_that_ends_and_continues_does_both_after_a_merge() {
        for (left, right) in [(json!({}), json!({"f:x": {}})), (json!({"f:x": {}}), json!({}))] {
            let mut into = as_map(json!({"f:data": left}));
            unite(&mut into, as_map(json!({"f:data": right})));
            assert_eq!(Value::Object(into), json!({"f:data": {".": {}, "f:x": {}}}));
        }
    }
}

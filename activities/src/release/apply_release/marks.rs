//! The marks of an apply on each document: the deploy id, the apply that created the object, a Job's template. A stored
//! release has none of them.

use kube::ResourceExt;
use serde_json::Value;

use super::{desired::desired, target::Target};
use crate::kubernetes::{fence::Fence, labels, versioned};

/// Fields of a Job's spec that can be changed.
const MUTABLE: [&str; 5] =
    ["activeDeadlineSeconds", "backoffLimit", "parallelism", "suspend", "ttlSecondsAfterFinished"];

/// Returns the document to apply.
pub(super) fn document(target: &Target, fence: Fence) -> Value {
    let mut document = desired(target);
    fence.stamp(&mut document);
    let mut annotate = |key: &str, value: String| document["metadata"]["annotations"][key] = Value::from(value);
    match &target.live {
        None => annotate(labels::CREATED_BY, fence.value()),
        Some(live) => {
            let created_by = live.annotations().get(labels::CREATED_BY);
            created_by.into_iter().for_each(|id| annotate(labels::CREATED_BY, id.clone()));
        }
    }
    if target.object.kind() == "Job" {
        annotate(labels::TEMPLATE, template_hash(&target.object.document));
    }
    document
}

/// Returns the document to apply only if the object in the cluster is still as it was read. `version` replaces the one
/// that was read.
pub(super) fn conditional_document(target: &Target, fence: Fence, version: Option<String>) -> Value {
    let version = version.or_else(|| target.live.as_ref()?.resource_version());
    let mut document = document(target, fence);
    document["metadata"]["resourceVersion"] = Value::from(versioned::precondition(version.as_deref()));
    document
}

/// Returns a hash of the parts of a Job's spec that cannot be changed: most of all the pod template.
pub(super) fn template_hash(job: &Value) -> String {
    let mut spec = job["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !MUTABLE.contains(&field.as_str()));
    }
    labels::short_hash(spec.to_string().as_bytes())
}

//! The marks of an apply on each document: the deploy id, and the apply that created the object. A stored release has
//! none of them.

use kube::ResourceExt;
use serde_json::Value;

use super::target::Target;
use crate::kubernetes::{fence::Fence, labels, versioned};

/// Returns the document to apply.
pub(super) fn document(target: &Target, fence: Fence) -> Value {
    let mut document = target.object.document.clone();
    fence.stamp(&mut document);
    let mut annotate = |key: &str, value: String| document["metadata"]["annotations"][key] = Value::from(value);
    match &target.live {
        None => annotate(labels::CREATED_BY, fence.value()),
        Some(live) => {
            let created_by = live.annotations().get(labels::CREATED_BY);
            created_by.into_iter().for_each(|id| annotate(labels::CREATED_BY, id.clone()));
        }
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

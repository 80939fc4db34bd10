//! The apply of one object, on the condition that it is still as it was read.

use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
};

use berth_workflows::contract::{apply::Workload, verdict::FailureType};

use super::{Scope, check, difference::content, marks::conditional_document, takeover, target::Target};
use crate::{
    failure::Failure,
    kubernetes::{
        labels,
        versioned::{self, Conflicts},
    },
};

/// The result of applying one object.
pub(super) struct AppliedObject {
    pub(super) name: String,
    pub(super) change: Change,
    pub(super) workload: Option<Workload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Changed,
    Unchanged,
}

/// Applies an object with berth as the owner of its fields. Fields of the manifest win; other fields of other managers
/// stay. After a conflict the object is read again, and its fence is checked again.
///
/// # Errors
/// `Overtaken`, permanent, if a newer rollout has written the object meanwhile. The API server's refusal.
pub(super) async fn apply_object(scope: Scope<'_>, mut target: Target) -> Result<AppliedObject, Failure> {
    let name = target.name();
    let mut conflicts = Conflicts::new();
    loop {
        match write(scope, &target).await {
            Ok(after) if after.metadata.deletion_timestamp.is_some() => return Err(ending(&name)),
            Ok(after) => return Ok(applied(&target, &after)),
            Err(e) if versioned::is_conflict(&e) => conflicts.pause(&name).await?,
            Err(e) => return Err(Failure::applying(&name, e)),
        }
        target.read_again(scope).await?;
        if target.is_ending() {
            return Err(ending(&name));
        }
        if let Some(refusal) = check::refusal(scope, &target) {
            return Err(refusal.into());
        }
    }
}

/// The failure of an apply to an object that is being deleted. The next attempt waits until it is gone.
fn ending(name: &str) -> Failure {
    let message = format!("{name} was deleted by others while it was applied");
    Failure::transient(FailureType::NotObserved, message)
}

async fn write(scope: Scope<'_>, target: &Target) -> kube::Result<DynamicObject> {
    let taken_over = match &target.live {
        Some(live) => take_over(target, live).await?,
        None => None,
    };
    let document = conditional_document(target, scope.fence, taken_over);
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    target.api.patch(target.object.name(), &params, &Patch::Apply(&document)).await
}

/// Makes berth the owner of fields that an earlier `kubectl apply` set, so that a field goes when the manifest drops
/// it, and of defaults that the manifest forbids. Returns the object's new version, if there were such fields.
async fn take_over(target: &Target, live: &DynamicObject) -> kube::Result<Option<String>> {
    let Some(managed) = takeover::before_apply(target) else { return Ok(None) };
    // The resourceVersion makes a concurrent write a conflict.
    let patch = serde_json::json!({"metadata": {
        "managedFields": managed,
        "resourceVersion": live.resource_version(),
    }});
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let after = target.api.patch_metadata(&live.name_any(), &params, &Patch::Merge(&patch)).await?;
    Ok(after.resource_version())
}

fn applied(target: &Target, after: &DynamicObject) -> AppliedObject {
    let change = match &target.live {
        None => Change::Created,
        Some(before) if before.resource_version() == after.resource_version() => Change::Unchanged,
        Some(before) if is_same(before, after) => Change::Unchanged,
        Some(_) => Change::Changed,
    };
    let workload = target.object.is_workload().then(|| Workload {
        deadline_seconds: written_deadline(target.object.kind(), &target.object.document),
        ..Workload::new(target.object.kind(), target.object.name(), after.metadata.generation.unwrap_or_default())
    });
    AppliedObject { name: target.name(), change, workload }
}

/// Returns the deadline that a manifest writes, in seconds. The API server's default is none that anybody wrote.
fn written_deadline(kind: &str, document: &serde_json::Value) -> Option<u64> {
    let field = match kind {
        "Deployment" => "progressDeadlineSeconds",
        "Job" => "activeDeadlineSeconds",
        _ => return None,
    };
    document.get("spec")?.get(field)?.as_u64()
}

/// Returns whether an apply has changed nothing but berth's own marks.
fn is_same(before: &DynamicObject, after: &DynamicObject) -> bool {
    match (serde_json::to_value(before), serde_json::to_value(after)) {
        (Ok(before), Ok(after)) => content(&before) == content(&after),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deadline_is_the_one_that_the_manifest_writes() {
        let spec = json!({"spec": {"progressDeadlineSeconds": 1200, "activeDeadlineSeconds": 1800}});
        for (kind, document, expected) in [
            ("Deployment", &spec, Some(1200)),
            ("Job", &spec, Some(1800)),
            ("StatefulSet", &spec, None),
            ("Deployment", &json!({"spec": {}}), None),
            ("Job", &json!({}), None),
        ] {
            assert_eq!(written_deadline(kind, document), expected, "{kind} {document}");
        }
    }
}

//! The objects of a release beside those in the cluster, for a person who asks what an apply would change.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use berth_manifests::render::Object;
use berth_workflows::contract::environment::Environment;

use super::{CONCURRENCY, Scope, difference::content, dry_run, marks::document, target, targets};
use crate::{context::Context, failure::Failure, kubernetes::fence::Fence, release::stored_release::StoredRelease};

/// An object in the cluster, and as an apply would leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// `Deployment/web`.
    pub name: String,
    /// The object in the cluster, if there is one. Values of Secrets are masked.
    pub before: Option<Value>,
    /// The object after an apply, masked in the same way. `None` if it would be refused.
    pub after: Option<Value>,
    /// The refusal, or the reason why the API server did not check the object.
    pub note: Option<String>,
}

/// Compares each object of a release. Nothing is written.
///
/// # Errors
/// The API server could not be asked.
pub(crate) async fn compare_objects(
    context: Context<'_>,
    environment: &Environment,
    release: &StoredRelease,
    namespace_exists: bool,
) -> Result<Vec<Comparison>, Failure> {
    let objects: Vec<_> = release.objects.iter().map(|document| Object::new("", 0, document.clone())).collect();
    if !namespace_exists {
        return Ok(objects.iter().map(new).collect());
    }
    // Higher than any rollout's, so that nothing is behind it.
    let scope = Scope { context, environment, fence: Fence::new(u64::MAX) };
    let targets = targets::read_all(scope, objects, release).await?;
    stream::iter(targets.iter().map(|target| compare(scope, target))).buffered(CONCURRENCY).try_collect().await
}

/// The comparison of an object whose namespace is not there yet.
fn new(object: &Object) -> Comparison {
    let name = format!("{}/{}", object.kind(), object.name());
    let (before, after) = masked(None, Some(content(&object.document)));
    Comparison { name, before, after, note: None }
}

async fn compare(scope: Scope<'_>, target: &target::Target) -> Result<Comparison, Failure> {
    let (after, note) = match dry_run::outcome(scope, target).await? {
        dry_run::Outcome::Written(mut after) => {
            // A Job that is replaced was tried under another name.
            after.metadata.name = Some(target.object.name().to_owned());
            (serde_json::to_value(after).ok(), None)
        }
        dry_run::Outcome::Refused(verdict) => (None, Some(verdict.message)),
        dry_run::Outcome::NotChecked(note) => (Some(document(target, scope.fence)), Some(note)),
    };
    let before = target.live.as_ref().and_then(|live| serde_json::to_value(live).ok());
    let content = |object: Option<Value>| object.map(|object| content(&object));
    let (before, after) = masked(content(before), content(after));
    Ok(Comparison { name: target.name(), before, after, note })
}

/// The same objects without values of Secrets. A value that changes is masked in another way.
fn masked(mut before: Option<Value>, mut after: Option<Value>) -> (Option<Value>, Option<Value>) {
    for field in ["data", "stringData"] {
        let values = |object: &Option<Value>| -> Value {
            object
                .as_ref()
                .filter(|object| object["kind"] == "Secret")
                .map_or(Value::Null, |object| object[field].clone())
        };
        let (old, new) = (values(&before), values(&after));
        mask(&mut before, field, &new, "(before)");
        mask(&mut after, field, &old, "(after)");
    }
    (before, after)
}

fn mask(object: &mut Option<Value>, field: &str, other: &Value, changed: &str) {
    let Some(object) = object.as_mut().filter(|object| object["kind"] == "Secret") else { return };
    for (key, value) in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
        let is_same = other.get(key).is_none_or(|other| other == value);
        *value = if is_same { json!("(secret)") } else { json!(format!("(secret) {changed}")) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(data: Value) -> Option<Value> {
        Some(json!({"kind": "Secret", "data": data}))
    }

    #[test]
    fn values_of_secrets_are_masked_and_changes_show() {
        let (before, after) =
            masked(secret(json!({"a": "MQ==", "b": "MQ=="})), secret(json!({"a": "MQ==", "b": "Mg==", "c": "Mw=="})));
        assert_eq!(before.unwrap()["data"], json!({"a": "(secret)", "b": "(secret) (before)"}));
        assert_eq!(after.unwrap()["data"], json!({"a": "(secret)", "b": "(secret) (after)", "c": "(secret)"}));
    }

    #[test]
    fn other_objects_are_shown_as_they_are() {
        let map = Some(json!({"kind": "ConfigMap", "data": {"a": "1"}}));
        assert_eq!(masked(map.clone(), None), (map, None));
    }
}

//! Objects that are replaced: Jobs that are to run again, classes whose fields cannot be changed, and objects that somebody
//! is deleting. The old one is awaited gone before the first write.

use std::time::Duration;

use futures::{
    StreamExt,
    future::{join_all, try_join_all},
};
use kube::{
    ResourceExt,
    api::{DynamicObject, PropagationPolicy},
    runtime::{WatchStreamExt, watcher::watch_object},
};

use super::{Scope, jobs, step::Step, target::Target};
use crate::{
    failure::Failure,
    kubernetes::{guarded_delete, labels},
};

/// The time that an attempt waits before its caller hears of it. Most objects are gone by then.
const UNREPORTED: Duration = Duration::from_secs(2);
/// The time that an attempt waits for objects that its caller knows of. Shorter than an attempt of the activity may last.
const REPORTED: Duration = Duration::from_secs(45);

/// How many objects a wait names.
const MAX_NAMED: usize = 5;

/// Returns the way for an object. One that somebody else made is applied: berth does not delete it.
pub(super) fn step(scope: Scope<'_>, target: &Target) -> Step {
    let Some(live) = &target.live else { return Step::Apply };
    if target.is_ending() {
        return Step::Replace;
    }
    if !labels::belongs_to(live.labels(), scope.environment, &scope.context.settings.installation) {
        return Step::Apply;
    }
    match target.object.kind() {
        "Job" => jobs::step(scope, target, live),
        "PriorityClass" if is_other_class(target, live) => Step::Replace,
        _ => Step::Apply,
    }
}

/// Returns whether a field of a `PriorityClass` differs that cannot be changed. Pods keep the priority that they have.
fn is_other_class(target: &Target, live: &DynamicObject) -> bool {
    let wanted = &target.object.document;
    let (default, none) = (serde_json::json!("PreemptLowerPriority"), serde_json::json!(0));
    let differs = |field: &str, unset| live.data.get(field).unwrap_or(unset) != wanted.get(field).unwrap_or(unset);
    differs("value", &none) || differs("preemptionPolicy", &default)
}

/// Deletes the objects that are to be replaced, and waits until they are gone. Returns what it still waits for. Nothing else
/// is written before: an object that cannot go changes nothing of what serves.
///
/// `reported` is what an earlier attempt has returned. While that is unchanged, the wait is longer.
///
/// Idempotent: an object that is being deleted is only awaited, and a new one is not to be replaced.
pub(super) async fn remove_replaced(
    scope: Scope<'_>,
    targets: &mut [Target],
    reported: Option<&str>,
) -> Result<Option<String>, Failure> {
    let mut replaced: Vec<_> =
        targets.iter_mut().filter(|target| matches!(step(scope, target), Step::Replace)).collect();
    if replaced.is_empty() {
        return Ok(None);
    }
    try_join_all(replaced.iter().map(|target| delete(target))).await?;
    let waits_for = describe(replaced.iter().map(|target| &**target));
    scope.context.progress.report(format!("waiting for {waits_for}"));
    let patience = if reported == Some(&waits_for) { REPORTED } else { UNREPORTED };
    let waits = replaced.iter().map(|target| tokio::time::timeout(patience, await_gone(target)));
    let gone: Vec<bool> = join_all(waits).await.into_iter().map(|wait| wait.is_ok()).collect();
    let left: Vec<&Target> =
        replaced.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(target, _)| &**target).collect();
    if !left.is_empty() {
        return Ok(Some(describe(left)));
    }
    replaced.iter_mut().for_each(|target| target.live = None);
    Ok(None)
}

/// Returns what the objects keep waiting, with the finalizers that keep them.
fn describe<'a>(targets: impl IntoIterator<Item = &'a Target>) -> String {
    let one = |target: &Target| {
        let finalizers = target.live.as_ref().map(ResourceExt::finalizers).unwrap_or_default();
        match finalizers {
            [] => target.name(),
            finalizers => format!("{} (finalizer {})", target.name(), finalizers.join(", ")),
        }
    };
    let mut names: Vec<_> = targets.into_iter().map(one).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the old {}{more} to be gone", names.join(", "))
}

async fn delete(target: &Target) -> Result<(), Failure> {
    let Some(live) = target.live.as_ref().filter(|_| !target.is_ending()) else { return Ok(()) };
    // A Job's pods go first: an old and a new one must not run at once.
    let policy = match target.object.kind() {
        "Job" => PropagationPolicy::Foreground,
        _ => PropagationPolicy::Background,
    };
    guarded_delete::delete_with(&target.api, &live.metadata, target.object.kind(), policy).await
}

async fn await_gone(target: &Target) {
    let uid = target.live.as_ref().and_then(ResourceExt::uid);
    // The watch restarts by itself, with a backoff. Its errors are dropped.
    let changes = watch_object(target.api.clone(), target.object.name()).default_backoff();
    futures::pin_mut!(changes);
    while let Some(change) = changes.next().await {
        let Ok(found) = change else { continue };
        if found.is_none_or(|found| found.uid() != uid) {
            return;
        }
    }
}

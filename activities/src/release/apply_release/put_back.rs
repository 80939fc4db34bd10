//! The end of a refused release: what it has written is put back to the release that serves.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use berth_manifests::render::Object;
use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::{
    CONCURRENCY, ReleaseApply, Scope, by_stage, difference::content, isolation, object::apply_object, refusal::combine,
    taken, target::Target, targets,
};
use crate::{
    environment::default_requests, failure::Failure, kubernetes::guarded_delete, release::stored_release::StoredRelease,
};

/// Kinds that are left as they are. A Job that has run is not undone by another run, and a claim holds data.
const LEFT: [&str; 2] = ["Job", "PersistentVolumeClaim"];

/// The outcome for the objects that the refused release had written.
#[derive(Debug, Default, PartialEq, Eq)]
struct PutBack {
    /// How many objects are as they were.
    done: usize,
    /// Objects that stay: Jobs and claims.
    left: Vec<String>,
    /// Objects that could not be put back.
    mixed: Vec<String>,
}

/// Puts back what the release has written, and returns its verdict. Without a release that serves there is nothing to go
/// back to.
///
/// Idempotent: an object that is put back still has this rollout's deploy id, and is put back again without a change.
pub(super) async fn refuse(scope: Scope<'_>, apply: &ReleaseApply<'_>, refusals: Vec<Verdict>) -> Failure {
    let mut verdict = combine(refusals);
    taken::advise(&mut verdict, apply);
    let level = match isolation::put_back_level(scope, apply).await {
        Ok(level) => level,
        // Another attempt is refused again, and puts back the rest.
        Err(failure) => return failure,
    };
    let Some(serving) = apply.serving else { return verdict.into() };
    scope.context.progress.report("putting back the release that serves");
    let back = put_back(scope, apply.release, serving).await;
    let defaults = put_back_defaults(scope, apply, serving).await;
    match back.and_then(|back| Ok((back, defaults?))) {
        Ok((mut back, defaults)) => {
            back.mixed.extend(level.into_iter().chain(defaults));
            verdict.message = format!("{}; {}", verdict.message, describe(&back));
            verdict.mixed = back.mixed;
            verdict.into()
        }
        // Another attempt is refused again, and puts back the rest.
        Err(failure) => failure,
    }
}

/// Adapts berth's default requests to the release that serves. Returns their object's name if that failed.
///
/// # Errors
/// The API server did not answer.
async fn put_back_defaults(
    scope: Scope<'_>,
    apply: &ReleaseApply<'_>,
    serving: &StoredRelease,
) -> Result<Option<String>, Failure> {
    if !apply.has_limit_range() {
        return Ok(None);
    }
    match default_requests::adapt(scope.context, scope.environment, &serving.objects).await {
        Ok(()) => Ok(None),
        Err(Failure::Permanent(_)) => Ok(Some("LimitRange/berth".to_owned())),
        Err(failure) => Err(failure),
    }
}

/// Returns the failure of an apply that stops without another write. If it was overtaken, its verdict names what it has
/// changed: a newer rollout may not have those objects.
pub(super) async fn stop(scope: Scope<'_>, apply: &ReleaseApply<'_>, failure: Failure) -> Failure {
    let mut verdict = match failure {
        Failure::Permanent(verdict) if verdict.failure == FailureType::Overtaken => verdict,
        other => return other,
    };
    let Some(serving) = apply.serving else { return Failure::Permanent(verdict) };
    let served = by_name(serving);
    let differs = |target: &&Target| {
        let served = served.get(&(target.object.kind().to_owned(), target.object.name().to_owned()));
        served.is_none_or(|served| content(&served.document) != content(&target.object.document))
    };
    match targets::read_all(scope, apply.objects().0, apply.release).await {
        Ok(targets) => {
            let written = targets.iter().filter(|target| target.is_written(scope.fence)).filter(differs);
            verdict.mixed = written.map(Target::name).collect();
            Failure::Permanent(verdict)
        }
        // Another attempt is overtaken again.
        Err(failure) => failure,
    }
}

fn describe(back: &PutBack) -> String {
    if *back == PutBack::default() {
        return "nothing of the release was applied".to_owned();
    }
    let mut text = match (back.done, back.mixed.as_slice()) {
        (0, []) => "nothing else of the release is left".to_owned(),
        (done, []) => format!("what the release had changed is put back ({done} objects)"),
        (_, mixed) => format!("these could not be put back to the serving release: {}", mixed.join(", ")),
    };
    if !back.left.is_empty() {
        text += &format!("; left as they are: {}", back.left.join(", "));
    }
    text
}

/// Returns the objects of a release by kind and name.
fn by_name(release: &StoredRelease) -> BTreeMap<(String, String), Object> {
    let objects = release.objects.iter().map(|document| Object::new("", 0, document.clone()));
    objects.map(|object| ((object.kind().to_owned(), object.name().to_owned()), object)).collect()
}

async fn put_back(scope: Scope<'_>, release: &StoredRelease, serving: &StoredRelease) -> Result<PutBack, Failure> {
    let (objects, mut served) = (by_name(release), by_name(serving));
    let mut back = PutBack::default();
    let (mut restored, mut removed, mut differing) = (Vec::new(), Vec::new(), BTreeSet::new());
    let targets = targets::read_all(scope, objects.into_values().collect(), release).await?;
    for target in targets.into_iter().filter(|target| target.is_written(scope.fence)) {
        let served = served.remove(&(target.object.kind().to_owned(), target.object.name().to_owned()));
        match served {
            _ if target.object.kind() == "Job" => back.left.push(target.name()),
            Some(served) => {
                if content(&served.document) != content(&target.object.document) {
                    differing.insert(target.name());
                }
                restored.push(served);
            }
            None if LEFT.contains(&target.object.kind()) => back.left.push(target.name()),
            None if target.is_created(scope.fence) => removed.push(target),
            // It was there before, and the serving release does not know how.
            None => back.mixed.push(target.name()),
        }
    }
    // The version of a kind may differ between the releases.
    let restored = targets::read_all(scope, restored, serving).await?;
    for stage in by_stage(restored).into_values() {
        let names: Vec<String> = stage.iter().map(Target::name).collect();
        let applying: Vec<_> = stage.into_iter().map(|target| apply_object(scope, target)).collect();
        let results: Vec<_> = stream::iter(applying).buffered(CONCURRENCY).collect().await;
        for (name, result) in names.into_iter().zip(results) {
            let is_mixed = differing.contains(&name);
            back.record(name, result.map(drop), is_mixed)?;
        }
    }
    for target in removed {
        let Some(live) = &target.live else { continue };
        let result = guarded_delete::delete(&target.api, &live.metadata, target.object.kind()).await;
        back.record(target.name(), result, true)?;
    }
    Ok(back)
}

impl PutBack {
    /// Records the end of one object.
    ///
    /// # Errors
    /// The API server did not answer: the activity is repeated. An overtaken object is the newer rollout's.
    fn record(&mut self, name: String, result: Result<(), Failure>, is_mixed: bool) -> Result<(), Failure> {
        match result {
            Ok(()) => self.done += 1,
            Err(failure) if is_unanswered(&failure) => return Err(failure),
            Err(Failure::Permanent(verdict)) if verdict.failure == FailureType::Overtaken => {}
            Err(_) if is_mixed => self.mixed.push(name),
            // The object is the same in both releases.
            Err(_) => self.done += 1,
        }
        Ok(())
    }
}

fn is_unanswered(failure: &Failure) -> bool {
    match failure {
        Failure::Transient { failure, source, .. } => *failure == FailureType::NotObserved || source.is_some(),
        Failure::Permanent(_) => false,
    }
}

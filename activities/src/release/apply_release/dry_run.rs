//! The dry run of a release, where another one serves: the API server is asked before the first write. A single refusal
//! means that nothing is applied.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::Value;

use berth_manifests::render::Object;
use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::{
    CONCURRENCY, Scope, check, desired::without_defaults, difference::content, jobs, marks::document,
    replacement::step, step::Step, takeover, target::Target,
};
use crate::{
    failure::{Failure, advice::advice},
    kubernetes::labels,
    release::stored_release::StoredRelease,
};

/// Kinds of which a dry run may create a copy under another name, beside the old object. An Ingress could clash with it.
const RENAMED: [&str; 2] = ["Job", "PriorityClass"];

/// The result of the dry run.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The refusals, in the order of the objects.
    pub(super) refusals: Vec<Verdict>,
    /// Objects that could not be checked, each with the reason.
    pub(super) notes: Vec<String>,
}

/// The outcome of trying one object.
pub(super) enum Outcome {
    /// The object as it would be.
    Written(Box<DynamicObject>),
    Refused(Verdict),
    NotChecked(String),
}

/// Tries each object that differs from the release that serves. Other objects cost no request, and neither do those that
/// are refused already.
///
/// # Errors
/// The API server could not be asked. Nothing was applied, so the activity is simply repeated.
pub(super) async fn dry_run(
    scope: Scope<'_>,
    targets: &[Target],
    serving: Option<&StoredRelease>,
) -> Result<Checked, Failure> {
    let Some(serving) = serving else { return Ok(Checked::default()) };
    let known = Serving::new(serving);
    let open = targets.iter().filter(|target| check::refusal(scope, target).is_none());
    let differing: Vec<_> = open.filter(|target| known.differs(target)).collect();
    let limits_change = differing.iter().any(|target| is_limit(target));
    let asking: Vec<_> = differing.into_iter().map(|target| ask(scope, target, limits_change)).collect();
    let outcomes: Vec<_> = stream::iter(asking).buffered(CONCURRENCY).collect().await;
    let mut checked = Checked::default();
    for outcome in outcomes {
        match outcome? {
            Outcome::Written(_) => {}
            Outcome::Refused(verdict) => checked.refusals.push(verdict),
            Outcome::NotChecked(note) => checked.notes.push(note),
        }
    }
    Ok(checked)
}

/// The release that serves, for comparison.
struct Serving<'a> {
    commit: &'a str,
    contents: HashMap<(String, String), Value>,
}

impl<'a> Serving<'a> {
    fn new(release: &'a StoredRelease) -> Self {
        let contents = release.objects.iter().map(|document| {
            let object = Object::new("", 0, document.clone());
            ((object.kind().to_owned(), object.name().to_owned()), content(document))
        });
        Self { commit: &release.commit, contents: contents.collect() }
    }

    /// Returns whether the release has another document for the object, or a release that failed wrote it last.
    fn differs(&self, target: &Target) -> bool {
        let key = (target.object.kind().to_owned(), target.object.name().to_owned());
        let is_known = self.contents.get(&key).is_some_and(|known| *known == content(&target.object.document));
        let commit = target.live.as_ref().and_then(|live| live.annotations().get(labels::COMMIT));
        !is_known || commit.is_some_and(|commit| commit != self.commit)
    }
}

/// Returns whether other objects are admitted by this one.
fn is_limit(target: &Target) -> bool {
    matches!(target.object.kind(), "ResourceQuota" | "LimitRange")
}

/// Tries one object for a person who asks.
///
/// # Errors
/// The API server could not be asked.
pub(super) async fn outcome(scope: Scope<'_>, target: &Target) -> Result<Outcome, Failure> {
    match check::refusal(scope, target) {
        Some(refusal) => Ok(Outcome::Refused(refusal)),
        None => ask(scope, target, false).await,
    }
}

async fn ask(scope: Scope<'_>, target: &Target, limits_change: bool) -> Result<Outcome, Failure> {
    let document = document(target, scope.fence);
    let document = match step(scope, target) {
        // An apply to the old object would be refused.
        Step::Replace if RENAMED.contains(&target.object.kind()) => jobs::renamed(document),
        Step::Replace => {
            let note = format!("{} was not checked before the apply: an old one is being deleted", target.name());
            return Ok(Outcome::NotChecked(note));
        }
        Step::Apply | Step::Refuse(_) => document,
    };
    answer(&target.name(), try_out(target, document).await, limits_change)
}

/// Sends the dry run. Where berth takes over fields before the apply, they would still be in the way: a merge patch stands
/// for the apply.
async fn try_out(target: &Target, document: Value) -> kube::Result<DynamicObject> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if takeover::before_apply(target).is_some() && name == target.object.name() {
        let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        return target.api.patch(&name, &params.dry_run(), &Patch::Merge(without_defaults(document))).await;
    }
    let params = PatchParams::apply(labels::FIELD_MANAGER).force().dry_run();
    target.api.patch(&name, &params, &Patch::Apply(&document)).await
}

fn answer(name: &str, asked: kube::Result<DynamicObject>, limits_change: bool) -> Result<Outcome, Failure> {
    let error = match asked {
        Ok(after) => return Ok(Outcome::Written(Box::new(after))),
        Err(error) => error,
    };
    if let kube::Error::Api(status) = &error
        && let Some(why) = not_checked(status.code, &status.message, limits_change)
    {
        return Ok(Outcome::NotChecked(format!("{name} was not checked before the apply: {why}")));
    }
    match Failure::applying(name, error) {
        Failure::Permanent(verdict) => Ok(Outcome::Refused(*verdict)),
        // A quota that is used up now is used up in a moment, too: no object of the release has been counted.
        Failure::Transient { failure: failure @ FailureType::QuotaExceeded, message, .. } => {
            Ok(Outcome::Refused(Verdict::new(failure, message).advise(advice(failure))))
        }
        failure => Err(failure),
    }
}

/// Returns the reason why an answer says nothing about the apply to come.
fn not_checked(code: u16, message: &str, limits_change: bool) -> Option<&str> {
    match code {
        400 if message.contains("does not support dry run") => Some(message),
        // A RoleBinding to a Role of the same release, for example.
        404 => Some(message),
        403 if limits_change && message.contains("exceeded quota") => Some("the release changes the quota"),
        403 if limits_change && message.contains(" usage per ") => Some("the release changes the limits"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, message: &str, limits_change: bool) -> Result<Outcome, Failure> {
        let status = kube::core::Status { code, message: message.into(), ..Default::default() };
        answer("Deployment/web", Err(kube::Error::Api(Box::new(status))), limits_change)
    }

    #[test]
    fn answers_that_depend_on_the_release_itself_are_not_checked() {
        let quota = "services \"web\" is forbidden: exceeded quota: q, requested: services=1, used: services=1";
        let limit =
            "persistentvolumeclaims \"data\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi";
        let role = "roles.rbac.authorization.k8s.io \"web\" not found";
        for (code, message) in [(404, role), (403, quota), (403, limit)] {
            assert!(matches!(answered(code, message, true), Ok(Outcome::NotChecked(_))), "{message}");
        }
        let webhook = "admission webhook \"a.example.com\" does not support dry run";
        for limits_change in [true, false] {
            assert!(matches!(answered(400, webhook, limits_change), Ok(Outcome::NotChecked(_))));
        }
        assert!(
            matches!(answered(403, quota, false), Ok(Outcome::Refused(v)) if v.failure == FailureType::QuotaExceeded)
        );
    }

    #[test]
    fn a_refusal_is_final_unlike_an_outage() {
        let webhook = "admission webhook \"a.example.com\" denied the request: no";
        for (code, message) in [(422, "field is immutable"), (400, webhook), (403, webhook)] {
            assert!(matches!(answered(code, message, true), Ok(Outcome::Refused(_))), "{message}");
        }
        for (code, message) in [(403, "User \"berth\" cannot patch"), (500, "no"), (503, "no"), (429, "no")] {
            assert!(answered(code, message, true).is_err(), "{code}");
        }
    }
}

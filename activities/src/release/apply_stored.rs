//! The activity `apply_release`: the apply of a release that is stored already.

use berth_workflows::contract::apply::{Applied, ApplyStoredInput};

use crate::{
    context::Context,
    failure::Failure,
    redaction::redacted_failure::hide_values_of,
    release::{
        apply_release::{Mode, ReleaseApply, apply_release, plan::add_notes},
        leftovers::Kept,
        serving::find_serving,
        stored_release::StoredRelease,
    },
};

/// Applies a stored release as it was: its objects, its images and the Secret that its pods read.
///
/// Idempotent, as [`apply_release()`].
///
/// # Errors
/// As [`StoredRelease::load`] and [`apply_release()`], without the values of the release's Secret.
pub async fn apply_stored(context: Context<'_>, apply: &ApplyStoredInput) -> Result<Applied, Failure> {
    let environment = &apply.deploy.environment;
    let load = StoredRelease::load(context.client, &environment.namespace, &apply.stored_release);
    let serving = find_serving(context, environment, apply.deploy.serving.as_deref());
    let (release, serving) = futures::try_join!(load, serving)?;
    let names = apply.deploy.keep.iter().chain([&apply.stored_release]).cloned().collect();
    let kept = Kept { names, proven: apply.deploy.keep_proven };
    let input = ReleaseApply {
        environment,
        release: &release,
        store: None,
        serving: serving.release.as_ref(),
        deploy_id: apply.deploy.deploy_id,
        mode: if apply.rollback { Mode::Rollback } else { Mode::Release },
        reported: apply.waited_for.as_deref(),
        kept: Some(&kept),
    };
    match apply_release(context, &input).await {
        Ok(mut applied) => {
            add_notes(&mut applied.plan, serving.note);
            Ok(applied.of_stored(apply.stored_release.clone()))
        }
        Err(failure) => Err(hide_values_of(&release.secret, context.client, &environment.namespace, failure).await),
    }
}

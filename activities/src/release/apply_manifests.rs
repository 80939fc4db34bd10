//! The activity `apply_manifests`.

use berth_manifests::{app::App, render::Stamp};
use berth_workflows::contract::{
    apply::{Applied, ApplyInput},
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::labels,
    release::{
        apply_release::{Mode, ReleaseApply, apply_release, plan::add_notes},
        leftovers::Kept,
        rendering::{ToRender, kind_of, render_release},
        serving::find_serving,
        stored_release::StoredRelease,
    },
    settings::Settings,
};

/// Renders, stores and applies a release.
///
/// Idempotent: server-side apply of the same objects changes nothing, and the stored release is named by its content.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with all findings. Those of [`apply_release()`].
pub async fn apply_manifests(context: Context<'_>, app: &App, apply: &ApplyInput) -> Result<Applied, Failure> {
    let ApplyInput { deploy, secrets, waited_for } = apply;
    let environment = &deploy.environment;
    let stamp = stamp(context.settings, deploy);
    let (mut rendered, variables) =
        render_release(app, &context.settings.networks, ToRender::of_rollout(deploy, secrets))?;
    rendered.stamp(&stamp);
    let release = StoredRelease {
        commit: deploy.release.commit.to_string(),
        version: None,
        secret: secrets.secret.clone(),
        objects: rendered.objects().map(|object| object.document.clone()).collect(),
        pod_security: None,
        pull_secret: None,
        gates: app.gates(kind_of(environment)).iter().map(|gate| gate.rendered(&variables)).collect(),
    };
    let stored = release.to_secrets(environment, &context.settings.installation).await?;
    let serving = find_serving(context, environment, deploy.serving.as_deref()).await?;
    let kept = Kept { names: deploy.keep.iter().cloned().collect(), proven: deploy.keep_proven };
    let release = ReleaseApply {
        environment,
        release: &release,
        store: Some(&stored),
        serving: serving.release.as_ref(),
        deploy_id: deploy.deploy_id,
        mode: Mode::Release,
        reported: waited_for.as_deref(),
        // The first rollout has no leftovers before it.
        kept: (deploy.number > 1).then_some(&kept),
    };
    let mut applied = apply_release(context, &release).await?;
    add_notes(&mut applied.plan, serving.note);
    add_notes(&mut applied.plan, rendered.notes.iter().map(ToString::to_string));
    add_notes(&mut applied.plan, stale_note(secrets));
    Ok(applied.of_stored(stored.name()))
}

/// Names the keys of Doppler's that still lead to the database which berth has replaced.
fn stale_note(secrets: &SyncedSecrets) -> Option<String> {
    (!secrets.stale.is_empty()).then(|| {
        format!(
            "Doppler's {} has an address or a password that berth has replaced by the environment's own: read the keys that berth \
             sets, or remove it",
            secrets.stale.join(", ")
        )
    })
}

fn stamp(settings: &Settings, deploy: &RolloutInput) -> Stamp {
    Stamp {
        app: deploy.environment.app.clone(),
        workflow: deploy.environment.workflow_id.clone(),
        installation: settings.installation.clone(),
        commit: deploy.release.commit.to_string(),
        applyset: Some(labels::applyset_id(&deploy.environment.namespace)),
    }
}

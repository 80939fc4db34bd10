//! The activity `plan_release`: what a release would change, before its first write.

mod changes;
mod isolation;
mod secrets;
mod variables;
mod workloads;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::Value;

use berth_manifests::{
    app::App,
    render::{Rendered, Stamp, Variables},
};
use berth_workflows::contract::{
    environment::{ClusterObject, Environment},
    plan::{PlanReleaseInput, PlannedRelease, ReleasePlan},
    release::Release,
    verdict::truncate,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{content_secret::create_once, labels},
    release::{
        apply_release::{Mode, ReleaseApply, try_out},
        leftovers::{self, Kept, Sweep, beside},
        rendering::{ToRender, cluster_object, kind_of, render_release},
        serving::{Serving, find_serving},
        stored_release::{ReleaseVersion, StoredRelease},
    },
};
use changes::{changes, irreversible};
pub(super) use secrets::changed_keys;
use variables::variable_changes;
use workloads::{gaps, image_changes};

/// The key of the full difference in the Secret of a plan.
const TEXT_KEY: &str = "plan.txt";
/// The most bytes of that text. A Secret holds a megabyte.
const MAX_TEXT_BYTES: usize = 900 * 1000;
/// The most bytes of one entry of a list in the plan.
const MAX_ENTRY_BYTES: usize = 300;

/// Renders a release, stores it, tries it in a dry run, and returns the changes that it would make.
///
/// Idempotent: it writes content-named Secrets only. Nothing of what serves changes.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with all findings. What the dry run refuses: `FieldImmutable`, `AdmissionDenied`,
/// `QuotaExceeded`.
pub async fn plan_release(
    context: Context<'_>,
    app: &App,
    input: &PlanReleaseInput,
) -> Result<PlannedRelease, Failure> {
    let PlanReleaseInput { environment, release, deploy_id, secrets, serving, .. } = input;
    let what = ToRender { environment, release, deploy_id: *deploy_id, secrets };
    let (mut rendered, variables) = render_release(app, &context.settings.networks, what)?;
    isolation::add_objects(context, app, environment, &mut rendered).await?;
    rendered.stamp(&stamp(context, input));
    let planned = to_store(app, input, &rendered, &variables);
    let stored_release = store(context, environment, &planned).await?;

    context.progress.report("asking the API server whether it takes the release");
    let found = find_serving(context, environment, serving.as_deref()).await?;
    let cluster_objects: Vec<_> = rendered.objects().filter_map(cluster_object).collect();
    let stored = (&planned, &*stored_release);
    let mut not_checked = dry_run(context, input, stored, (&cluster_objects, &found)).await?;
    let level = isolation::try_level(context, app, environment).await?;
    not_checked.extend(level.not_checked);
    let changed_secrets = changed_keys(context.client, environment, found.release.as_ref(), &planned).await?;

    let before = found.release.as_ref().map(|release| release.objects.as_slice()).unwrap_or_default();
    let changes = changes(before, &planned.objects);
    let notes = isolation::traffic_note(context, app, &changes).into_iter().chain(level.notes);
    let id = id(&planned, serving.as_deref());
    let text = text_of(context, environment, (&id, &stored_release), &changes.text)?;
    create_once(context.client, &text).await?;
    let plan = ReleasePlan {
        id,
        images: image_changes(before, &planned.objects),
        variables: variable_changes(found.release.as_ref(), release),
        from_commit: found.release.as_ref().map(|release| release.commit.clone()),
        created: changes.created,
        changed: changes.changed,
        removed: changes.removed,
        unchanged: changes.unchanged,
        changed_secrets,
        gaps: gaps(before, &planned.objects),
        irreversible: irreversible(before, &planned.objects),
        not_checked,
        notes: notes.chain(rendered.notes.iter().map(ToString::to_string)).collect(),
        omitted: 0,
    };
    Ok(PlannedRelease { stored_release, secrets: secrets.clone(), plan: bounded(plan), cluster_objects })
}

/// Removes what plans that were never rolled out have left behind.
async fn sweep(
    context: Context<'_>,
    input: &PlanReleaseInput,
    (planned, stored_release): (&StoredRelease, &str),
    serving: Option<&StoredRelease>,
    backlog: &AtomicBool,
) {
    let Some(keep) = &input.keep else { return };
    let names = keep.iter().cloned().chain([stored_release.to_owned()]).collect();
    let objects = planned.objects.iter().chain(serving.iter().flat_map(|serving| &serving.objects));
    let sweep = Sweep {
        environment: &input.environment,
        kept: Kept { names, proven: input.keep_proven },
        objects: objects.collect(),
        secrets: [&planned.secret, serving.map_or("", |serving| &serving.secret)],
        fence: None,
        backlog,
    };
    leftovers::sweep(context, sweep).await;
}

/// Stores the release. Returns the name of its Secret.
async fn store(context: Context<'_>, environment: &Environment, planned: &StoredRelease) -> Result<String, Failure> {
    let stored = planned.to_secrets(environment, &context.settings.installation).await?;
    context.progress.report(format!("storing the release in {}", environment.namespace));
    stored.create(context.client).await?;
    Ok(stored.name())
}

/// Tries the release in a dry run, and sweeps leftovers beside it. Returns remarks on what could not be checked.
async fn dry_run(
    context: Context<'_>,
    input: &PlanReleaseInput,
    (planned, stored_release): (&StoredRelease, &str),
    (cluster_objects, serving): (&[ClusterObject], &Serving),
) -> Result<Vec<String>, Failure> {
    // They are recorded with the plan, before the rollout makes them.
    let mut recorded = input.environment.clone();
    recorded.record_cluster_objects(cluster_objects.to_vec());
    let apply = ReleaseApply {
        environment: &recorded,
        release: planned,
        store: None,
        serving: serving.release.as_ref(),
        deploy_id: u64::MAX,
        mode: Mode::Release,
        reported: None,
        kept: None,
    };
    let backlog = AtomicBool::new(false);
    let sweep = Box::pin(sweep(context, input, (planned, stored_release), apply.serving, &backlog));
    let mut not_checked = beside(Box::pin(try_out(context, &apply)), sweep, &backlog).await?;
    not_checked.extend(serving.note.clone());
    Ok(not_checked)
}

/// Builds the release as it is stored.
fn to_store(app: &App, input: &PlanReleaseInput, rendered: &Rendered, variables: &Variables) -> StoredRelease {
    let PlanReleaseInput { environment, release, deploy_id, secrets, .. } = input;
    let version = ReleaseVersion { release: release.clone(), secrets: secrets.clone(), deploy_id: *deploy_id };
    StoredRelease {
        commit: release.commit.to_string(),
        version: Some(Box::new(version)),
        secret: secrets.secret.clone(),
        objects: rendered.objects().map(|object| object.document.clone()).collect(),
        pod_security: isolation::level(app),
        pull_secret: app.image_pull_secret.as_ref().map(|secret| secret.copy.clone()),
        gates: app.gates(kind_of(environment)).iter().map(|gate| gate.rendered(variables)).collect(),
    }
}

fn stamp(context: Context<'_>, input: &PlanReleaseInput) -> Stamp {
    Stamp {
        app: input.environment.app.clone(),
        workflow: input.environment.workflow_id.clone(),
        installation: context.settings.installation.clone(),
        commit: input.release.commit.to_string(),
        applyset: Some(labels::applyset_id(&input.environment.namespace)),
    }
}

/// Returns the plan's id: a hash of what is rolled out, of the push's further images and variables, of its Secret, and of what
/// serves. What controllers change is no
/// part of it.
fn id(planned: &StoredRelease, serving: Option<&str>) -> String {
    let mut content = serde_json::json!([planned.objects, planned.secret, serving, planned.pod_security]);
    // A gate may use what no object does. A release of one image has the id that older versions give it.
    let release = planned.version.as_ref().map(|version| &version.release);
    if let Some(Release { images, variables, .. }) = release
        && !(images.is_empty() && variables.is_empty())
        && let Some(content) = content.as_array_mut()
    {
        content.push(serde_json::json!([images, variables]));
    }
    labels::short_hash(content.to_string().as_bytes())
}

/// Returns the Secret with the full difference. It is named after the plan.
fn text_of(
    context: Context<'_>,
    environment: &Environment,
    (id, stored_release): (&str, &str),
    text: &str,
) -> Result<Secret, Failure> {
    let mut text = text.to_owned();
    truncate(&mut text, MAX_TEXT_BYTES);
    let mut secret = Secret {
        immutable: Some(true),
        data: Some(BTreeMap::from([(TEXT_KEY.to_owned(), ByteString(text.into_bytes()))])),
        ..Secret::default()
    };
    secret.metadata.name = Some(format!("berth-plan-{id}"));
    secret.metadata.namespace = Some(environment.namespace.clone());
    secret.metadata.labels = Some(labels::content_labels(environment, &context.settings.installation, labels::PLAN));
    secret.metadata.annotations = Some([(labels::PLAN_OF.to_owned(), stored_release.to_owned())].into());
    Ok(secret)
}

/// Shortens the lists of a plan, the longest first, until it is within its bound. The rest are counted.
fn bounded(mut plan: ReleasePlan) -> ReleasePlan {
    for list in lists(&mut plan) {
        list.iter_mut().for_each(|entry| truncate(entry, MAX_ENTRY_BYTES));
    }
    while serde_json::to_vec(&plan).is_ok_and(|json| json.len() > ReleasePlan::MAX_BYTES) {
        let bytes = |list: &Vec<String>| list.iter().map(String::len).sum::<usize>();
        let longest = lists(&mut plan).into_iter().max_by_key(|list| bytes(list));
        // Variables and images come last: they are what a person looks for.
        let is_shorter =
            longest.and_then(Vec::pop).is_some() || plan.variables.pop().is_some() || plan.images.pop().is_some();
        if !is_shorter {
            break;
        }
        plan.omitted += 1;
    }
    plan
}

fn lists(plan: &mut ReleasePlan) -> [&mut Vec<String>; 8] {
    [
        &mut plan.created,
        &mut plan.changed,
        &mut plan.removed,
        &mut plan.changed_secrets,
        &mut plan.gaps,
        &mut plan.irreversible,
        &mut plan.not_checked,
        &mut plan.notes,
    ]
}

/// Returns `Kind/name` of an object.
pub(super) fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

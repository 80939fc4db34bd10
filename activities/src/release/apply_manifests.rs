//! Rendering a release and applying it: the manifests as they are on the worker's disk, in one environment, for one image.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use kube::{Client, ResourceExt};

use berth_manifests::{
    app::{App, EnvironmentNames},
    render::{EnvironmentKind, Finding, Object, Rendered, Stamp, VariableInput, Variables, render},
};
use berth_workflows::contract::{
    apply::{Applied, ApplyInput, Plan},
    environment::{self, ClusterObject, Environment},
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
};

use crate::{
    Settings,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::{applyset, content_secret::create_once, labels},
    load::refused,
    release::stored_release::StoredRelease,
};

mod object;
mod takeover;

use object::{AppliedObject, Change, apply_object};

/// Requests under way at once for one environment: the API server's own fairness begins to queue above that.
const CONCURRENCY: usize = 16;

/// Renders, stores and applies a release.
///
/// Idempotent: server-side apply of the same objects changes nothing, and the stored release is named by its content.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with every finding at once; `FieldImmutable`, `AdmissionDenied`, `QuotaExceeded`
/// with the API server's words; `PolicyDenied` for good where an object outside every namespace is somebody else's.
pub async fn apply_manifests(
    client: &Client,
    settings: &Settings,
    app: &App,
    apply: &ApplyInput,
    progress: &Progress,
) -> Result<Applied, Failure> {
    let ApplyInput { deploy, secrets } = apply;
    let environment = &deploy.environment;
    let stamp = stamp(settings, deploy);
    let (mut rendered, variables) = render_release(app, deploy, secrets)?;
    rendered.stamp(&stamp);
    let release = StoredRelease {
        commit: deploy.release.commit.to_string(),
        secret: secrets.secret.clone(),
        objects: rendered.objects().map(|object| object.document.clone()).collect(),
        gates: app.gates(kind_of(environment)).iter().map(|gate| gate.rendered(&variables)).collect(),
    };
    let stored = release.to_secret(environment, &settings.installation)?;

    progress.say(format!("storing the release in {}", environment.namespace));
    let parent = applyset::extend(client, settings, environment, &rendered);
    futures::try_join!(create_once(client, &stored), parent)?;
    let mut results = Vec::new();
    for stage in &rendered.stages {
        progress.say(format!("applying {}", names(stage)));
        let applying: Vec<_> = stage.iter().map(|object| apply_object(client, settings, environment, object)).collect();
        let applied: Vec<AppliedObject> = stream::iter(applying).buffered(CONCURRENCY).try_collect().await?;
        results.extend(applied);
    }
    Ok(Applied {
        stored_release: stored.name_any(),
        plan: plan(&results, &rendered.notes),
        workloads: results.into_iter().filter_map(|applied| applied.workload).collect(),
    })
}

/// What a rollout would make outside every namespace, told before any of it is made: the names of such objects begin with
/// `KUBE_APP`, and nothing in them comes from the secrets.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied`, as [`apply_manifests`].
pub(crate) fn cluster_objects_of(app: &App, deploy: &RolloutInput) -> Result<Vec<ClusterObject>, Failure> {
    if app.cluster_kinds.is_empty() {
        return Ok(Vec::new());
    }
    let unknown = SyncedSecrets {
        secret: format!("{}-secrets", app.app),
        version: String::new(),
        set_by_berth: Vec::new(),
        temporal_server_address: "unknown:7233".to_owned(),
        temporal_server_address_from_doppler: false,
    };
    let (rendered, _) = render_release(app, deploy, &unknown)?;
    Ok(rendered.objects().filter_map(cluster_object).collect())
}

/// What is written down of an object outside every namespace; nothing of one within.
pub(crate) fn cluster_object(object: &Object) -> Option<ClusterObject> {
    (!object.namespaced()).then(|| ClusterObject {
        api_version: object.api_version().to_owned(),
        kind: object.kind().to_owned(),
        name: object.name().to_owned(),
    })
}

fn render_release(app: &App, deploy: &RolloutInput, secrets: &SyncedSecrets) -> Result<(Rendered, Variables), Failure> {
    let environment = &deploy.environment;
    let files = app.source_files().map_err(|found| refused(&app.app, &found))?;
    let variables = Variables::new(variable_input(app, deploy, secrets));
    let names = EnvironmentNames {
        kind: kind_of(environment),
        pr: environment.kind.pr(),
        namespace: environment.namespace.clone(),
        host: environment.host.clone(),
        temporal_ui_host: environment.temporal_ui_host.clone(),
    };
    let policy = app.policy(&names, [secrets.secret.clone()]);
    let rendered = render(&files, &variables, &policy).map_err(|found| refused(&app.app, &found))?;
    Ok((rendered, variables))
}

fn variable_input(app: &App, deploy: &RolloutInput, secrets: &SyncedSecrets) -> VariableInput {
    let RolloutInput { environment, release, deploy_id, .. } = deploy;
    let doppler = app.doppler(kind_of(environment));
    VariableInput {
        app: app.app.clone(),
        namespace: environment.namespace.clone(),
        environment_kind: kind_of(environment),
        pr: environment.kind.pr(),
        deploy_id: *deploy_id,
        image_repository: release.image.repository.clone(),
        image_tag: release.image.tag.clone(),
        image_digest: release.image.digest.clone(),
        host: environment.host.clone(),
        temporal_ui_host: environment.temporal_ui_host.clone(),
        commit: release.commit.to_string(),
        author: release.author.as_ref().map(|author| author.as_str().to_owned()).unwrap_or_default(),
        repository: app.repository.clone(),
        doppler_managed_secret: Some(secrets.secret.clone()),
        doppler_token_secret: doppler.map(|config| config.token.secret.clone()),
        temporal_server_address: secrets.temporal_server_address.clone(),
        extra: app.variables.clone(),
    }
}

/// Which of an app's settings hold in an environment.
pub(crate) fn kind_of(environment: &Environment) -> EnvironmentKind {
    match environment.kind {
        environment::EnvironmentKind::Preview { .. } => EnvironmentKind::Preview,
        environment::EnvironmentKind::Production => EnvironmentKind::Production,
    }
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

fn plan(results: &[AppliedObject], notes: &[Finding]) -> Plan {
    let mut plan = Plan::default();
    let list = |names: &mut Vec<String>, name: &str, omitted: &mut usize| {
        if names.len() < Plan::MAX_NAMES { names.push(name.to_owned()) } else { *omitted += 1 }
    };
    for result in results {
        match result.change {
            Change::Created => list(&mut plan.created, &result.name, &mut plan.omitted),
            Change::Changed => list(&mut plan.changed, &result.name, &mut plan.omitted),
            Change::Unchanged => plan.unchanged += 1,
        }
    }
    for note in notes {
        list(&mut plan.notes, &note.to_string(), &mut plan.omitted);
    }
    plan
}

fn names(objects: &[Object]) -> String {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    objects.iter().for_each(|object| *count.entry(object.kind()).or_default() += 1);
    count.into_iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

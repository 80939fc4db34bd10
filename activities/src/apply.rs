//! Rendering a release and applying it: the manifests as they are on the worker's disk, in one environment, for one image.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::json;

use berth_workflows::{
    activity_definitions::{Applied, ApplyInput, Plan, SyncedSecrets, Workload},
    environment::{Deploy, Environment},
    verdict::{FailureType, Verdict},
};

use crate::{
    Settings,
    app::{App, EnvironmentNames},
    failure::Failure,
    heartbeat::Progress,
    labels,
    manifests::{EnvironmentKind, Finding, Object, Rendered, SourceFiles, Stamp, VariableInput, Variables, render},
    stored_release::{StoredRelease, create_once},
};

/// Requests under way at once for one environment: the API server's own fairness begins to queue above that.
const CONCURRENCY: usize = 16;

/// Renders, stores and applies a release.
///
/// Idempotent: server-side apply of the same objects changes nothing, and the stored release is named by its content.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with every finding at once; `FieldImmutable`, `AdmissionDenied`, `QuotaExceeded`
/// with the API server's words.
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
    futures::try_join!(create_once(client, &stored), apply_parent(client, settings, environment, &rendered))?;
    let mut results = Vec::new();
    for stage in &rendered.stages {
        progress.say(format!("applying {}", names(stage)));
        let applying: Vec<_> = stage.iter().map(|object| apply_object(client, environment, object)).collect();
        let applied: Vec<AppliedObject> = stream::iter(applying).buffered(CONCURRENCY).try_collect().await?;
        results.extend(applied);
    }
    Ok(Applied {
        stored_release: stored.name_any(),
        plan: plan(&results, &rendered.notes),
        workloads: results.into_iter().filter_map(|applied| applied.workload).collect(),
    })
}

fn render_release(app: &App, deploy: &Deploy, secrets: &SyncedSecrets) -> Result<(Rendered, Variables), Failure> {
    let environment = &deploy.environment;
    let folder = app.manifests_folder().ok_or_else(|| {
        Failure::permanent(
            FailureType::ManifestInvalid,
            "the app brings no manifests, and berth has none of its own yet",
        )
    })?;
    let files = SourceFiles::read(&folder, &app.manifests_label()).map_err(|found| refused(&found))?;
    let variables = Variables::new(variable_input(app, deploy, secrets));
    let names = EnvironmentNames {
        kind: kind_of(environment),
        pr: environment.pr,
        namespace: environment.namespace.clone(),
        host: environment.host.clone(),
        temporal_ui_host: environment.temporal_ui_host.clone(),
    };
    let policy = app.policy(&names, [secrets.secret.clone()]);
    let rendered = render(&files, &variables, &policy).map_err(|found| refused(&found))?;
    Ok((rendered, variables))
}

fn variable_input(app: &App, deploy: &Deploy, secrets: &SyncedSecrets) -> VariableInput {
    let Deploy { environment, release, deploy_id, .. } = deploy;
    let doppler = app.doppler(kind_of(environment));
    VariableInput {
        app: app.app.clone(),
        namespace: environment.namespace.clone(),
        environment_kind: kind_of(environment),
        pr: environment.pr,
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
    if environment.pr.is_some() { EnvironmentKind::Preview } else { EnvironmentKind::Production }
}

fn stamp(settings: &Settings, deploy: &Deploy) -> Stamp {
    Stamp {
        app: deploy.environment.app.clone(),
        workflow: deploy.environment.workflow_id.clone(),
        installation: settings.installation.clone(),
        commit: deploy.release.commit.to_string(),
        applyset: Some(labels::applyset_id(&deploy.environment.namespace)),
    }
}

fn refused(findings: &[Finding]) -> Failure {
    let errors: Vec<String> = findings.iter().filter(|f| f.is_error()).map(ToString::to_string).collect();
    let failure = if findings.iter().any(Finding::is_policy_error) {
        FailureType::PolicyDenied
    } else {
        FailureType::ManifestInvalid
    };
    Verdict::new(failure, errors.join("\n")).advise("`berth check` finds the same without a cluster").into()
}

/// The parent of the `ApplySet`. It names the kinds that the set had until now too: prune still has to look there.
async fn apply_parent(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    rendered: &Rendered,
) -> Result<(), Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = || format!("applying Secret/{}", labels::APPLYSET_PARENT);
    let found = secrets.get_opt(labels::APPLYSET_PARENT).await.map_err(|e| Failure::kubernetes(what(), e))?;
    let mut kinds = found.map(|parent| kinds_of_parent(&parent)).unwrap_or_default();
    kinds.extend(rendered.objects().filter_map(group_kind));
    write_parent(client, settings, environment, &kinds).await
}

/// Writes the parent with the kinds of its members.
pub(crate) async fn write_parent(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    kinds: &BTreeSet<String>,
) -> Result<(), Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let mut own = labels::own(environment, &settings.installation);
    own.insert(labels::APPLYSET_ID.to_owned(), labels::applyset_id(&environment.namespace));
    let parent = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": labels::APPLYSET_PARENT,
            "labels": own,
            "annotations": { labels::APPLYSET_TOOLING: "berth/v1", labels::APPLYSET_KINDS: kinds.join(",") },
        },
    });
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    secrets
        .patch(labels::APPLYSET_PARENT, &params, &Patch::Apply(&parent))
        .await
        .map_err(|e| Failure::kubernetes(format!("applying Secret/{}", labels::APPLYSET_PARENT), e))?;
    Ok(())
}

/// The kinds that a parent says its set has, as `Kind.group`.
pub(crate) fn kinds_of_parent(parent: &Secret) -> BTreeSet<String> {
    let kinds = parent.annotations().get(labels::APPLYSET_KINDS).map(String::as_str).unwrap_or_default();
    kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
}

/// The kind of an object as an `ApplySet` names it.
pub(crate) fn group_kind(object: &Object) -> Option<String> {
    Some(object.known_kind()?.group_kind())
}

/// What applying one object did.
struct AppliedObject {
    name: String,
    change: Change,
    workload: Option<Workload>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Created,
    Changed,
    Unchanged,
}

async fn apply_object(client: &Client, environment: &Environment, object: &Object) -> Result<AppliedObject, Failure> {
    let name = format!("{}/{}", object.kind(), object.name());
    let Some(kind) = object.known_kind() else {
        return Err(Failure::permanent(FailureType::PolicyDenied, format!("{name}: berth does not apply this kind")));
    };
    let api = api(client, &kind.api_resource(), kind.namespaced, &environment.namespace);
    let what = || format!("applying {name}");
    let before = api.get_metadata_opt(object.name()).await.map_err(|e| Failure::kubernetes(what(), e))?;
    if let Some(before) = before.as_ref().filter(|_| !kind.namespaced)
        && before.labels().get(labels::WORKFLOW) != Some(&environment.workflow_id)
    {
        let message = format!("{name} is outside every namespace, exists already, and is not this environment's");
        return Err(Verdict::new(FailureType::PolicyDenied, message)
            .advise("give it a name that has $KUBE_APP in it")
            .into());
    }
    let params = PatchParams::apply(labels::FIELD_MANAGER).force();
    let after = api
        .patch(object.name(), &params, &Patch::Apply(&object.document))
        .await
        .map_err(|e| Failure::kubernetes(what(), e))?;
    let change = match before {
        None => Change::Created,
        Some(before) if before.resource_version() == after.resource_version() => Change::Unchanged,
        Some(_) => Change::Changed,
    };
    let workload = is_workload(kind.kind).then(|| Workload {
        kind: kind.kind.to_owned(),
        name: object.name().to_owned(),
        generation: after.metadata.generation.unwrap_or_default(),
    });
    Ok(AppliedObject { name, change, workload })
}

fn is_workload(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job")
}

/// The API for one kind of object, in the environment or outside all.
pub(crate) fn api(client: &Client, resource: &ApiResource, namespaced: bool, namespace: &str) -> Api<DynamicObject> {
    if namespaced {
        Api::namespaced_with(client.clone(), namespace, resource)
    } else {
        Api::all_with(client.clone(), resource)
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

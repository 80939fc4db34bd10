//! The activity `apply_manifests`.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;

use berth_manifests::{
    app::App,
    render::{Finding, Object, Stamp},
};
use berth_workflows::contract::{
    apply::{Applied, ApplyInput, Plan},
    rollout_input::RolloutInput,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{applyset, content_secret::create_once, labels},
    release::{
        apply_release::object::{AppliedObject, Change, apply_object},
        rendering::{kind_of, render_release},
        stored_release::StoredRelease,
    },
    settings::Settings,
};

/// Concurrent requests for one environment. Beyond this number the API server's own fairness begins to queue them.
const CONCURRENCY: usize = 16;

/// Renders, stores and applies a release.
///
/// Idempotent: server-side apply of the same objects changes nothing, and the stored release is named by its content.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with all findings. `FieldImmutable`, `AdmissionDenied` or `QuotaExceeded` with
/// the API server's message. `PolicyDenied`, permanent, if a cluster-scoped object belongs to somebody else.
pub async fn apply_manifests(context: Context<'_>, app: &App, apply: &ApplyInput) -> Result<Applied, Failure> {
    let ApplyInput { deploy, secrets } = apply;
    let environment = &deploy.environment;
    let stamp = stamp(context.settings, deploy);
    let (mut rendered, variables) = render_release(app, deploy, secrets)?;
    rendered.stamp(&stamp);
    let release = StoredRelease {
        commit: deploy.release.commit.to_string(),
        secret: secrets.secret.clone(),
        objects: rendered.objects().map(|object| object.document.clone()).collect(),
        gates: app.gates(kind_of(environment)).iter().map(|gate| gate.rendered(&variables)).collect(),
    };
    let stored = release.to_secret(environment, &context.settings.installation)?;

    context.progress.report(format!("storing the release in {}", environment.namespace));
    let parent = applyset::extend(context, environment, &rendered);
    futures::try_join!(create_once(context.client, &stored), parent)?;
    let mut results = Vec::new();
    for stage in &rendered.stages {
        context.progress.report(format!("applying {}", names(stage)));
        let applying: Vec<_> = stage.iter().map(|object| apply_object(context, environment, object)).collect();
        let applied: Vec<AppliedObject> = stream::iter(applying).buffered(CONCURRENCY).try_collect().await?;
        results.extend(applied);
    }
    Ok(Applied {
        stored_release: stored.name_any(),
        plan: plan(&results, &rendered.notes),
        workloads: results.into_iter().filter_map(|applied| applied.workload).collect(),
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

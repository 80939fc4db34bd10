//! `berth production plan`: the plan that is in force, and the full difference where the caller may read it.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use anyhow::Context;
use berth_workflows::contract::{
    plan::{ReleasePlan, VariableChange},
    production_status::{ProductionStatus, QueuedStatus},
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde::Serialize;
use temporalio_client::Client;

use super::{args::PlanArgs, decide, environment, observe, output};
use crate::{envelope::Envelope, exit::Exit, kubeconfig};

/// The key of the full difference in the Secret `berth-plan-<id>`.
const KEY: &str = "plan.txt";
/// How long the API server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The command's own object.
#[derive(Debug, Serialize)]
struct ShownPlan<'a> {
    release: Option<u64>,
    plan: &'a ReleasePlan,
    /// The full difference, if the caller may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
}

/// Shows the plan of the release that is next.
pub(super) async fn show(client: &Client, args: &PlanArgs) -> anyhow::Result<Envelope> {
    let (id, handle) = environment(client, &args.app);
    let Some(status) = observe::answered(&handle, &id).await? else { return Ok(output::not_found(&args.app.app)) };
    match in_force(&status, args.release) {
        Ok((queued, plan)) => shown(&status, queued, plan).await,
        Err(why) => Ok(*why),
    }
}

/// The release that is next, with its plan. The error is the answer without one.
fn in_force(status: &ProductionStatus, wanted: Option<u64>) -> Result<(&QueuedStatus, &ReleasePlan), Box<Envelope>> {
    let app = &status.app;
    let absent = |why: String| {
        let why = format!("{why}; berth production status {app} shows what is in force");
        Box::new(Envelope::sentence("not_found", Exit::Absent, why))
    };
    let queued = status.queued.as_ref().ok_or_else(|| absent("no release waits, so there is no plan".to_owned()))?;
    if let Some(wanted) = wanted.filter(|wanted| queued.release.number != Some(*wanted)) {
        return Err(absent(format!("release {wanted} does not wait, but {} does", observe::numbered(&queued.release))));
    }
    let Some(plan) = &queued.plan else {
        let why = format!("{} has no plan yet: it waits for {}", observe::numbered(&queued.release), queued.waits_for);
        return Err(Envelope::sentence("planning", Exit::Waiting, why).into());
    };
    Ok((queued, plan))
}

async fn shown(status: &ProductionStatus, queued: &QueuedStatus, plan: &ReleasePlan) -> anyhow::Result<Envelope> {
    let namespace = status.namespace.as_deref().unwrap_or_default();
    let read = tokio::time::timeout(TIMEOUT, difference(namespace, &plan.id)).await;
    let read = read.unwrap_or_else(|_| Err(anyhow::anyhow!("the API server does not answer")));
    let unread = read.as_ref().err().map(|error| {
        format!(
            "the full difference is in the Secret {}, which could not be read here ({error}); with a kubeconfig that may: \
             kubectl get secret {} -n {namespace} -o go-template='{{{{index .data \"{KEY}\" | base64decode}}}}'",
            secret(&plan.id),
            secret(&plan.id)
        )
    });
    let difference = read.ok();
    let release = queued.release.number;
    let envelope = output::about(Envelope::new("planned", Exit::Done), status, release).with_text(|out| {
        writeln!(out, "plan {} of {}", plan.id, observe::numbered(&queued.release))?;
        write_plan(out, plan)?;
        difference.as_ref().map_or(Ok(()), |difference| writeln!(out, "\n{}", difference.trim_end()))
    });
    let envelope = envelope.with_data(&ShownPlan { release, plan, difference })?;
    let waits = if decide::needs_approval(status) {
        decide::approval_needed(&status.app, queued)
    } else {
        format!("{} waits for {}", observe::numbered(&queued.release), queued.waits_for)
    };
    let envelope = envelope.with_remark(&waits);
    Ok(match unread {
        Some(unread) => envelope.with_remark(&unread),
        None => envelope,
    })
}

fn secret(plan: &str) -> String {
    format!("berth-plan-{plan}")
}

/// The full difference, with the caller's own rights.
async fn difference(namespace: &str, plan: &str) -> anyhow::Result<String> {
    let secrets: Api<Secret> = Api::namespaced(kubeconfig::client().await?, namespace);
    let mut data = secrets.get(&secret(plan)).await?.data.unwrap_or_default();
    let text = data.remove(KEY).with_context(|| format!("it has no {KEY}"))?;
    Ok(String::from_utf8_lossy(&text.0).into_owned())
}

fn write_plan(out: &mut String, plan: &ReleasePlan) -> fmt::Result {
    if let Some(commit) = &plan.from_commit {
        writeln!(out, "  commit that serves now: {commit}")?;
    }
    for image in &plan.images {
        let shown = |image: &Option<String>| image.clone().unwrap_or_else(|| "none".to_owned());
        writeln!(out, "  {}: {} -> {}", image.container, shown(&image.from), shown(&image.to))?;
    }
    for VariableChange { name, from, to } in &plan.variables {
        let shown =
            |value: &Option<String>| value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
        writeln!(out, "  variable {name}: {} -> {}", shown(from), shown(to))?;
    }
    for (what, names) in [
        ("created", &plan.created),
        ("changed", &plan.changed),
        ("removed", &plan.removed),
        ("secrets that change", &plan.changed_secrets),
        ("rolls with a gap", &plan.gaps),
        ("a rollback cannot undo", &plan.irreversible),
        ("not checked", &plan.not_checked),
        ("note", &plan.notes),
    ] {
        names.iter().try_for_each(|name| writeln!(out, "  {what}: {name}"))?;
    }
    writeln!(out, "  unchanged: {}", plan.unchanged)?;
    if plan.omitted > 0 { writeln!(out, "  and {} more", plan.omitted) } else { Ok(()) }
}

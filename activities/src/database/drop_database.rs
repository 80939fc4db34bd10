//! The activity `drop_database`, and the drop of databases that no run has recorded.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::{
    environment::Environment,
    teardown::{DeleteInput, LeakReport, Remaining},
};

use super::{
    Names, drop_all,
    isolated::{connect, find_server, invalid, isolated_databases, owner},
    made_on::MadeOn,
};
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        own_namespaces::{OwnNamespaces, find_namespaces},
        stop_workloads::stop_namespaces,
    },
};

/// Stops the environment's pods, then drops its databases and role and verifies that they are gone.
///
/// Idempotent: an object that is already gone counts as dropped. A database or role with such a name that belongs to
/// somebody else is left alone and named. A server on which nothing was made is not asked.
///
/// # Errors
/// Errors of the Kubernetes API, which are retried. An unreachable database server is no error: the report says what
/// remains and why.
pub async fn drop_database(context: Context<'_>, environment: &Environment) -> Result<LeakReport, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(LeakReport::default()) };
    let found = find_namespaces(context, environment).await?;
    if let Some(namespace) = &found.unlabelled {
        return Ok(remains(in_use(&names, name, namespace)));
    }
    if MadeOn::from_namespaces(&found.labelled).excludes(name) {
        let reason = "not looked at: nothing of this environment was made there".to_owned();
        return Ok(skipped(entry(&names, name, reason, String::new())));
    }
    // A Temporal server whose database is dropped fills its log, and its connections would keep the role in use.
    stop_namespaces(context, &found.labelled).await?;
    context.progress.report(format!("dropping the databases of {} on {name}", names.role));
    Ok(drop_on(context, environment, &names, name, Wanted::Made).await)
}

/// Drops the environment's databases on other servers than the recorded one: those that its namespaces or the previous
/// attempt name. If no run has recorded the environment and its namespaces do not list its servers, it looks on every
/// server that answers. The names follow from app and pull request, and only those with this environment's owner
/// comment are dropped.
pub(crate) async fn drop_elsewhere(
    context: Context<'_>,
    delete: &DeleteInput,
    found: &OwnNamespaces,
) -> Result<LeakReport, Failure> {
    let environment = &delete.environment;
    let Some(pr) = environment.kind.pr() else { return Ok(LeakReport::default()) };
    let names = Names::of_preview(&environment.app, pr).map_err(invalid)?;
    let made = MadeOn::from_namespaces(found.labelled.iter().chain(&found.unlabelled));
    let recorded = environment.isolated_database().map(|(_, server)| server);
    let known =
        delete.known.iter().filter_map(|known| known.object.strip_prefix(&object(&names, "")).map(str::to_owned));
    let servers: BTreeSet<String> = made.servers.iter().cloned().chain(known).collect();
    let mut report = LeakReport::default();
    for name in servers.iter().filter(|server| Some(server.as_str()) != recorded) {
        report.add(match &found.unlabelled {
            Some(namespace) => remains(in_use(&names, name, namespace)),
            None => drop_on(context, environment, &names, name, Wanted::Made).await,
        });
    }
    if environment.namespace.is_empty() && !made.is_complete {
        for name in context.settings.database_servers.keys().filter(|name| !servers.contains(*name)) {
            report.add(drop_on(context, environment, &names, name, Wanted::Perhaps).await);
        }
    }
    Ok(report)
}

/// Whether databases were made on a server, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Made,
    Perhaps,
}

async fn drop_on(
    context: Context<'_>,
    environment: &Environment,
    names: &Names,
    name: &str,
    wanted: Wanted,
) -> LeakReport {
    let connected = async { connect(context, find_server(context.settings, name)?).await };
    let admin = match connected.await {
        Ok(admin) => admin,
        Err(failure) if wanted == Wanted::Perhaps => {
            let reason = format!("not looked at: {failure}");
            return skipped(entry(names, name, reason, advice(&failure)));
        }
        Err(failure) => return remains(not_dropped(names, name, &failure)),
    };
    match drop_all(&admin, names, &owner(context.settings, environment)).await {
        // Nothing was made there as far as is known, and nothing is there.
        Ok(dropped) if wanted == Wanted::Perhaps && !dropped.were_there => LeakReport::default(),
        Ok(dropped) => {
            let on = |object: String| format!("{object} on {name}");
            let foreign = dropped.foreign.into_iter();
            LeakReport {
                gone: dropped.gone.into_iter().map(on).collect(),
                remaining: Vec::new(),
                skipped: foreign.map(|left| Remaining { object: on(left.object), ..left }).collect(),
            }
        }
        Err(failure) => remains(not_dropped(names, name, &failure)),
    }
}

fn not_dropped(names: &Names, server: &str, failure: &Failure) -> Remaining {
    entry(names, server, failure.to_string(), advice(failure))
}

/// The entry of databases that pods may still use: berth has no right to stop them.
fn in_use(names: &Names, server: &str, namespace: &Namespace) -> Remaining {
    let reason = format!("pods of namespace {} may use them, and berth may not stop those", namespace.name_any());
    entry(names, server, reason, String::new())
}

fn entry(names: &Names, server: &str, reason: String, command: String) -> Remaining {
    Remaining { object: object(names, server), reason, command }
}

/// The name of all databases on a server. A later attempt reads the server from it.
fn object(names: &Names, server: &str) -> String {
    format!("Databases and role {} on {server}", names.role)
}

fn advice(failure: &Failure) -> String {
    match failure {
        Failure::Permanent(verdict) => verdict.advice.clone(),
        Failure::Transient { .. } => String::new(),
    }
}

fn remains(entry: Remaining) -> LeakReport {
    LeakReport { remaining: vec![entry], ..LeakReport::default() }
}

fn skipped(entry: Remaining) -> LeakReport {
    LeakReport { skipped: vec![entry], ..LeakReport::default() }
}

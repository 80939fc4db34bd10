//! The activity `drop_database`.

use berth_workflows::contract::{
    environment::Environment,
    teardown::{LeakReport, Remaining},
};

use super::{
    Names, Server, drop_all,
    isolated::{connect, find_server, invalid, isolated_databases, owner},
};
use crate::{context::Context, failure::Failure, kubernetes::stop_workloads::stop_environment};

/// Stops the environment's pods, then drops its databases and role and verifies that they are gone.
///
/// Idempotent: an object that is already gone counts as dropped. A database or role with such a name that belongs to
/// somebody else is left alone and logged.
///
/// # Errors
/// Errors of the Kubernetes API, which are retried. An unreachable database server is no error: the report says what
/// remains and why.
pub async fn drop_database(context: Context<'_>, environment: &Environment) -> Result<LeakReport, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(LeakReport::default()) };
    // A Temporal server whose database is dropped fills its log, and its connections would keep the role in use.
    stop_environment(context, environment).await?;
    context.progress.report(format!("dropping the databases of {} on {name}", names.role));
    let mut report = LeakReport::default();
    match find_server(context.settings, name) {
        Ok(server) => drop_on(context, environment, (name, server), &names, &mut report).await,
        Err(failure) => report.remaining.push(not_dropped(&names, name, &failure)),
    }
    Ok(report)
}

/// Drops the databases of an unrecorded environment, on whichever server they are. Their names follow from app and pull
/// request; only those with this environment's owner comment are dropped.
pub(crate) async fn drop_unrecorded(
    context: Context<'_>,
    environment: &Environment,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    let Some(pr) = environment.kind.pr() else { return Ok(()) };
    let names = Names::of_preview(&environment.app, pr).map_err(invalid)?;
    for (name, server) in &context.settings.database_servers {
        drop_on(context, environment, (name, server), &names, report).await;
    }
    Ok(())
}

async fn drop_on(
    context: Context<'_>,
    environment: &Environment,
    (name, server): (&str, &Server),
    names: &Names,
    report: &mut LeakReport,
) {
    let dropped = async {
        let admin = connect(context, server).await?;
        drop_all(&admin, names, &owner(context.settings, environment)).await
    };
    match dropped.await {
        Ok(dropped) => {
            let on = |object: String| format!("{object} on {name}");
            // A foreign database is no leak: this environment's own is gone.
            for Remaining { object, reason, command } in &dropped.foreign {
                tracing::warn!("{object} on {name} is left alone: {reason}. By hand: {command}");
            }
            report.gone.extend(dropped.gone.into_iter().map(on));
        }
        Err(failure) => report.remaining.push(not_dropped(names, name, &failure)),
    }
}

fn not_dropped(names: &Names, server: &str, failure: &Failure) -> Remaining {
    let command = match failure {
        Failure::Permanent(verdict) => verdict.advice.clone(),
        Failure::Transient { .. } => String::new(),
    };
    Remaining { object: format!("Databases and role {} on {server}", names.role), reason: failure.to_string(), command }
}

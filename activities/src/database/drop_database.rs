//! Dropping the role and the databases of an environment, and seeing that they are gone.

use berth_workflows::contract::{
    environment::Environment,
    teardown::{LeakReport, Remaining},
};

use super::{
    Names, Server, drop_all,
    isolated::{connect, find_server, invalid, isolated_databases, owner},
};
use crate::{context::Context, failure::Failure, kubernetes::stop_workloads::stop_environment};

/// Ends the environment's pods, then drops its databases and its role and looks that they are gone.
///
/// Idempotent: "already gone" is success. What bears such a name and is not this environment's is left alone and named.
///
/// # Errors
/// Those of the Kubernetes API, to be retried. A server that is away is no error: the report says what remains, and why.
pub async fn drop_database(context: Context<'_>, environment: &Environment) -> Result<LeakReport, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(LeakReport::default()) };
    // A server that loses its database under it fills its log, and its clients would keep the role connected.
    stop_environment(context, environment).await?;
    context.progress.report(format!("dropping the databases of {} on {name}", names.role));
    let mut report = LeakReport::default();
    match find_server(context.settings, name) {
        Ok(server) => drop_on(context, environment, (name, server), &names, &mut report).await,
        Err(failure) => report.remaining.push(not_dropped(&names, name, &failure)),
    }
    Ok(report)
}

/// For an environment of which nothing was written down: its databases, on whichever server they are. Their names follow
/// from whose it is, and only what says that it is this environment's is dropped.
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
            // What is somebody else's was never ours: ours is gone, and there is nothing to wait for.
            dropped.foreign.iter().for_each(|foreign| tracing::warn!("{foreign} on {name} is not berth's: left alone"));
            report.gone.extend(dropped.gone.into_iter().map(on));
        }
        Err(failure) => report.remaining.push(not_dropped(names, name, &failure)),
    }
}

fn not_dropped(names: &Names, server: &str, failure: &Failure) -> Remaining {
    Remaining {
        object: format!("Databases and role {} on {server}", names.role),
        reason: failure.to_string(),
        command: String::new(),
    }
}

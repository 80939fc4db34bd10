//! The activity `ensure_database`.

use berth_workflows::contract::{environment::Environment, preparation::DatabaseReady};

use super::{
    ensure,
    isolated::{connect, find_server, isolated_databases, owner},
    made_on, password,
};
use crate::{context::Context, failure::Failure};

/// Creates the role and the databases of an environment that has its own, or finds them.
///
/// Idempotent: the password is generated once, into an immutable Secret, and the role is altered to match it.
///
/// # Errors
/// `DatabaseUnavailable`, permanent, if the worker knows no such server, or if the role or a database of that name
/// belongs to somebody else. A server that is unreachable, full or refuses is no error but a result, because a person
/// must read it in `status`.
pub async fn ensure_database(context: Context<'_>, environment: &Environment) -> Result<DatabaseReady, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(DatabaseReady::default()) };
    let server = find_server(context.settings, name)?;
    let password = password::ensure_password(context, environment).await?;
    context.progress.report(format!("making the databases of {} on {name}", names.role));
    let admin = match connect(context, server).await {
        Ok(admin) => admin,
        Err(failure) => return unavailable(failure),
    };
    made_on::record(context, environment, name).await?;
    match ensure(&admin, &names, &owner(context.settings, environment), &password, server.connections).await {
        Ok(created) => Ok(DatabaseReady { created, unavailable: None }),
        Err(failure) => unavailable(failure),
    }
}

fn unavailable(failure: Failure) -> Result<DatabaseReady, Failure> {
    match failure {
        Failure::Transient { message, .. } => Ok(DatabaseReady { created: Vec::new(), unavailable: Some(message) }),
        permanent @ Failure::Permanent(_) => Err(permanent),
    }
}

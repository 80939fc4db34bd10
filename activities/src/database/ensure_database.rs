//! Making the role and the databases of an environment that has its own.

use berth_workflows::contract::{environment::Environment, preparation::DatabaseReady};

use super::{
    ensure,
    isolated::{connect, find_server, isolated_databases, owner},
    password,
};
use crate::{context::Context, failure::Failure};

/// Makes the role and the databases of an environment that has its own, or finds them made.
///
/// Idempotent: the password is generated once, into a Secret that is never changed, and the role is altered to match it.
///
/// # Errors
/// `DatabaseUnavailable` for good if the worker knows no such server, or the role or a database of that name is somebody
/// else's. That the server is away, full or refuses is no error but an answer: a person must read it in `status`.
pub async fn ensure_database(context: Context<'_>, environment: &Environment) -> Result<DatabaseReady, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(DatabaseReady::default()) };
    let server = find_server(context.settings, name)?;
    let password = password::ensure_password(context, environment).await?;
    context.progress.report(format!("making the databases of {} on {name}", names.role));
    let made = async {
        let admin = connect(context, server).await?;
        ensure(&admin, &names, &owner(context.settings, environment), &password, server.connections).await
    };
    match made.await {
        Ok(created) => Ok(DatabaseReady { created, unavailable: None }),
        Err(Failure::Transient { message, .. }) => {
            Ok(DatabaseReady { created: Vec::new(), unavailable: Some(message) })
        }
        Err(failure) => Err(failure),
    }
}

//! Making the role and the databases of an environment that has its own.

use kube::Client;

use berth_workflows::contract::{environment::Environment, preparation::DatabaseReady};

use super::{
    ensure,
    isolated::{connect, find_server, of, owner},
    password,
};
use crate::{Settings, failure::Failure, heartbeat::Progress};

/// Makes the role and the databases of an environment that has its own, or finds them made.
///
/// Idempotent: the password is generated once, into a Secret that is never changed, and the role is altered to match it.
///
/// # Errors
/// `DatabaseUnavailable` for good if the worker knows no such server, or the role or a database of that name is somebody
/// else's. That the server is away, full or refuses is no error but an answer: a person must read it in `status`.
pub async fn ensure_database(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    progress: &Progress,
) -> Result<DatabaseReady, Failure> {
    let Some((names, name)) = of(environment)? else { return Ok(DatabaseReady::default()) };
    let server = find_server(settings, name)?;
    let password = password::ensure_password(client, settings, environment).await?;
    progress.say(format!("making the databases of {} on {name}", names.role));
    let made = async {
        let admin = connect(client, settings, server).await?;
        ensure(&admin, &names, &owner(settings, environment), &password, server.connections).await
    };
    match made.await {
        Ok(created) => Ok(DatabaseReady { created, unavailable: None }),
        Err(Failure::Transient { message, .. }) => {
            Ok(DatabaseReady { created: Vec::new(), unavailable: Some(message) })
        }
        Err(failure) => Err(failure),
    }
}

//! The activities: a preview's role and databases made and dropped, and the password that every retry agrees on.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::ObjectMeta};
use tokio_postgres::Client as Admin;

use berth_workflows::contract::{
    environment::Environment,
    preparation::DatabaseReady,
    teardown::{LeakReport, Remaining},
    verdict::{FailureType, Verdict},
};

use super::{Credentials, Names, Server, drop_all, ensure};
use crate::{
    Settings,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::{content_secret::create_once, labels, stop_workloads::quiet_environment},
};

/// The Secret of an environment that keeps its database's password, and the only place that does.
const SECRET: &str = "berth-database";
const PASSWORD: &str = "password";
/// 192 bits: nobody guesses them, and in hexadecimal they need no escaping anywhere.
const PASSWORD_BYTES: usize = 24;

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
    let password = ensure_password(client, settings, environment).await?;
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

/// Ends the environment's pods, then drops its databases and its role and looks that they are gone.
///
/// Idempotent: "already gone" is success. What bears such a name and is not this environment's is left alone and named.
///
/// # Errors
/// Those of the Kubernetes API, to be retried. A server that is away is no error: the report says what remains, and why.
pub async fn drop_database(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    progress: &Progress,
) -> Result<LeakReport, Failure> {
    let Some((names, name)) = of(environment)? else { return Ok(LeakReport::default()) };
    // A server that loses its database under it fills its log, and its clients would keep the role connected.
    quiet_environment(client, settings, environment, progress).await?;
    progress.say(format!("dropping the databases of {} on {name}", names.role));
    let mut report = LeakReport::default();
    match find_server(settings, name) {
        Ok(server) => drop_on(client, settings, environment, (name, server), &names, &mut report).await,
        Err(failure) => report.remaining.push(not_dropped(&names, name, &failure)),
    }
    Ok(report)
}

/// For an environment of which nothing was written down: its databases, on whichever server they are. Their names follow
/// from whose it is, and only what says that it is this environment's is dropped.
pub(crate) async fn drop_unrecorded(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    let Some(pr) = environment.kind.pr() else { return Ok(()) };
    let names = Names::of_preview(&environment.app, pr).map_err(invalid)?;
    for (name, server) in &settings.database_servers {
        drop_on(client, settings, environment, (name, server), &names, report).await;
    }
    Ok(())
}

async fn drop_on(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
    (name, server): (&str, &Server),
    names: &Names,
    report: &mut LeakReport,
) {
    let dropped = async {
        let admin = connect(client, settings, server).await?;
        drop_all(&admin, names, &owner(settings, environment)).await
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

/// What the pods of an environment get to know of its database, if it has its own.
///
/// # Errors
/// `DatabaseUnavailable`: for good if the worker knows no such server; to be retried if the password is not there yet.
pub(crate) async fn values(
    client: &Client,
    settings: &Settings,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, Failure> {
    let Some((names, name)) = of(environment)? else { return Ok(BTreeMap::new()) };
    let server = find_server(settings, name)?;
    match find_password(client, environment).await? {
        Some(password) => Ok(to_values(server, &names, &password)),
        None => Err(Failure::transient(FailureType::DatabaseUnavailable, format!("Secret/{SECRET} is not there yet"))),
    }
}

/// Names and the password are made of letters, digits and `_`, and so is nothing in the URL to be escaped.
fn to_values(server: &Server, names: &Names, password: &str) -> BTreeMap<String, String> {
    let Server { host, port, .. } = server;
    let (role, tls) = (&names.role, server.is_encrypted());
    let mode = if tls { "require" } else { "disable" };
    let url = format!("postgresql://{role}:{password}@{host}:{port}/{}?sslmode={mode}", names.app);
    [
        ("DATABASE_URL", url),
        ("DATABASE_HOST", host.clone()),
        ("DATABASE_PORT", port.to_string()),
        ("DATABASE_USER", role.clone()),
        ("DATABASE_PASSWORD", password.to_owned()),
        ("DATABASE_NAME", names.app.clone()),
        ("DATABASE_TLS", tls.to_string()),
        ("TEMPORAL_DATABASE_NAME", names.temporal.clone()),
        ("TEMPORAL_VISIBILITY_DATABASE_NAME", names.temporal_visibility.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// What it is called and where, if the environment has its own. Names are built from whose it is, and never read from
/// what somebody sends.
fn of(environment: &Environment) -> Result<Option<(Names, &str)>, Failure> {
    let (Some(pr), Some((_, server))) = (environment.kind.pr(), environment.isolated_database()) else {
        return Ok(None);
    };
    let names = Names::of_preview(&environment.app, pr).map_err(invalid)?;
    Ok(Some((names, server)))
}

fn invalid(message: String) -> Failure {
    Failure::permanent(FailureType::InvalidInput, message)
}

/// Who a role says it belongs to.
fn owner(settings: &Settings, environment: &Environment) -> String {
    format!("{} of {}", environment.workflow_id, settings.installation)
}

/// # Errors
/// `DatabaseUnavailable` for good: an app file names what the platform team has not given the worker.
pub(crate) fn find_server<'a>(settings: &'a Settings, name: &str) -> Result<&'a Server, Failure> {
    settings.database_servers.get(name).ok_or_else(|| {
        let known: Vec<_> = settings.database_servers.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("the worker knows no database server called {name}; it knows {known}");
        Verdict::new(FailureType::DatabaseUnavailable, message)
            .advise("add it to the worker's --database-servers file, or name another in the app file")
            .into()
    })
}

async fn connect(client: &Client, settings: &Settings, server: &Server) -> Result<Admin, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.berth_namespace);
    let what = format!("Secret {} of namespace {}", server.admin_secret, settings.berth_namespace);
    let secret = secrets.get_opt(&server.admin_secret).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let secret = secret.ok_or_else(|| {
        let message = format!("{what} is not there: the credentials of the database server's admin are kept in it");
        Failure::transient(FailureType::DatabaseUnavailable, message)
    })?;
    server.connect(&Credentials::from_secret(&secret)?).await
}

/// The password, generated if there is none yet. Of two tries at once one is first, and both have that one's.
async fn ensure_password(client: &Client, settings: &Settings, environment: &Environment) -> Result<String, Failure> {
    if let Some(password) = find_password(client, environment).await? {
        return Ok(password);
    }
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|e| Failure::transient(FailureType::DatabaseUnavailable, format!("generating a password: {e}")))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = Secret {
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some([(PASSWORD.to_owned(), ByteString(password.into_bytes()))].into()),
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            namespace: Some(environment.namespace.clone()),
            labels: Some(labels::own(environment, &settings.installation)),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    create_once(client, &secret).await?;
    let found = find_password(client, environment).await?;
    found.ok_or_else(|| Failure::transient(FailureType::DatabaseUnavailable, format!("Secret/{SECRET} has gone again")))
}

async fn find_password(client: &Client, environment: &Environment) -> Result<Option<String>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = format!("Secret {SECRET} of namespace {}", environment.namespace);
    let found = secrets.get_opt(SECRET).await.map_err(|e| Failure::kubernetes(what, e))?;
    let bytes = found.and_then(|secret| secret.data?.remove(PASSWORD));
    Ok(bytes.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()))
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::environment::{Database, EnvironmentKind};

    use super::{super::Tls, *};
    use crate::{redaction::secret_keys::is_secret, secrets::example_environment};

    fn with_database() -> Environment {
        let isolated = Database::Isolated { server: "previews".into(), name: "anything".into() };
        Environment { database: Some(isolated), ..example_environment() }
    }

    fn server() -> Server {
        Server {
            host: "db.example.com".into(),
            port: 5432,
            tls: Tls::Verify,
            admin_secret: "admin".into(),
            connections: 30,
        }
    }

    #[test]
    fn the_names_follow_from_whose_it_is_whatever_the_input_says() {
        let environment = with_database();
        let (names, server) = of(&environment).ok().flatten().unwrap();
        assert_eq!((names.role.as_str(), server), ("web_pr_1", "previews"));
    }

    #[test]
    fn production_has_no_database_that_could_be_made_or_dropped_even_if_its_input_says_so() {
        let production = Environment { kind: EnvironmentKind::Production, ..with_database() };
        assert!(of(&production).ok().unwrap().is_none());
    }

    #[test]
    fn pods_get_all_that_reaches_their_own_databases_and_only_the_password_is_hidden_from_people() {
        let names = Names::of_preview("web", 1).unwrap();
        let values = to_values(&server(), &names, "0123");
        assert_eq!(values["DATABASE_URL"], "postgresql://web_pr_1:0123@db.example.com:5432/web_pr_1?sslmode=require");
        assert_eq!(values["TEMPORAL_VISIBILITY_DATABASE_NAME"], "web_pr_1_visibility");
        let hidden: Vec<_> = values.keys().filter(|key| is_secret(key)).collect();
        assert_eq!(hidden, ["DATABASE_PASSWORD", "DATABASE_URL"]);
    }
}

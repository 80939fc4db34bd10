//! The databases of an environment with its own: their names, their server, and the connection to it.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use super::{Admin, Credentials, Names, Server};
use crate::{context::Context, failure::Failure, settings::Settings};

/// Returns the names and the server, or `None` if the environment has no databases of its own. Names are built from app
/// and pull request, and never read from input.
pub(super) fn isolated_databases(environment: &Environment) -> Result<Option<(Names, &str)>, Failure> {
    let (Some(pr), Some((_, server))) = (environment.kind.pr(), environment.isolated_database()) else {
        return Ok(None);
    };
    let names = Names::of_preview(&environment.app, pr).map_err(invalid)?;
    Ok(Some((names, server)))
}

pub(super) fn invalid(message: String) -> Failure {
    Failure::permanent(FailureType::InvalidInput, message)
}

/// The owner of a role, as its comment in the database names it.
pub(super) fn owner(settings: &Settings, environment: &Environment) -> String {
    format!("{} of {}", environment.workflow_id, settings.installation)
}

/// Finds a server of the worker by name.
///
/// # Errors
/// `DatabaseUnavailable`, permanent: the app file names a server that is not in the worker's file.
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

/// Connects as the server's admin. After a refused login the Secret is read once more, since it may have changed.
pub(super) async fn connect(context: Context<'_>, server: &Server) -> Result<Admin, Failure> {
    let tried = credentials(context, server).await?;
    match server.try_connect(&tried).await {
        Err(refused) if refused.is_login => {
            let current = credentials(context, server).await?;
            if current == tried { Err(refused.failure) } else { server.connect(&current).await }
        }
        connected => connected.map_err(|refused| refused.failure),
    }
}

async fn credentials(context: Context<'_>, server: &Server) -> Result<Credentials, Failure> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &context.settings.berth_namespace);
    let what = format!("Secret {} of namespace {}", server.admin_secret, context.settings.berth_namespace);
    let secret = secrets.get_opt(&server.admin_secret).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let secret = secret.ok_or_else(|| {
        let message = format!("{what} does not exist; it holds the credentials of the database server's admin");
        Failure::transient(FailureType::DatabaseUnavailable, message)
    })?;
    Credentials::from_secret(&secret)
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::environment::{Database, EnvironmentKind};

    use super::*;
    use crate::examples;

    fn with_database() -> Environment {
        let isolated = Database::Isolated { server: "previews".into(), name: "anything".into() };
        Environment { database: Some(isolated), ..examples::environment() }
    }

    #[test]
    fn database_names_follow_from_app_and_pull_request_not_from_input() {
        let environment = with_database();
        let (names, server) = isolated_databases(&environment).ok().flatten().unwrap();
        assert_eq!((names.role.as_str(), server), ("web_pr_1", "previews"));
    }

    #[test]
    fn production_never_has_an_isolated_database() {
        let production = Environment { kind: EnvironmentKind::Production, ..with_database() };
        assert!(isolated_databases(&production).ok().unwrap().is_none());
    }
}

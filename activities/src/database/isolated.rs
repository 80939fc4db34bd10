//! The databases that an environment has of its own, by name and server, and the way to that server.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio_postgres::Client as Admin;

use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use super::{Credentials, Names, Server};
use crate::{Settings, context::Context, failure::Failure};

/// What it is called and where, if the environment has its own. Names are built from whose it is, and never read from
/// what somebody sends.
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

/// Who a role says it belongs to.
pub(super) fn owner(settings: &Settings, environment: &Environment) -> String {
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

pub(super) async fn connect(context: Context<'_>, server: &Server) -> Result<Admin, Failure> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &context.settings.berth_namespace);
    let what = format!("Secret {} of namespace {}", server.admin_secret, context.settings.berth_namespace);
    let secret = secrets.get_opt(&server.admin_secret).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let secret = secret.ok_or_else(|| {
        let message = format!("{what} is not there: the credentials of the database server's admin are kept in it");
        Failure::transient(FailureType::DatabaseUnavailable, message)
    })?;
    server.connect(&Credentials::from_secret(&secret)?).await
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::environment::{Database, EnvironmentKind};

    use super::*;
    use crate::secrets::example_environment;

    fn with_database() -> Environment {
        let isolated = Database::Isolated { server: "previews".into(), name: "anything".into() };
        Environment { database: Some(isolated), ..example_environment() }
    }

    #[test]
    fn the_names_follow_from_whose_it_is_whatever_the_input_says() {
        let environment = with_database();
        let (names, server) = isolated_databases(&environment).ok().flatten().unwrap();
        assert_eq!((names.role.as_str(), server), ("web_pr_1", "previews"));
    }

    #[test]
    fn production_has_no_database_that_could_be_made_or_dropped_even_if_its_input_says_so() {
        let production = Environment { kind: EnvironmentKind::Production, ..with_database() };
        assert!(isolated_databases(&production).ok().unwrap().is_none());
    }
}

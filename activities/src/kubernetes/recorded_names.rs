//! Names of an environment that its namespace records, as annotations. They outlive the app file's own names.

use std::collections::{BTreeMap, BTreeSet};

use berth_workflows::contract::environment::{Database, Environment};

/// The host name of the web app.
const HOST: &str = "berth.dev/host";
/// The host name of temporal-ui. Empty if the environment has none.
const TEMPORAL_UI_HOST: &str = "berth.dev/temporal-ui-host";
/// The database as JSON. Empty if the environment has none.
const DATABASE: &str = "berth.dev/database";

/// The servers on which databases may have been made, separated by commas. A namespace of an older version has none.
pub(crate) const DATABASE_SERVERS: &str = "berth.dev/database-servers";

/// Returns the servers on which databases may have been made, or `None` if they are not recorded.
pub(crate) fn database_servers(found: &BTreeMap<String, String>) -> Option<BTreeSet<String>> {
    let servers = found.get(DATABASE_SERVERS)?.split(',').filter(|server| !server.is_empty());
    Some(servers.map(str::to_owned).collect())
}

/// Returns the server of the recorded database, if it is the environment's own.
pub(crate) fn isolated_server(found: &BTreeMap<String, String>) -> Option<String> {
    match serde_json::from_str(found.get(DATABASE)?) {
        Ok(Database::Isolated { server, .. }) => Some(server),
        Ok(Database::Shared { .. }) | Err(_) => None,
    }
}

/// Returns the annotations that record the environment's names.
pub(crate) fn annotations(environment: &Environment) -> BTreeMap<String, String> {
    let Environment { host, temporal_ui_host, database, .. } = environment;
    // A struct of strings always serialises.
    let database = database.as_ref().and_then(|database| serde_json::to_string(database).ok());
    // Every key is there, so that a name that goes replaces its annotation.
    [
        (HOST, host.clone()),
        (TEMPORAL_UI_HOST, temporal_ui_host.clone().unwrap_or_default()),
        (DATABASE, database.unwrap_or_default()),
    ]
    .map(|(key, name)| (key.to_owned(), name))
    .into()
}

/// Returns whether the annotations record exactly the environment's names.
pub(crate) fn are_recorded(found: &BTreeMap<String, String>, environment: &Environment) -> bool {
    annotations(environment).iter().all(|(key, name)| found.get(key) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;

    fn environment() -> Environment {
        let database = Database::Isolated { server: "previews".into(), name: "web_pr_1".into() };
        Environment { database: Some(database), ..examples::environment() }
    }

    #[test]
    fn annotations_record_hosts_and_database() {
        let expected = [
            ("berth.dev/database", r#"{"mode":"isolated","server":"previews","name":"web_pr_1"}"#),
            ("berth.dev/host", "pr-1.example.com"),
            ("berth.dev/temporal-ui-host", "pr-1-temporal.example.com"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(annotations(&environment()), expected.into());
        let bare = Environment { temporal_ui_host: None, database: None, ..environment() };
        let names = annotations(&bare);
        assert_eq!((&*names[TEMPORAL_UI_HOST], &*names[DATABASE]), ("", ""), "each key is there");
    }

    #[test]
    fn any_other_name_is_not_recorded() {
        let found = annotations(&environment());
        assert!(are_recorded(&found, &environment()));
        let other = Database::Isolated { server: "another".into(), name: "web_pr_1".into() };
        for changed in [
            Environment { host: "web.example.com".into(), ..environment() },
            Environment { temporal_ui_host: None, ..environment() },
            Environment { database: None, ..environment() },
            Environment { database: Some(other), ..environment() },
        ] {
            assert!(!are_recorded(&found, &changed), "{changed:?}");
            assert!(!are_recorded(&annotations(&changed), &environment()), "{changed:?}");
        }
        assert!(!are_recorded(&BTreeMap::new(), &environment()), "nothing is recorded");
    }
}

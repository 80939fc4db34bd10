//! The servers on which an environment's databases were made, as its namespaces record them. The app file may name
//! another server since.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use berth_workflows::contract::environment::Environment;

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        labels,
        recorded_names::{DATABASE_SERVERS, database_servers, isolated_server},
    },
};

/// The servers on which an environment may have databases.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MadeOn {
    pub(super) servers: BTreeSet<String>,
    /// Whether there can be no other. Without a namespace, or with one of an older version, nothing is known.
    pub(super) is_complete: bool,
}

impl MadeOn {
    pub(super) fn from_namespaces<'n>(namespaces: impl IntoIterator<Item = &'n Namespace>) -> Self {
        let listed: Vec<_> =
            namespaces.into_iter().map(|found| (found, database_servers(found.annotations()))).collect();
        let is_complete = !listed.is_empty() && listed.iter().all(|(_, servers)| servers.is_some());
        let servers = listed.into_iter().flat_map(|(found, servers)| {
            servers.unwrap_or_else(|| isolated_server(found.annotations()).into_iter().collect())
        });
        Self { servers: servers.collect(), is_complete }
    }

    /// Returns whether nothing of the environment can be on the server.
    pub(super) fn excludes(&self, server: &str) -> bool {
        self.is_complete && !self.servers.contains(server)
    }
}

/// The annotation of a new namespace: no database was made yet. A namespace in place of a deleted one has none, since
/// databases of that one may still exist.
pub(crate) fn of_new_namespace(environment: &Environment) -> BTreeMap<String, String> {
    let is_first = environment.namespace_uid.is_none();
    is_first.then(|| (DATABASE_SERVERS.to_owned(), String::new())).into_iter().collect()
}

/// Records on a namespace of an older version the server that it names, before another one replaces it.
pub(crate) async fn keep_earlier(
    context: Context<'_>,
    environment: &Environment,
    found: &Namespace,
) -> Result<(), Failure> {
    let now = environment.isolated_database().map(|(_, server)| server);
    match isolated_server(found.annotations()) {
        Some(server) if database_servers(found.annotations()).is_none() && Some(&*server) != now => {
            write(context, &found.name_any(), &BTreeSet::from([server])).await
        }
        _ => Ok(()),
    }
}

/// Records a server before the first database is made on it.
pub(super) async fn record(context: Context<'_>, environment: &Environment, server: &str) -> Result<(), Failure> {
    let name = &environment.namespace;
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let found = namespaces.get(name).await.map_err(|e| Failure::kubernetes(format!("namespace {name}"), e))?;
    let mut servers = database_servers(found.annotations()).unwrap_or_default();
    if servers.insert(server.to_owned()) { write(context, name, &servers).await } else { Ok(()) }
}

async fn write(context: Context<'_>, name: &str, servers: &BTreeSet<String>) -> Result<(), Failure> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let servers = servers.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    // A merge, since an apply removes what a later apply does not name.
    let patch = Patch::Merge(json!({"metadata": {"annotations": {DATABASE_SERVERS: servers}}}));
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = namespaces.patch_metadata(name, &params, &patch).await;
    written.map(drop).map_err(|e| Failure::kubernetes(format!("recording the database server on namespace {name}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"mode":"isolated","server":"old","name":"web_pr_1"}"#;

    fn namespace(annotations: &[(&str, &str)]) -> Namespace {
        let mut namespace = Namespace::default();
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        namespace.metadata.annotations = Some(annotations.collect());
        namespace
    }

    fn made_on(namespaces: &[Namespace]) -> (String, bool) {
        let made = MadeOn::from_namespaces(namespaces);
        (made.servers.into_iter().collect::<Vec<_>>().join(" "), made.is_complete)
    }

    #[test]
    fn listed_servers_are_all_that_there_are() {
        let database = ("berth.dev/database", OLD);
        let none = namespace(&[database, (DATABASE_SERVERS, "")]);
        let two = namespace(&[database, (DATABASE_SERVERS, "new,other")]);
        assert_eq!(made_on(std::slice::from_ref(&none)), (String::new(), true));
        assert_eq!(made_on(&[none, two]), ("new other".into(), true));
    }

    #[test]
    fn namespace_of_an_older_version_names_its_server_only() {
        let (older, listed) = (namespace(&[("berth.dev/database", OLD)]), namespace(&[(DATABASE_SERVERS, "new")]));
        assert_eq!(made_on(std::slice::from_ref(&older)), ("old".into(), false));
        assert_eq!(made_on(&[older.clone(), listed.clone()]), ("new old".into(), false));
        assert_eq!(made_on(&[listed, older]), ("new old".into(), false));
        assert_eq!(made_on(&[]), (String::new(), false));
    }
}

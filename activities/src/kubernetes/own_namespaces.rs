//! The namespaces of an environment, found by their labels, and by the name and the UID that were recorded.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use berth_workflows::contract::{environment::Environment, teardown::Remaining};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, terminating_namespace::deletion_message},
};

/// The namespaces of an environment.
pub(crate) struct OwnNamespaces {
    /// Namespaces with the environment's labels. A terminated workflow may have left one under a name that is no longer
    /// in the app file.
    pub(crate) labelled: Vec<Namespace>,
    /// The recorded namespace, if its labels are not the environment's any more. berth has no right to change it.
    pub(crate) unlabelled: Option<Namespace>,
}

/// Finds every namespace of the environment. A namespace of the recorded name with another UID is somebody else's.
pub(crate) async fn find_namespaces(context: Context<'_>, environment: &Environment) -> Result<OwnNamespaces, Failure> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let own = ListParams::default().labels(&labels::owner_selector(environment, &context.settings.installation));
    let what = || format!("listing the namespaces of {}", environment.workflow_id);
    let labelled = namespaces.list(&own).await.map_err(|e| Failure::kubernetes(what(), e))?.items;
    let is_recorded =
        |namespace: &Namespace| environment.namespace_uid.is_some() && namespace.uid() == environment.namespace_uid;
    if environment.namespace_uid.is_none() || labelled.iter().any(is_recorded) {
        return Ok(OwnNamespaces { labelled, unlabelled: None });
    }
    let name = &environment.namespace;
    let found = namespaces.get_opt(name).await.map_err(|e| Failure::kubernetes(format!("namespace {name}"), e))?;
    Ok(OwnNamespaces { labelled, unlabelled: found.filter(is_recorded) })
}

/// The entry of a namespace that is still there without the environment's labels.
pub(crate) fn unlabelled_entry(namespace: &Namespace, environment: &Environment, installation: &str) -> Remaining {
    let name = namespace.name_any();
    let wanted = labels::owner_labels(environment, installation);
    let differs = |(key, value): &(&String, &String)| namespace.labels().get(*key) != Some(*value);
    let found = wanted.iter().filter(differs).map(|(key, _)| match namespace.labels().get(key) {
        Some(value) => format!("{key} is {value}"),
        None => format!("{key} is gone"),
    });
    let found = found.collect::<Vec<_>>().join(", ");
    let terms: Vec<_> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let (state, command) = match namespace.metadata.deletion_timestamp {
        Some(_) => (format!("; {}", deletion_message(namespace)), String::new()),
        None => (String::new(), format!("kubectl label namespace {name} --overwrite {}", terms.join(" "))),
    };
    let reason = format!("is still there, by its UID, and its labels are not this environment's: {found}{state}");
    Remaining { object: format!("Namespace/{name}"), reason, command }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{examples, fake_api_server::FakeApiServer, heartbeat::Progress};

    fn recorded() -> Environment {
        Environment { namespace_uid: Some("recorded".into()), ..examples::environment() }
    }

    async fn found(uid: &str, installation: Option<&str>, environment: &Environment) -> OwnNamespaces {
        let labels = installation.map(|installation| labels::owner_labels(environment, installation));
        let cluster = FakeApiServer::default();
        cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "pr-1", "uid": uid, "labels": labels}}));
        let (client, settings, progress) = (cluster.client(), examples::settings(), Progress::new());
        find_namespaces(Context { client: &client, settings: &settings, progress: &progress }, environment)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn recorded_namespace_is_found_without_its_labels() {
        for (installation, reason) in [
            (None, "app.kubernetes.io/managed-by is gone, berth.dev/app is gone"),
            (Some("old"), "labels are not this environment's: berth.dev/installation is old"),
        ] {
            let found = found("recorded", installation, &recorded()).await;
            assert!(found.labelled.is_empty());
            let entry = unlabelled_entry(&found.unlabelled.unwrap(), &recorded(), "berth");
            assert!(entry.reason.contains(reason), "{entry:?}");
            assert_eq!(
                entry.command,
                "kubectl label namespace pr-1 --overwrite app.kubernetes.io/managed-by=berth berth.dev/app=web \
                 berth.dev/installation=berth berth.dev/workflow=preview-web-1"
            );
        }
    }

    #[tokio::test]
    async fn namespace_with_another_uid_or_without_a_record_is_not_the_environments() {
        for (uid, environment) in [("another", recorded()), ("recorded", examples::environment())] {
            let found = found(uid, None, &environment).await;
            assert!(found.labelled.is_empty() && found.unlabelled.is_none());
        }
        assert_eq!(found("recorded", Some("berth"), &recorded()).await.labelled.len(), 1);
    }
}

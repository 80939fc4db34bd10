//! `berth render --diff`: the objects of manifests beside those in the cluster, by a server-side dry run. No activity: a person
//! runs it with their own kubeconfig, and nothing is written.

use berth_manifests::{
    app::{App, EnvironmentNames},
    render::{self, Object},
};
use berth_workflows::contract::environment::{Environment, EnvironmentKind};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::{
    context::Context,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::labels,
    release::{
        apply_release::{Comparison, compare_objects},
        stored_release::StoredRelease,
    },
    settings::Settings,
};

/// What an environment's last rollout had, and the manifests name: without it, each comparison would show it as changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRollout {
    /// Whether the namespace exists.
    pub namespace_exists: bool,
    /// `KUBE_DEPLOY_ID`.
    pub deploy_id: Option<u64>,
    /// The Secret with the app's secrets.
    pub secret: Option<String>,
    installation: String,
}

/// Finds what the last rollout in a namespace had.
///
/// # Errors
/// The caller may not read the namespace, or the API server does not answer.
pub async fn find_last_rollout(client: &Client, namespace: &str) -> Result<LastRollout, Failure> {
    let failed = |e| Failure::kubernetes(format!("reading namespace {namespace}"), e);
    let Some(found) = Api::<Namespace>::all(client.clone()).get_opt(namespace).await.map_err(failed)? else {
        return Ok(LastRollout::default());
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let parent = secrets.get_metadata_opt(labels::APPLYSET_PARENT).await.map_err(failed)?;
    let deploy_id = parent.as_ref().and_then(|parent| parent.labels().get(labels::DEPLOY_ID)?.parse().ok());
    let of_app = ListParams::default().labels(&format!("{}={}", labels::CONTENT, labels::SECRETS));
    let mut found_secrets = secrets.list_metadata(&of_app).await.map_err(failed)?.items;
    found_secrets.sort_by_key(|secret| secret.creation_timestamp().map(|time| time.0));
    Ok(LastRollout {
        namespace_exists: true,
        deploy_id,
        secret: found_secrets.last().map(ResourceExt::name_any),
        installation: found.labels().get(labels::INSTALLATION).cloned().unwrap_or_default(),
    })
}

/// Compares rendered objects with those in the cluster, in their order. Values of Secrets are never shown.
///
/// # Errors
/// The caller may not read the objects, or the API server does not answer.
pub async fn compare(
    client: &Client,
    app: &App,
    names: &EnvironmentNames,
    last: &LastRollout,
    objects: Vec<Object>,
) -> Result<Vec<Comparison>, Failure> {
    let (settings, progress) = (Settings::of_installation(last.installation.clone()), Progress::new());
    let context = Context { client, settings: &settings, progress: &progress };
    let kind = match (names.kind, names.pr) {
        (render::EnvironmentKind::Preview, Some(pr)) => EnvironmentKind::Preview { pr },
        _ => EnvironmentKind::Production,
    };
    let environment = Environment {
        app: app.app.clone(),
        kind,
        workflow_id: kind.workflow_id(&app.app),
        namespace: names.namespace.clone(),
        host: names.host.clone(),
        temporal_ui_host: names.temporal_ui_host.clone(),
        namespace_uid: None,
        cluster_objects: Vec::new(),
        database: None,
        scheme: String::new(),
    };
    let objects = objects.iter().map(|object| object.document.clone()).collect();
    let release = StoredRelease { objects, ..StoredRelease::default() };
    compare_objects(context, &environment, &release, last.namespace_exists).await
}

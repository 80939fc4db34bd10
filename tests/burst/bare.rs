//! The bare client: an API client that applies the same objects and waits for them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::{await_condition, conditions::is_deployment_completed},
};

/// The kinds that an environment of the sample app has.
const KINDS: [(&str, &str, &str); 9] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "LimitRange"),
    ("apps", "v1", "Deployment"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
];

/// Secrets that berth keeps for itself. A bare client has none.
const BOOKS: [&str; 2] = ["berth-release", "berth-applyset"];

pub(crate) async fn connect(kubeconfig: &Path) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The objects that berth made in a namespace, ready to apply. The namespace comes first.
pub(crate) async fn objects_of(client: &Client, namespace: &str) -> anyhow::Result<Vec<DynamicObject>> {
    let resource = resource(("", "v1", "Namespace"));
    let own = Api::<DynamicObject>::all_with(client.clone(), &resource).get(namespace).await?;
    let mut objects = vec![plain(own)];
    for kind in KINDS {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &self::resource(kind));
        let found = api.list(&ListParams::default()).await.with_context(|| format!("listing {}", kind.2))?;
        let types = Some(kube::core::TypeMeta { api_version: self::resource(kind).api_version, kind: kind.2.into() });
        let by_berth = found.items.into_iter().filter(is_of_berth);
        objects.extend(by_berth.map(|object| plain(DynamicObject { types: types.clone(), ..object })));
    }
    Ok(objects)
}

fn resource((group, version, kind): (&str, &str, &str)) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn is_of_berth(object: &DynamicObject) -> bool {
    let managed = object.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some("berth"));
    managed && !BOOKS.iter().any(|books| object.name_any().starts_with(books))
}

fn plain(mut object: DynamicObject) -> DynamicObject {
    let metadata = object.metadata;
    object.metadata = kube::core::ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        labels: metadata.labels,
        annotations: metadata.annotations,
        ..Default::default()
    };
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    // The server assigned these addresses, each to one Service.
    if let Some(spec) = object.data.get_mut("spec").and_then(serde_json::Value::as_object_mut) {
        spec.retain(|field, _| !field.starts_with("clusterIP"));
    }
    object
}

/// Applies the objects to that many namespaces, and waits in each for its workloads.
pub(crate) async fn open(
    client: &Client,
    objects: &[DynamicObject],
    count: u64,
    at_once: usize,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let all = stream::iter((0..count).map(|number| open_one(client, objects, number)));
    all.buffer_unordered(at_once).try_collect::<Vec<_>>().await?;
    Ok(begun.elapsed())
}

async fn open_one(client: &Client, objects: &[DynamicObject], number: u64) -> anyhow::Result<()> {
    let text = serde_json::to_string(objects)?.replace("pr-1", &name(number));
    let objects: Vec<DynamicObject> = serde_json::from_str(&text)?;
    let (namespace, rest) = objects.split_first().context("there is a namespace")?;
    apply(client, namespace).await?;
    futures::future::try_join_all(rest.iter().map(|object| apply(client, object))).await?;
    let deployments =
        rest.iter().filter(|object| object.types.as_ref().is_some_and(|types| types.kind == "Deployment"));
    for deployment in deployments {
        let api: Api<Deployment> = Api::namespaced(client.clone(), &name(number));
        await_condition(api, &deployment.name_any(), is_deployment_completed()).await?;
    }
    Ok(())
}

fn name(number: u64) -> String {
    format!("bare-{number}")
}

async fn apply(client: &Client, object: &DynamicObject) -> anyhow::Result<()> {
    let types = object.types.as_ref().context("an object has a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("bare").force();
    let applied = api.patch(&object.name_any(), &params, &Patch::Apply(object)).await;
    applied.with_context(|| format!("applying {}/{}", types.kind, object.name_any()))?;
    Ok(())
}

/// Removes the namespaces and waits until they are gone: the next measurement must not run beside that.
pub(crate) async fn close(client: &Client, count: u64) -> anyhow::Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let gone = (0..count).map(|number| {
        let namespaces = namespaces.clone();
        async move {
            let deleted = namespaces.delete(&name(number), &DeleteParams::default()).await?;
            let uid = deleted.left().and_then(|namespace| namespace.uid()).unwrap_or_default();
            await_condition(namespaces, &name(number), kube::runtime::conditions::is_deleted(&uid)).await?;
            anyhow::Ok(())
        }
    });
    futures::future::try_join_all(gone).await?;
    Ok(())
}

//! What `berth check --cluster` reads in the cluster: classes, berth's rights, and the kinds that an app file adds.

use std::collections::BTreeSet;

use anyhow::Context as _;
use berth_activities::look_up_kind;
use berth_manifests::{
    app::App,
    render::{Classes, ClusterClasses, ClusterRoles, ENVIRONMENT_ROLE_NAME, Finding, FurtherKind, Rights, rule_for},
};
use k8s_openapi::{
    Metadata,
    api::{
        networking::v1::IngressClass, node::v1::RuntimeClass, rbac::v1::ClusterRole, scheduling::v1::PriorityClass,
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams, core::ClusterResourceScope};
use serde::de::DeserializeOwned;

use crate::kubeconfig;

/// What the findings need of the cluster.
pub(super) struct Cluster {
    client: Client,
    pub(super) classes: ClusterClasses,
    /// The rights of `berth-environment`, if it is installed and the caller may read it.
    pub(super) rights: Option<Rights>,
    /// Every `ClusterRole`, if the caller may list them.
    pub(super) roles: Option<ClusterRoles>,
}

impl Cluster {
    /// Reads the cluster of the caller's kubeconfig.
    ///
    /// # Errors
    /// There is no kubeconfig, or the cluster does not answer.
    pub(super) async fn read() -> anyhow::Result<Self> {
        let client = kubeconfig::client().await.context("--cluster needs a kubeconfig (KUBECONFIG)")?;
        let (priority, runtime, ingress, storage) = tokio::try_join!(
            classes::<PriorityClass>(&client, None),
            classes::<RuntimeClass>(&client, None),
            classes::<IngressClass>(&client, Some("ingressclass.kubernetes.io/is-default-class")),
            classes::<StorageClass>(&client, Some("storageclass.kubernetes.io/is-default-class")),
        )?;
        let role = Api::<ClusterRole>::all(client.clone()).get(ENVIRONMENT_ROLE_NAME).await;
        let role = permitted(role).with_context(|| format!("reading the ClusterRole {ENVIRONMENT_ROLE_NAME}"))?;
        let rights = role.map(serde_json::to_value).transpose()?.map(|role| Rights::of_role(&role));
        let roles = cluster_roles(&client).await?;
        Ok(Self { client, classes: ClusterClasses { priority, runtime, ingress, storage }, rights, roles })
    }

    /// The findings about the kinds that an app file adds.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn check_kinds(&self, app: &App, file: &str) -> anyhow::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for (index, kind) in app.kinds.iter().enumerate() {
            let field = format!("kinds[{index}]");
            if let Some(problem) = self.problem(kind).await? {
                findings.push(Finding::error(file, app.line_of(&field), problem).field(field));
            }
        }
        Ok(findings)
    }

    async fn problem(&self, kind: &FurtherKind) -> anyhow::Result<Option<String>> {
        let FurtherKind { api_version, kind: name } = kind;
        let Some(found) = look_up_kind(&self.client, api_version, name).await? else {
            return Ok(Some(format!("the cluster has no kind {name} of {api_version}")));
        };
        if !found.namespaced {
            return Ok(Some(format!("the kind {name} is cluster-scoped: `kinds` takes namespaced ones")));
        }
        let lacks = self.rights.as_ref().is_some_and(|rights| !rights.include_kind(&found));
        Ok(lacks.then(|| format!("the ClusterRole {ENVIRONMENT_ROLE_NAME} lacks the rule {}", rule_for(&found))))
    }
}

/// The `ClusterRoles`, or `None` if the caller may not list them.
async fn cluster_roles(client: &Client) -> anyhow::Result<Option<ClusterRoles>> {
    let listed = Api::<ClusterRole>::all(client.clone()).list(&ListParams::default()).await;
    let Some(listed) = permitted(listed).context("listing ClusterRoles")? else { return Ok(None) };
    let roles = listed.items.iter().map(|role| Ok((role.name_any(), Rights::of_role(&serde_json::to_value(role)?))));
    Ok(Some(roles.collect::<anyhow::Result<_>>()?))
}

/// The classes of a kind, or `None` if the caller may not list them.
async fn classes<K>(client: &Client, default: Option<&str>) -> anyhow::Result<Option<Classes>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Metadata<Ty = ObjectMeta>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let listed = Api::<K>::all(client.clone()).list(&ListParams::default()).await;
    let Some(listed) = permitted(listed).with_context(|| format!("listing {}", K::plural(&())))? else {
        return Ok(None);
    };
    let is_default = |class: &K| {
        default.is_some_and(|mark| ResourceExt::annotations(class).get(mark).is_some_and(|value| value == "true"))
    };
    let has_default = listed.items.iter().any(is_default);
    let names: BTreeSet<_> = listed.items.iter().map(ResourceExt::name_any).collect();
    Ok(Some(Classes { names, has_default }))
}

/// `None` for what the caller may not read, or what is not there.
fn permitted<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        answer => answer.map(Some),
    }
}

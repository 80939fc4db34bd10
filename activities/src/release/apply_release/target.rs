//! An object of a release, beside the object of its name in the cluster.

use std::collections::BTreeMap;

use kube::{Api, ResourceExt, api::DynamicObject};

use berth_manifests::render::{Kind, Object};
use berth_workflows::contract::environment::EnvironmentKind;

use super::{Scope, replicas::Replicas};
use crate::{
    failure::Failure,
    kubernetes::{fence::Fence, further_kind, kind_api::api_for_kind, labels},
};

/// An object to apply.
pub(super) struct Target {
    pub(super) object: Object,
    pub(super) kind: Kind,
    pub(super) api: Api<DynamicObject>,
    /// The object in the cluster, if there is one.
    pub(super) live: Option<DynamicObject>,
    /// The numbers of replicas that an autoscaler sets, if one targets the object.
    pub(super) replicas: Option<Replicas>,
    /// Whether the object is one of a preview, where berth has default requests.
    pub(super) in_preview: bool,
}

impl Target {
    /// Reads the object of that name.
    ///
    /// # Errors
    /// `ManifestInvalid` or `PolicyDenied`, permanent, for a kind that the cluster does not have, or not in a namespace.
    pub(super) async fn read(scope: Scope<'_>, object: Object) -> Result<Self, Failure> {
        let kind = further_kind::kind_of(scope.context.client, &object).await?;
        let api = api_for_kind(scope.context.client, &kind, &scope.environment.namespace);
        let in_preview = scope.environment.kind != EnvironmentKind::Production;
        let mut target = Self { object, kind, api, live: None, replicas: None, in_preview };
        target.live = target.get().await?;
        Ok(target)
    }

    /// Reads the object again, after a conflict.
    ///
    /// # Errors
    /// `Overtaken`, permanent, if a newer rollout has written it.
    pub(super) async fn read_again(&mut self, scope: Scope<'_>) -> Result<(), Failure> {
        self.live = self.get().await?;
        scope.fence.check(self.fenced())
    }

    async fn get(&self) -> Result<Option<DynamicObject>, Failure> {
        let failed = |e| further_kind::explain_refusal(Failure::applying(&self.name(), e), &self.kind);
        self.api.get_opt(self.object.name()).await.map_err(failed)
    }

    /// Returns whether the object in the cluster is being deleted.
    pub(super) fn is_ending(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.metadata.deletion_timestamp.is_some())
    }

    /// Returns `Kind/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.object.kind(), self.object.name())
    }

    /// Returns the name and labels of the object in the cluster, to check its fence.
    pub(super) fn fenced(&self) -> Option<(String, &BTreeMap<String, String>)> {
        Some((self.name(), self.live.as_ref()?.labels()))
    }

    /// Returns whether this rollout wrote the object last.
    pub(super) fn is_written(&self, fence: Fence) -> bool {
        self.live.as_ref().is_some_and(|live| fence.is_own(live.labels()))
    }

    /// Returns whether this rollout created the object.
    pub(super) fn is_created(&self, fence: Fence) -> bool {
        let created_by = self.live.as_ref().and_then(|live| live.annotations().get(labels::CREATED_BY));
        created_by.is_some_and(|id| *id == fence.value())
    }
}

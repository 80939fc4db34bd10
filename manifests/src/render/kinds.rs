//! The kinds of object that berth applies. The table holds what berth must know about each, so no discovery is needed.

use serde::Serialize;

/// A kind that manifests may have.
///
/// The namespaced kinds are exactly those that the role `berth-environment` may write; an app file may allow the
/// cluster-scoped ones. Some kinds are left out on purpose:
/// - kinds that reach beyond the environment: `ClusterRole`, `PersistentVolume`, webhooks, `CustomResourceDefinition`;
/// - kinds that send traffic to arbitrary addresses: `Endpoints`, `EndpointSlice`;
/// - kinds that no rollout can watch: bare `Pod`s, `ReplicaSet`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version that berth applies.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource's name in URLs.
    pub plural: &'static str,
    /// Whether its objects are namespaced.
    pub namespaced: bool,
    /// The stage in which its objects are applied; lower stages come first.
    pub(super) stage: usize,
}

/// The most stages of an apply.
pub(super) const STAGES: usize = 4;

/// Limits and classes of pods. They must exist before the first pod.
const LIMITS: usize = 0;
/// Objects that pods refer to.
const CONFIG: usize = 1;
/// Objects that create pods.
const WORKLOADS: usize = 2;
/// Objects that send traffic to pods, or change their number.
const TRAFFIC: usize = 3;

const fn kind(
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    stage: usize,
) -> Kind {
    Kind { group, version, kind, plural, namespaced: true, stage }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const AUTOSCALING: &str = "autoscaling";
const BATCH: (&str, &str) = ("batch", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const POLICY: (&str, &str) = ("policy", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const SCHEDULING: (&str, &str) = ("scheduling.k8s.io", "v1");

/// Every kind that manifests may have.
pub const KINDS: [Kind; 20] = [
    kind(CORE, "LimitRange", "limitranges", LIMITS),
    kind(CORE, "ResourceQuota", "resourcequotas", LIMITS),
    kind(NETWORKING, "NetworkPolicy", "networkpolicies", LIMITS),
    // The API server refuses a RoleBinding to a Role that does not exist yet.
    kind(RBAC, "Role", "roles", LIMITS),
    Kind { namespaced: false, ..kind(SCHEDULING, "PriorityClass", "priorityclasses", LIMITS) },
    kind(CORE, "ConfigMap", "configmaps", CONFIG),
    kind(CORE, "PersistentVolumeClaim", "persistentvolumeclaims", CONFIG),
    kind(CORE, "Secret", "secrets", CONFIG),
    // Services come before workloads: a pod's environment has the addresses of Services that exist when it starts.
    kind(CORE, "Service", "services", CONFIG),
    kind(CORE, "ServiceAccount", "serviceaccounts", CONFIG),
    kind(POLICY, "PodDisruptionBudget", "poddisruptionbudgets", CONFIG),
    kind(RBAC, "RoleBinding", "rolebindings", CONFIG),
    kind(APPS, "DaemonSet", "daemonsets", WORKLOADS),
    kind(APPS, "Deployment", "deployments", WORKLOADS),
    kind(APPS, "StatefulSet", "statefulsets", WORKLOADS),
    kind(BATCH, "CronJob", "cronjobs", WORKLOADS),
    kind(BATCH, "Job", "jobs", WORKLOADS),
    kind((AUTOSCALING, "v2"), "HorizontalPodAutoscaler", "horizontalpodautoscalers", TRAFFIC),
    kind((AUTOSCALING, "v1"), "HorizontalPodAutoscaler", "horizontalpodautoscalers", TRAFFIC),
    kind(NETWORKING, "Ingress", "ingresses", TRAFFIC),
];

/// The cluster-scoped kinds that an app file may allow.
pub fn cluster_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(|kind| !kind.namespaced).map(|kind| kind.kind)
}

impl Kind {
    /// The kind with this `apiVersion` and `kind`.
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// The kind with this name in any version, for a message that names the right version.
    pub(super) fn find_any_version(kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind)
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The stage of an apply in which its objects are written; lower stages come first.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// `Deployment.apps`, or `Service` for the core group: the kind as an `ApplySet` names it.
    pub fn group_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_agree_with_k8s_openapi() {
        use k8s_openapi::{NamespaceResourceScope, Resource, api};
        fn check<K: Resource<Scope = NamespaceResourceScope>>() {
            let kind = Kind::find(K::API_VERSION, K::KIND).unwrap();
            assert_eq!((kind.plural, kind.namespaced), (K::URL_PATH_SEGMENT, true));
        }
        check::<api::core::v1::LimitRange>();
        check::<api::core::v1::ResourceQuota>();
        check::<api::core::v1::ConfigMap>();
        check::<api::core::v1::PersistentVolumeClaim>();
        check::<api::core::v1::Secret>();
        check::<api::core::v1::Service>();
        check::<api::core::v1::ServiceAccount>();
        check::<api::networking::v1::NetworkPolicy>();
        check::<api::networking::v1::Ingress>();
        check::<api::policy::v1::PodDisruptionBudget>();
        check::<api::rbac::v1::Role>();
        check::<api::rbac::v1::RoleBinding>();
        check::<api::apps::v1::DaemonSet>();
        check::<api::apps::v1::Deployment>();
        check::<api::apps::v1::StatefulSet>();
        check::<api::batch::v1::CronJob>();
        check::<api::batch::v1::Job>();
        check::<api::autoscaling::v1::HorizontalPodAutoscaler>();
        check::<api::autoscaling::v2::HorizontalPodAutoscaler>();
    }

    #[test]
    fn priority_class_is_the_only_cluster_scoped_kind() {
        assert_eq!(cluster_kinds().collect::<Vec<_>>(), ["PriorityClass"]);
    }
}

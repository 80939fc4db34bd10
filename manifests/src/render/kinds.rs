//! Which kinds of object berth applies, and what it must know about each: so that it needs no discovery.

use serde::Serialize;

/// A kind that manifests may have: exactly what the role `berth-environment` may write, and the cluster-scoped kinds that
/// an app file may allow. Left out on purpose: whatever reaches beyond the environment (`ClusterRole`, `PersistentVolume`,
/// webhooks, `CustomResourceDefinition`), whatever sends traffic to addresses of its own (`Endpoints`, `EndpointSlice`), and
/// what no rollout can follow (bare `Pod`s, `ReplicaSet`s).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The API group; empty for the core one.
    pub group: &'static str,
    /// The version berth applies.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource's name in URLs.
    pub plural: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// When it is applied, before higher ones.
    pub(super) stage: usize,
}

/// The number of stages an apply has at most.
pub(super) const STAGES: usize = 4;

/// What limits and classes pods: it must be there before a pod can come.
const LIMITS: usize = 0;
/// What pods refer to.
const CONFIG: usize = 1;
/// What makes pods.
const WORKLOADS: usize = 2;
/// What sends traffic to pods, or changes their number.
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

/// Every kind that is taken.
pub const KINDS: [Kind; 20] = [
    kind(CORE, "LimitRange", "limitranges", LIMITS),
    kind(CORE, "ResourceQuota", "resourcequotas", LIMITS),
    kind(NETWORKING, "NetworkPolicy", "networkpolicies", LIMITS),
    // A RoleBinding to a Role that is not there yet is refused.
    kind(RBAC, "Role", "roles", LIMITS),
    Kind { namespaced: false, ..kind(SCHEDULING, "PriorityClass", "priorityclasses", LIMITS) },
    kind(CORE, "ConfigMap", "configmaps", CONFIG),
    kind(CORE, "PersistentVolumeClaim", "persistentvolumeclaims", CONFIG),
    kind(CORE, "Secret", "secrets", CONFIG),
    // Before the workloads: a pod gets the addresses of the Services that are there when it starts.
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
    /// The kind of an object that says it is `kind` of `api_version`.
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// The kind of that name, whatever its version: to say which version would do.
    pub(super) fn named(kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind)
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
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
    fn the_table_agrees_with_k8s_openapi() {
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
    fn only_a_priority_class_may_be_cluster_scoped() {
        assert_eq!(cluster_kinds().collect::<Vec<_>>(), ["PriorityClass"]);
    }
}

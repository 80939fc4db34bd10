//! The kinds of object that berth applies. The table holds what berth must know about each, so no discovery is needed. An app
//! file may allow further ones, which are looked up in the cluster.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind that manifests may have.
///
/// The namespaced kinds are exactly those that the role `berth-environment` may write; an app file may allow the
/// cluster-scoped ones. Some kinds are left out on purpose:
/// - kinds that reach beyond the environment: `ClusterRole`, `PersistentVolume`, webhooks, `CustomResourceDefinition`;
/// - kinds that send traffic to arbitrary addresses: `Endpoints`, `EndpointSlice`;
/// - kinds that no rollout can watch: bare `Pod`s, `ReplicaSet`s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version that berth applies.
    pub version: Cow<'static, str>,
    /// The kind.
    pub kind: Cow<'static, str>,
    /// The resource's name in URLs.
    pub plural: Cow<'static, str>,
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

/// The stage of kinds outside the table.
pub(super) const FURTHER_STAGE: usize = CONFIG;

const fn kind(
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    stage: usize,
) -> Kind {
    let (group, version) = (Cow::Borrowed(group), Cow::Borrowed(version));
    Kind { group, version, kind: Cow::Borrowed(kind), plural: Cow::Borrowed(plural), namespaced: true, stage }
}

const fn in_cluster(mut kind: Kind) -> Kind {
    kind.namespaced = false;
    kind
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
pub static KINDS: [Kind; 20] = [
    kind(CORE, "LimitRange", "limitranges", LIMITS),
    kind(CORE, "ResourceQuota", "resourcequotas", LIMITS),
    kind(NETWORKING, "NetworkPolicy", "networkpolicies", LIMITS),
    // The API server refuses a RoleBinding to a Role that does not exist yet.
    kind(RBAC, "Role", "roles", LIMITS),
    in_cluster(kind(SCHEDULING, "PriorityClass", "priorityclasses", LIMITS)),
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

/// A namespaced kind outside the table that an app file allows. Its objects are applied, pruned and removed; only the API
/// server checks them, and no rollout waits for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FurtherKind {
    /// The API group and version: `monitoring.coreos.com/v1`.
    pub api_version: String,
    /// The kind: `ServiceMonitor`.
    pub kind: String,
}

/// Kinds that no app file can allow, each with the reason.
const NEVER: [(&str, &str); 8] = [
    ("ClusterRole", "grants rights in the whole cluster"),
    ("ClusterRoleBinding", "grants rights in the whole cluster"),
    ("CustomResourceDefinition", "belongs to the whole cluster"),
    ("EndpointSlice", "sends traffic to any address"),
    ("Endpoints", "sends traffic to any address"),
    ("Namespace", "is made by berth"),
    ("Pod", "cannot be followed by a rollout, as a Deployment or a Job can"),
    ("ReplicaSet", "cannot be followed by a rollout, as a Deployment can"),
];

impl FurtherKind {
    /// The reason why an app file cannot allow the kind, if there is one.
    pub(crate) fn refusal(&self) -> Option<String> {
        let Self { api_version, kind } = self;
        let (group, _) = group_and_version(api_version);
        if KINDS.iter().any(|known| known.kind == *kind && known.group == group) {
            return Some(format!("berth takes a {kind} already, or by `cluster_kinds`"));
        }
        let is_builtin = !group.contains('.') || group.ends_with(".k8s.io");
        let never = NEVER.iter().find(|(name, _)| is_builtin && name == kind);
        never.map(|(_, why)| format!("no app can have a {kind}: it {why}"))
    }
}

/// The cluster-scoped kinds that an app file may allow.
pub fn cluster_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(|kind| !kind.namespaced).map(|kind| kind.kind.as_ref())
}

/// The API group and the version of an `apiVersion`. The core group is empty.
pub fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// A kind as an `ApplySet` names it: `Deployment.apps`, or `Service` for the core group.
pub(super) fn group_kind(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

impl Kind {
    /// The kind with this `apiVersion` and `kind`.
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// A kind outside the table, as a cluster describes it. Its objects are written with those that pods refer to: a
    /// controller makes Secrets, volumes or routes of them.
    pub fn described(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let own = |text: &str| Cow::Owned(text.to_owned());
        Self {
            group: own(group),
            version: own(version),
            kind: own(kind),
            plural: own(plural),
            namespaced,
            stage: FURTHER_STAGE,
        }
    }

    /// The kind with this name in any version, for a message that names the right version.
    pub(super) fn find_any_version(kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind == kind)
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The stage of an apply in which its objects are written; lower stages come first.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// `Deployment.apps`, or `Service` for the core group: the kind as an `ApplySet` names it.
    pub fn group_kind(&self) -> String {
        group_kind(&self.group, &self.kind)
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
            assert_eq!((kind.plural.as_ref(), kind.namespaced), (K::URL_PATH_SEGMENT, true));
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
    fn builtin_kinds_are_refused_as_further_kinds() {
        let refusal = |api_version: &str, kind: &str| {
            FurtherKind { api_version: api_version.to_owned(), kind: kind.to_owned() }.refusal()
        };
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("apps/v1beta1", "Deployment"),
            ("v1", "Pod"),
            ("v1", "Endpoints"),
            ("discovery.k8s.io/v1", "EndpointSlice"),
            ("scheduling.k8s.io/v1", "PriorityClass"),
        ] {
            assert!(refusal(api_version, kind).is_some(), "{api_version} {kind}");
        }
        for (api_version, kind) in [
            ("monitoring.coreos.com/v1", "ServiceMonitor"),
            ("traefik.io/v1alpha1", "Middleware"),
            ("coordination.k8s.io/v1", "Lease"),
            ("cluster.example.com/v1", "Namespace"),
        ] {
            assert_eq!(refusal(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn priority_class_is_the_only_cluster_scoped_kind() {
        assert_eq!(cluster_kinds().collect::<Vec<_>>(), ["PriorityClass"]);
    }
}

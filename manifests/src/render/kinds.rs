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

/// The API group of Roles and `RoleBinding`s.
pub(super) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const AUTOSCALING: &str = "autoscaling";
const BATCH: (&str, &str) = ("batch", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const POLICY: (&str, &str) = ("policy", "v1");
const RBAC: (&str, &str) = (RBAC_GROUP, "v1");
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

/// Kinds of Kubernetes that no app file can allow, each with the reason and with what to write instead.
const NEVER: [(&str, &str); 10] = [
    ("ClusterRole", "grants rights in the whole cluster; write a Role for production"),
    ("ClusterRoleBinding", "grants rights in the whole cluster; write a RoleBinding for production"),
    ("ControllerRevision", "is written by a controller; write a StatefulSet or a DaemonSet"),
    ("CustomResourceDefinition", "belongs to the whole cluster; an administrator installs it"),
    ("EndpointSlice", SENDS_TRAFFIC),
    ("Endpoints", SENDS_TRAFFIC),
    ("Namespace", "is made by berth"),
    ("Pod", "cannot be followed by a rollout; write a Deployment or a Job"),
    ("ReplicaSet", "cannot be followed by a rollout; write a Deployment"),
    ("ReplicationController", "cannot be followed by a rollout; write a Deployment"),
];

const SENDS_TRAFFIC: &str = "sends traffic to any address; a Service needs a `selector`, and an address outside belongs into the pods' environment variables";

/// Cluster-scoped kinds, by the end of their API group. Kubernetes' own are those of version 1.34.
const CLUSTER_SCOPED: [(&str, &[&str]); 12] = [
    ("", &["Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiregistration.k8s.io", &["APIService"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("cert-manager.io", &["ClusterIssuer"]),
    ("external-secrets.io", &["ClusterExternalSecret", "ClusterSecretStore"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("snapshot.storage.k8s.io", &["VolumeSnapshotClass", "VolumeSnapshotContent"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
];

impl FurtherKind {
    /// The reason why an app file cannot allow the kind, if there is one.
    pub(crate) fn refusal(&self) -> Option<String> {
        let Self { api_version, kind } = self;
        let (group, _) = group_and_version(api_version);
        if KINDS.iter().any(|known| known.kind == *kind && known.group == group) {
            return Some(format!("berth takes a {kind} already, or by `cluster_kinds`"));
        }
        never(api_version, kind)
    }
}

/// The reason why no manifest can have the kind, if there is one. Of a kind that Kubernetes does not have, only a cluster knows it.
pub(super) fn never(api_version: &str, kind: &str) -> Option<String> {
    let (group, _) = group_and_version(api_version);
    let listed = NEVER.iter().find(|(name, _)| is_builtin(group) && *name == kind);
    let is_cluster_scoped = CLUSTER_SCOPED.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind));
    let why = match listed {
        Some((_, why)) => why,
        None if is_cluster_scoped => "is cluster-scoped; an administrator makes it",
        None => return None,
    };
    Some(format!("no app can have a {kind}: it {why}"))
}

/// Whether a group is one of Kubernetes itself.
fn is_builtin(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
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

    /// The kind of Kubernetes with this name in any version, for a message that names the right version. A group that is not
    /// one of Kubernetes may have a kind of the same name.
    pub(super) fn find_any_version(api_version: &str, kind: &str) -> Option<&'static Self> {
        let (group, _) = group_and_version(api_version);
        KINDS.iter().find(|known| is_builtin(group) && known.kind == kind)
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
mod tests;

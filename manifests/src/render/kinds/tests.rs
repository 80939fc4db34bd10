//! The table beside Kubernetes' own types, and the kinds that an app file may add.

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
        ("v1", "PersistentVolume"),
        ("storage.k8s.io/v1", "StorageClass"),
        ("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicy"),
        ("cert-manager.io/v1", "ClusterIssuer"),
    ] {
        assert!(refusal(api_version, kind).is_some(), "{api_version} {kind}");
    }
    for (api_version, kind) in [
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("traefik.io/v1alpha1", "Middleware"),
        ("coordination.k8s.io/v1", "Lease"),
        ("cluster.example.com/v1", "Namespace"),
        ("cert-manager.io/v1", "Issuer"),
        ("example.com/v1", "StorageClass"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
    ] {
        assert_eq!(refusal(api_version, kind), None, "{api_version} {kind}");
    }
}

#[test]
fn priority_class_is_the_only_cluster_scoped_kind() {
    assert_eq!(cluster_kinds().collect::<Vec<_>>(), ["PriorityClass"]);
}

//! The standing of a pod: whether what it does shows that the release serves.

use std::collections::BTreeSet;

use berth_workflows::contract::apply::Workload;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, StatefulSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, Client, Resource, ResourceExt, core::PartialObjectMeta};
use serde::de::DeserializeOwned;

use super::serving_pods::serves_with;
use crate::{kubernetes::labels, rollout::snapshot::Snapshot};

/// The standing of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The release serves with it.
    Serves,
    /// It is of an earlier revision or of an earlier release, and will go.
    Old,
    /// Its owner is not known: deleted, or not seen yet.
    Unknown,
    /// It is somebody else's: an operator's or a person's. It has no revision of the release.
    Outside,
}

/// The owners of pods that no watch of the gates shows, and that an earlier release made.
#[derive(Debug, Default)]
pub(super) struct EarlierOwners(BTreeSet<String>);

impl EarlierOwners {
    /// Asks the API server about the owners of listed pods whose kind the release does not have. Normally there are none. An
    /// owner that cannot be read counts as somebody else's.
    pub(super) async fn find(client: &Client, namespace: &str, snapshot: &Snapshot) -> Self {
        let owners = snapshot.pods.iter().filter_map(controller);
        let hidden = owners.filter(|owner| match owner.kind.as_str() {
            "StatefulSet" => !snapshot.stateful_sets.is_listed(),
            "DaemonSet" => !snapshot.daemon_sets.is_listed(),
            _ => false,
        });
        let hidden: BTreeSet<_> = hidden.map(|owner| (&owner.kind, &owner.name)).collect();
        let mut earlier = BTreeSet::new();
        for (kind, name) in hidden {
            let uid = match kind.as_str() {
                "StatefulSet" => uid_if_berths::<StatefulSet>(client, namespace, name).await,
                _ => uid_if_berths::<DaemonSet>(client, namespace, name).await,
            };
            earlier.extend(uid);
        }
        Self(earlier)
    }
}

async fn uid_if_berths<K>(client: &Client, namespace: &str, name: &str) -> Option<String>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let found = Api::<K>::namespaced(client.clone(), namespace).get_metadata_opt(name).await.ok()??;
    found.metadata.uid.clone().filter(|_| is_berths(&found))
}

fn is_berths<K: Resource<DynamicType = ()>>(object: &PartialObjectMeta<K>) -> bool {
    object.labels().get(labels::MANAGED_BY).is_some_and(|manager| manager == "berth")
}

fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.owner_references().iter().find(|owner| owner.controller == Some(true))
}

/// Returns the pod's standing.
pub(super) fn standing(snapshot: &Snapshot, workloads: &[Workload], earlier: &EarlierOwners, pod: &Pod) -> Standing {
    if let Some(workload) = workloads.iter().find(|workload| snapshot.is_of(pod, workload)) {
        return if serves_with(snapshot, workload, pod) { Standing::Serves } else { Standing::Old };
    }
    let Some(owner) = controller(pod) else { return Standing::Outside };
    match owner.kind.as_str() {
        "ReplicaSet" if snapshot.replica_sets.is_listed() => of_replica_set(snapshot, owner),
        "StatefulSet" if snapshot.stateful_sets.is_listed() => {
            of_set(snapshot.stateful_sets.iter().find(|set| set.uid().as_ref() == Some(&owner.uid)))
        }
        "DaemonSet" if snapshot.daemon_sets.is_listed() => {
            of_set(snapshot.daemon_sets.iter().find(|set| set.uid().as_ref() == Some(&owner.uid)))
        }
        _ if earlier.0.contains(&owner.uid) => Standing::Old,
        _ => Standing::Outside,
    }
}

/// The pod is of a `ReplicaSet` that belongs to no workload of the release.
fn of_replica_set(snapshot: &Snapshot, owner: &OwnerReference) -> Standing {
    let Some(set) = snapshot.replica_sets.iter().find(|set| set.uid().as_ref() == Some(&owner.uid)) else {
        return Standing::Unknown;
    };
    let mut owners = set.owner_references().iter();
    let Some(deployment) = owners.find(|owner| owner.controller == Some(true)) else { return Standing::Outside };
    of_set(snapshot.deployments.iter().find(|known| known.uid().as_ref() == Some(&deployment.uid)))
}

/// The pod is of a workload that is not in the release. berth made it for an earlier one, and removes it after the gates.
fn of_set<K: ResourceExt>(owner: Option<&K>) -> Standing {
    match owner {
        None => Standing::Unknown,
        Some(owner) if owner.labels().get(labels::MANAGED_BY).is_some_and(|manager| manager == "berth") => {
            Standing::Old
        }
        Some(_) => Standing::Outside,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::fixtures::{case, owner, pod, put, replica_set, snapshot, workload};

    fn standing_of(snapshot: &Snapshot, name: &str, workloads: &[Workload]) -> Standing {
        standing(snapshot, workloads, &EarlierOwners::default(), snapshot.pods.get(name).unwrap())
    }

    fn owned(name: &str, owners: Value) -> Value {
        let mut pod = pod(name, &format!("{name}-uid"), "none", &case("ready")["pod"]);
        pod["metadata"]["ownerReferences"] = owners;
        pod
    }

    fn deployment(name: &str, labels: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": name, "uid": format!("{name}-uid"), "labels": labels},
            "spec": {"selector": {}, "template": {}}})
    }

    #[test]
    fn pod_of_a_deployment_serves_in_the_new_revision_only() {
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
        put(&mut snapshot, &pod("web-4c7e-fghij", "old-uid", "web-4c7e", &case("ready")["pod"]));
        let workloads = [workload("Deployment", "web", 2)];
        assert_eq!(standing_of(&snapshot, "web-5d8f-abcde", &workloads), Standing::Serves);
        assert_eq!(standing_of(&snapshot, "web-4c7e-fghij", &workloads), Standing::Old);
    }

    #[test]
    fn pod_with_an_owner_that_is_not_listed_is_unknown() {
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &owned("web-9c9c-abcde", json!([owner("ReplicaSet", "web-9c9c", "web-9c9c-uid")])));
        let workloads = [workload("Deployment", "web", 2)];
        assert_eq!(standing_of(&snapshot, "web-9c9c-abcde", &workloads), Standing::Unknown);

        snapshot.stateful_sets.apply(kube::runtime::watcher::Event::Init);
        snapshot.stateful_sets.apply(kube::runtime::watcher::Event::InitDone);
        put(&mut snapshot, &owned("db-0", json!([owner("StatefulSet", "db", "db-uid")])));
        assert_eq!(standing_of(&snapshot, "db-0", &workloads), Standing::Unknown);
    }

    #[test]
    fn pod_of_a_workload_of_an_earlier_release_is_old() {
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &deployment("renamed", json!({"app.kubernetes.io/managed-by": "berth"})));
        let mut set = replica_set("renamed-1", "1", &json!(null));
        set["metadata"]["ownerReferences"] = json!([owner("Deployment", "renamed", "renamed-uid")]);
        put(&mut snapshot, &set);
        put(&mut snapshot, &owned("renamed-1-x", json!([owner("ReplicaSet", "renamed-1", "renamed-1-uid")])));
        let workloads = [workload("Deployment", "web", 2)];
        assert_eq!(standing_of(&snapshot, "renamed-1-x", &workloads), Standing::Old);
        put(&mut snapshot, &deployment("renamed", json!({"app.kubernetes.io/managed-by": "Helm"})));
        assert_eq!(standing_of(&snapshot, "renamed-1-x", &workloads), Standing::Outside);
    }

    #[test]
    fn pod_of_an_operator_or_a_person_is_outside() {
        let mut snapshot = snapshot("ready");
        for (name, owners) in [
            ("by-hand", json!([])),
            ("of-a-cluster", json!([owner("Cluster", "pg", "pg-uid")])),
            ("of-an-operators-set", json!([owner("StatefulSet", "rabbit", "rabbit-uid")])),
        ] {
            put(&mut snapshot, &owned(name, owners));
            assert_eq!(standing_of(&snapshot, name, &[workload("Deployment", "web", 2)]), Standing::Outside, "{name}");
        }
        let earlier = EarlierOwners(BTreeSet::from(["rabbit-uid".to_owned()]));
        let pod = snapshot.pods.get("of-an-operators-set").unwrap();
        assert_eq!(standing(&snapshot, &[], &earlier, pod), Standing::Old);
    }
}

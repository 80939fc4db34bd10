//! The known state of an environment's namespace, and the pods of the new revision in it.

use std::collections::{BTreeMap, BTreeSet};

use berth_workflows::contract::apply::Workload;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        core::v1::{Event, Pod},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Resource, ResourceExt, runtime::watcher};

/// The objects of one kind, as a watch reports them.
#[derive(Debug, Clone)]
pub(crate) struct Store<K> {
    objects: BTreeMap<String, K>,
    /// The list that is arriving. The old one stays in use until it is complete.
    arriving: BTreeMap<String, K>,
    listed: bool,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), arriving: BTreeMap::new(), listed: false }
    }
}

impl<K: Resource> Store<K> {
    /// Applies an event of a watch.
    pub(crate) fn apply(&mut self, event: watcher::Event<K>) {
        use watcher::Event;
        match event {
            Event::Init => self.arriving.clear(),
            Event::InitApply(object) => _ = self.arriving.insert(object.name_any(), object),
            Event::InitDone => {
                self.objects = std::mem::take(&mut self.arriving);
                self.listed = true;
            }
            Event::Apply(object) => _ = self.objects.insert(object.name_any(), object),
            Event::Delete(object) => _ = self.objects.remove(&object.name_any()),
        }
    }

    /// Returns whether the first list has arrived. Until then a missing object may exist.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Returns whether the list has arrived without the object.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.listed && !self.objects.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&K> {
        self.objects.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }

    fn versions(&self) -> impl Iterator<Item = [String; 3]>
    where
        K: Resource<DynamicType = ()>,
    {
        let version =
            |object: &K| [K::kind(&()).into(), object.name_any(), object.resource_version().unwrap_or_default()];
        self.iter().map(version)
    }

    #[cfg(test)]
    pub(crate) fn put(&mut self, object: K) {
        self.listed = true;
        self.objects.insert(object.name_any(), object);
    }
}

/// The namespace as the watches last reported it. Kinds without a watch are empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) deployments: Store<Deployment>,
    pub(crate) replica_sets: Store<ReplicaSet>,
    pub(crate) stateful_sets: Store<StatefulSet>,
    pub(crate) daemon_sets: Store<DaemonSet>,
    pub(crate) jobs: Store<Job>,
    pub(crate) pods: Store<Pod>,
    /// Warnings only.
    pub(crate) events: Store<Event>,
    pub(crate) endpoint_slices: Store<EndpointSlice>,
}

const REVISION: &str = "deployment.kubernetes.io/revision";
/// The label of a `StatefulSet`'s pod with its revision.
pub(crate) const REVISION_OF_POD: &str = "controller-revision-hash";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Snapshot {
    /// Returns the `ReplicaSet` of a Deployment's current revision.
    pub(crate) fn new_replica_set(&self, deployment: &Deployment) -> Option<&ReplicaSet> {
        let revision = deployment.annotations().get(REVISION)?;
        self.replica_sets.iter().find(|set| {
            owned_by(&set.metadata, &deployment.metadata) && set.annotations().get(REVISION) == Some(revision)
        })
    }

    /// Returns the pods of the workload's new revision that are not ending.
    pub(crate) fn new_pods(&self, workload: &Workload) -> Vec<&Pod> {
        let name = workload.name.as_str();
        match workload.kind.as_str() {
            "Deployment" => self
                .deployments
                .get(name)
                .and_then(|deployment| self.new_replica_set(deployment))
                .map_or_else(Vec::new, |set| self.staying_pods(&set.metadata, |_| true)),
            "StatefulSet" => self.stateful_sets.get(name).map_or_else(Vec::new, |set| {
                let revision = update_revision(set);
                self.staying_pods(&set.metadata, |pod| pod.labels().get(REVISION_OF_POD) == revision)
            }),
            "DaemonSet" => self.daemon_sets.get(name).map_or_else(Vec::new, |set| {
                let generation = set.annotations().get(TEMPLATE_GENERATION);
                self.staying_pods(&set.metadata, |pod| {
                    generation.is_none() || pod.labels().get("pod-template-generation") == generation
                })
            }),
            "Job" => self.jobs.get(name).map_or_else(Vec::new, |job| {
                self.pods.iter().filter(|pod| owned_by(&pod.metadata, &job.metadata)).collect()
            }),
            _ => Vec::new(),
        }
    }

    /// Returns the pods of a `StatefulSet` that are of an earlier revision and not ending.
    pub(crate) fn old_pods(&self, set: &StatefulSet) -> Vec<&Pod> {
        let Some(revision) = update_revision(set) else { return Vec::new() };
        self.staying_pods(&set.metadata, |pod| pod.labels().get(REVISION_OF_POD) != Some(revision))
    }

    /// Returns the pods of the workload that have ended as a whole: evicted, or refused by a node. A Job's own ends are none.
    pub(crate) fn ended_pods(&self, workload: &Workload) -> Vec<&Pod> {
        let is_failed =
            |pod: &&Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Failed"));
        self.pods.iter().filter(|pod| self.is_of(pod, workload)).filter(is_failed).collect()
    }

    /// Returns whether the first lists that these workloads need have arrived.
    pub(crate) fn knows(&self, workloads: &[Workload]) -> bool {
        self.pods.is_listed()
            && workloads.iter().all(|workload| match workload.kind.as_str() {
                "Deployment" => self.deployments.is_listed() && self.replica_sets.is_listed(),
                "StatefulSet" => self.stateful_sets.is_listed(),
                "DaemonSet" => self.daemon_sets.is_listed(),
                "Job" => self.jobs.is_listed(),
                _ => true,
            })
    }

    /// Returns kind, name and version of each object, to tell whether two snapshots differ. Events are left out.
    pub(crate) fn versions(&self) -> BTreeSet<[String; 3]> {
        let mut versions = BTreeSet::new();
        versions.extend(self.deployments.versions());
        versions.extend(self.replica_sets.versions());
        versions.extend(self.stateful_sets.versions());
        versions.extend(self.daemon_sets.versions());
        versions.extend(self.jobs.versions());
        versions.extend(self.pods.versions());
        versions.extend(self.endpoint_slices.versions());
        versions
    }

    /// Returns whether the pod belongs to the workload, in any revision.
    pub(crate) fn is_of(&self, pod: &Pod, workload: &Workload) -> bool {
        let owner = |kind: &str, meta: Option<&ObjectMeta>| {
            workload.kind == kind && meta.is_some_and(|meta| owned_by(&pod.metadata, meta))
        };
        let name = workload.name.as_str();
        owner("StatefulSet", self.stateful_sets.get(name).map(|set| &set.metadata))
            || owner("DaemonSet", self.daemon_sets.get(name).map(|set| &set.metadata))
            || self.deployments.get(name).is_some_and(|deployment| {
                let sets = self.replica_sets.iter().filter(|set| owned_by(&set.metadata, &deployment.metadata));
                sets.into_iter().any(|set| owner("Deployment", Some(&set.metadata)))
            })
    }

    /// Returns pods of the revision, without those that have ended as a whole (evicted, refused by a node). Their owner
    /// replaces these, and they do not count against the release.
    fn staying_pods(&self, owner: &ObjectMeta, of_revision: impl Fn(&Pod) -> bool) -> Vec<&Pod> {
        self.pods
            .iter()
            .filter(|pod| owned_by(&pod.metadata, owner))
            .filter(|pod| pod.metadata.deletion_timestamp.is_none() && !has_ended(pod))
            .filter(|pod| of_revision(pod))
            .collect()
    }

    /// Returns the warnings about the object with this UID.
    pub(crate) fn events_about<'a>(&'a self, uid: Option<&'a str>) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| uid.is_some() && event.involved_object.uid.as_deref() == uid)
    }
}

fn owned_by(meta: &ObjectMeta, owner: &ObjectMeta) -> bool {
    let references = meta.owner_references.as_deref().unwrap_or_default();
    owner.uid.is_some() && references.iter().any(|reference| Some(&reference.uid) == owner.uid.as_ref())
}

fn update_revision(set: &StatefulSet) -> Option<&String> {
    set.status.as_ref()?.update_revision.as_ref()
}

/// Returns whether the pod has ended as a whole.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// Returns whether the pod receives traffic.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Returns the unix time in milliseconds.
pub(crate) fn unix_ms(time: &Time) -> u64 {
    u64::try_from(time.0.as_millisecond()).unwrap_or_default()
}

/// Returns the unix time in milliseconds at which an event last happened.
pub(crate) fn event_ms(event: &Event) -> u64 {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let micro = series.or(event.event_time.as_ref());
    let last = event.last_timestamp.as_ref().map(unix_ms);
    let other = micro.map(|time| u64::try_from(time.0.as_millisecond()).unwrap_or_default());
    last.max(other).unwrap_or_default()
}

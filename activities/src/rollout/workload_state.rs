//! The state of a workload, by the same counts as `kubectl rollout status`, in the same order, so that berth is never
//! later than it. `kubectl` has no rule for a Job: it must succeed.

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    batch::v1::Job,
};

use super::snapshot::{Snapshot, is_ready};

/// The state of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkloadState {
    Complete,
    /// Not done, with a short description of what is missing.
    Waiting(String),
    /// A Job that will not succeed, with its controller's message.
    JobFailed(String),
}

use WorkloadState::{Complete, JobFailed, Waiting};

/// Returns the workload's state. Kinds without a rule are always complete.
pub(crate) fn workload_state(snapshot: &Snapshot, workload: &Workload) -> WorkloadState {
    let name = workload.name.as_str();
    let (listed, found) = match workload.kind.as_str() {
        "Deployment" => (
            snapshot.deployments.is_listed(),
            snapshot
                .deployments
                .get(name)
                .map(|object| deployment(object, workload.generation, new_ready(snapshot, workload))),
        ),
        "StatefulSet" => (
            snapshot.stateful_sets.is_listed(),
            snapshot.stateful_sets.get(name).map(|object| stateful_set(object, workload.generation)),
        ),
        "DaemonSet" => (
            snapshot.daemon_sets.is_listed(),
            snapshot.daemon_sets.get(name).map(|object| daemon_set(object, workload.generation)),
        ),
        "Job" => (snapshot.jobs.is_listed(), snapshot.jobs.get(name).map(job)),
        _ => return Complete,
    };
    match found {
        Some(state) => state,
        None if listed => Waiting("does not exist".to_owned()),
        None => Waiting("not listed yet".to_owned()),
    }
}

/// Until the controller has observed the applied spec, the status describes the release before.
fn observed(observed: Option<i64>, applied: i64, current: Option<i64>) -> Result<(), WorkloadState> {
    if observed.unwrap_or_default() < applied.max(current.unwrap_or_default()) {
        return Err(Waiting("its controller has not observed the new spec yet".to_owned()));
    }
    Ok(())
}

/// Turns early returns of waiting into a state.
fn done(checked: Result<(), WorkloadState>) -> WorkloadState {
    checked.err().unwrap_or(Complete)
}

fn require(met: bool, what: impl FnOnce() -> String) -> Result<(), WorkloadState> {
    if met { Ok(()) } else { Err(Waiting(what())) }
}

/// Returns how many pods of the new revision are ready. A Deployment's status does not separate them from the old ones.
fn new_ready(snapshot: &Snapshot, workload: &Workload) -> usize {
    snapshot.new_pods(workload).into_iter().filter(|pod| is_ready(pod)).count()
}

fn deployment(deployment: &Deployment, applied: i64, new_ready: usize) -> WorkloadState {
    let status = deployment.status.clone().unwrap_or_default();
    let spec = deployment.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let [replicas, updated, available, ready] =
        [status.replicas, status.updated_replicas, status.available_replicas, status.ready_replicas]
            .map(Option::unwrap_or_default);
    done((|| {
        observed(status.observed_generation, applied, deployment.metadata.generation)?;
        require(updated >= wanted, || format!("{updated} of {wanted} new pods created"))?;
        require(replicas <= updated, || {
            let old = replicas - updated;
            let old = format!("{old} old pod{} still there", if old == 1 { "" } else { "s" });
            if updated == 0 { old } else { format!("{new_ready} of {updated} new pods ready, {old}") }
        })?;
        require(available >= updated, || match ready >= updated {
            true => format!("{available} of {updated} pods available (not ready for minReadySeconds yet)"),
            false => format!("{} of {updated} pods ready", ready.min(updated)),
        })
    })())
}

fn stateful_set(set: &StatefulSet, applied: i64) -> WorkloadState {
    let status = set.status.clone().unwrap_or_default();
    let spec = set.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
    let on_delete = strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete");
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let partition = rolling.map(|rolling| rolling.partition.unwrap_or_default());
    let ready = status.ready_replicas.unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or_default();
    done((|| {
        observed(status.observed_generation, applied, set.metadata.generation)?;
        require(ready >= wanted, || format!("{ready} of {wanted} pods ready"))?;
        if on_delete || wanted == 0 {
            return Ok(());
        }
        // The API server sets a default partition, so this is the usual case.
        if let Some(partition) = partition {
            let wanted = (wanted - partition).max(0);
            return require(updated >= wanted, || format!("{updated} of {wanted} pods replaced"));
        }
        let same = status.update_revision == status.current_revision;
        require(same, || format!("{updated} of {wanted} pods replaced"))
    })())
}

fn daemon_set(set: &DaemonSet, applied: i64) -> WorkloadState {
    let status = set.status.clone().unwrap_or_default();
    let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let on_delete = strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete");
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or_default();
    let available = status.number_available.unwrap_or_default();
    done((|| {
        observed(status.observed_generation, applied, set.metadata.generation)?;
        require(on_delete || updated >= wanted, || format!("{updated} of {wanted} pods replaced"))?;
        require(available >= wanted, || format!("{available} of {wanted} pods ready"))
    })())
}

/// `FailureTarget` comes before `Failed`: the Job has failed, its pods are still ending and their logs exist.
fn job(job: &Job) -> WorkloadState {
    let status = job.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let condition = |type_: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == "True");
    if condition("Complete").is_some() {
        return Complete;
    }
    if let Some(failed) = condition("Failed").or_else(|| condition("FailureTarget")) {
        let reason = failed.reason.as_deref().unwrap_or("Failed");
        return JobFailed(format!("{reason}: {}", failed.message.as_deref().unwrap_or("the Job failed")));
    }
    let wanted = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(1);
    let suspended = condition("Suspended").map_or("", |_| ", suspended");
    let failed = status.failed.filter(|failed| *failed > 0).map_or_else(String::new, |n| format!(", {n} failed"));
    Waiting(format!("{} of {wanted} completions{failed}{suspended}", status.succeeded.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::workload;

    fn deployment_is(spec: serde_json::Value, status: serde_json::Value) -> WorkloadState {
        let object = json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": spec, "selector": {}, "template": {}},
            "status": status,
        });
        let mut snapshot = Snapshot::default();
        snapshot.deployments.put(serde_json::from_value(object).unwrap());
        workload_state(&snapshot, &workload("Deployment", "web", 2))
    }

    fn stateful_set_is(update_strategy: serde_json::Value, status: serde_json::Value) -> WorkloadState {
        let object = json!({
            "metadata": {"name": "db", "generation": 2},
            "spec": {"replicas": 2, "selector": {}, "template": {}, "updateStrategy": update_strategy},
            "status": status,
        });
        let mut snapshot = Snapshot::default();
        snapshot.stateful_sets.put(serde_json::from_value(object).unwrap());
        workload_state(&snapshot, &workload("StatefulSet", "db", 2))
    }

    fn waiting(state: &WorkloadState) -> &str {
        match state {
            Waiting(text) => text,
            other => panic!("should wait, is {other:?}"),
        }
    }

    #[test]
    fn a_status_of_the_old_spec_is_never_done() {
        let stale = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        assert!(waiting(&deployment_is(json!(1), stale)).contains("not observed the new spec"));
        assert!(waiting(&deployment_is(json!(1), json!({}))).contains("not observed the new spec"));
    }

    #[test]
    fn an_object_older_than_the_applied_one_is_never_done() {
        let object = json!({
            "metadata": {"name": "web", "generation": 1},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        });
        let mut snapshot = Snapshot::default();
        snapshot.deployments.put(serde_json::from_value(object).unwrap());
        assert!(matches!(workload_state(&snapshot, &workload("Deployment", "web", 2)), Waiting(_)));
        assert_eq!(workload_state(&snapshot, &workload("Deployment", "web", 1)), Complete);
    }

    #[test]
    fn a_deployment_is_done_once_only_new_available_pods_exist() {
        for (status, expected) in [
            (json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1}), "1 of 2 new pods created"),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2}),
                "0 of 2 new pods ready, 1 old pod still there",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1}),
                "1 of 2 pods ready",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 1}),
                "1 of 2 pods available (not ready for minReadySeconds yet)",
            ),
        ] {
            assert_eq!(waiting(&deployment_is(json!(2), status)), expected);
        }
        let status = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(deployment_is(json!(2), status), Complete);
    }

    #[test]
    fn a_deployment_scaled_to_zero_is_done_once_its_pods_are_gone() {
        assert_eq!(deployment_is(json!(0), json!({"observedGeneration": 2})), Complete);
        let leaving = json!({"observedGeneration": 2, "replicas": 1});
        assert_eq!(waiting(&deployment_is(json!(0), leaving)), "1 old pod still there");
    }

    #[test]
    fn a_stateful_set_is_done_once_its_updated_pods_are_ready() {
        let status = json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 1,
            "currentRevision": "db-1", "updateRevision": "db-2"});
        assert_eq!(waiting(&stateful_set_is(json!({}), status.clone())), "1 of 2 pods replaced");
        assert_eq!(stateful_set_is(json!({"type": "OnDelete"}), status.clone()), Complete);
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
        assert_eq!(stateful_set_is(partition, status), Complete);
        let status = json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2,
            "currentRevision": "db-2", "updateRevision": "db-2"});
        assert_eq!(stateful_set_is(json!({}), status), Complete);
    }

    #[test]
    fn a_daemon_set_is_done_once_every_node_has_a_new_pod() {
        let mut snapshot = Snapshot::default();
        let mut put = |updated: i32, available: i32| {
            let object = json!({
                "metadata": {"name": "agent", "generation": 2},
                "status": {"observedGeneration": 2, "currentNumberScheduled": 2, "desiredNumberScheduled": 2,
                    "numberMisscheduled": 0, "numberReady": available, "updatedNumberScheduled": updated,
                    "numberAvailable": available},
            });
            snapshot.daemon_sets.put(serde_json::from_value(object).unwrap());
            workload_state(&snapshot, &workload("DaemonSet", "agent", 2))
        };
        assert_eq!(waiting(&put(1, 2)), "1 of 2 pods replaced");
        assert_eq!(waiting(&put(2, 1)), "1 of 2 pods ready");
        assert_eq!(put(2, 2), Complete);
    }

    #[test]
    fn a_job_is_done_or_failed_as_its_controller_reports() {
        let mut snapshot = Snapshot::default();
        let mut put = |status: serde_json::Value| {
            let object = json!({"metadata": {"name": "migrate"}, "spec": {"template": {}}, "status": status});
            snapshot.jobs.put(serde_json::from_value(object).unwrap());
            workload_state(&snapshot, &workload("Job", "migrate", 1))
        };
        assert_eq!(waiting(&put(json!({"active": 1, "failed": 2}))), "0 of 1 completions, 2 failed");
        assert_eq!(put(json!({"conditions": [{"type": "Complete", "status": "True"}]})), Complete);
        let failed = json!({"conditions": [{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit"}]});
        let expected = "BackoffLimitExceeded: Job has reached the specified backoff limit";
        assert_eq!(put(failed), JobFailed(expected.to_owned()));
    }

    #[test]
    fn a_deleted_workload_does_not_exist() {
        let mut snapshot = Snapshot::default();
        let web = workload("Deployment", "web", 1);
        assert_eq!(waiting(&workload_state(&snapshot, &web)), "not listed yet");
        snapshot.deployments.apply(kube::runtime::watcher::Event::Init);
        snapshot.deployments.apply(kube::runtime::watcher::Event::InitDone);
        assert_eq!(waiting(&workload_state(&snapshot, &web)), "does not exist");
    }
}

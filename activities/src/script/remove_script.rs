//! The activity `remove_script`.

use std::{collections::BTreeMap, time::Duration};

use berth_workflows::contract::{
    apply::Workload,
    checks::UNOBSERVED_SECONDS,
    script_job::{RemoveScriptInput, ScriptRemoved},
};
use k8s_openapi::api::{batch::v1::Job, networking::v1::NetworkPolicy};
use kube::{Api, Resource, ResourceExt, api::PropagationPolicy};
use tokio::time::Instant;

use super::JOB_NAME;
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{guarded_delete, labels},
    rollout::{snapshot::Snapshot, watch::Watches},
};

/// The time for which nothing may be seen of the Job in one attempt.
const UNOBSERVED: Duration = Duration::from_secs(UNOBSERVED_SECONDS);
/// The time between progress reports while a watch shows no change.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Deletes a script's objects, and waits until Job and pod are gone.
///
/// Idempotent: objects that are already gone count as removed. Objects of other owners are left alone.
///
/// # Errors
/// The API server does not let berth delete or watch.
pub async fn remove_script(context: Context<'_>, remove: &RemoveScriptInput) -> Result<ScriptRemoved, Failure> {
    let namespace = &remove.environment.namespace;
    let is_own = |labels: &BTreeMap<String, String>| {
        labels::belongs_to(labels, &remove.environment, &context.settings.installation)
    };
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(context.client.clone(), namespace);
    if let Some(job) = find(&jobs, "Job", &remove.job).await? {
        if !is_own(job.labels()) {
            return Ok(ScriptRemoved::default());
        }
        delete(&jobs, "Job", &job).await?;
    }
    await_gone(context, remove).await?;
    // The policy goes after the pod that it allows out.
    let policy = find(&policies, "NetworkPolicy", &remove.job).await?;
    if let Some(policy) = policy.filter(|policy| is_own(policy.labels())) {
        delete(&policies, "NetworkPolicy", &policy).await?;
    }
    Ok(ScriptRemoved { gone: vec![format!("Job/{}", remove.job)] })
}

async fn await_gone(context: Context<'_>, remove: &RemoveScriptInput) -> Result<(), Failure> {
    let job = Workload::new("Job", &*remove.job, 1);
    let mut watches = Watches::for_workloads(context.client, &remove.environment.namespace, std::slice::from_ref(&job));
    let mut snapshot = Snapshot::default();
    loop {
        watches.close_gap(&mut snapshot, UNOBSERVED, context.progress).await.map_err(|gap| gap.failure())?;
        if !is_there(&snapshot, &remove.job) {
            return Ok(());
        }
        context.progress.report(format!("waiting for Job {} and its pod to be gone", remove.job));
        let updates = watches.next_before(Instant::now() + LOOK_AGAIN).await;
        updates.into_iter().for_each(|update| update(&mut snapshot));
    }
}

fn is_there(snapshot: &Snapshot, job: &str) -> bool {
    let mut pods = snapshot.pods.iter();
    snapshot.jobs.get(job).is_some() || pods.any(|pod| pod.labels().get(JOB_NAME).is_some_and(|name| name == job))
}

async fn find<K>(api: &Api<K>, kind: &str, name: &str) -> Result<Option<K>, Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.get_opt(name).await.map_err(|e| Failure::kubernetes(format!("{kind}/{name}"), e))
}

/// Deletes exactly the object that was read, after its dependents. Returns `Ok` if it is already gone.
pub(super) async fn delete<K>(api: &Api<K>, kind: &str, object: &K) -> Result<(), Failure>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    guarded_delete::delete_with(api, object.meta(), kind, PropagationPolicy::Foreground).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

    const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
    const PODS: &str = "/api/v1/namespaces/pr-1/pods";
    const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies";
    const SCRIPT: &str = "preview-web-1-script-1";

    fn object(labels: Value) -> Value {
        json!({"metadata": {"name": SCRIPT, "uid": "uid", "labels": labels}, "spec": {"template": {}}})
    }

    /// Removes the Job and its pod once the Job is marked, as the garbage collector does.
    async fn collect(cluster: &FakeApiServer) {
        let job = format!("{JOBS}/{SCRIPT}");
        while cluster.get(&job).is_some_and(|job| job["metadata"]["deletionTimestamp"].is_null()) {
            tokio::task::yield_now().await;
        }
        cluster.remove(&format!("{PODS}/x"));
        cluster.remove(&job);
    }

    #[tokio::test]
    async fn removing_a_script_twice_deletes_its_objects_once() {
        let cluster = FakeApiServer::default();
        let own = json!(labels::owner_labels(&environment(), "berth"));
        cluster.put(JOBS, &object(own.clone()));
        cluster.put(POLICIES, &object(own));
        cluster.put(PODS, &json!({"metadata": {"name": "x", "labels": {JOB_NAME: SCRIPT}}}));
        let remove = RemoveScriptInput { environment: environment(), job: SCRIPT.into() };
        let context = TestContext::new(cluster.client());
        let (removed, ()) = tokio::join!(remove_script(context.context(), &remove), collect(&cluster));
        assert_eq!(removed.unwrap().gone, [format!("Job/{SCRIPT}")]);
        // The fake only marks the policy: the test stands for the garbage collector.
        let policy = cluster.get(&format!("{POLICIES}/{SCRIPT}")).unwrap();
        assert!(!policy["metadata"]["deletionTimestamp"].is_null());
        cluster.remove(&format!("{POLICIES}/{SCRIPT}"));
        let writes = cluster.writes();
        assert_eq!(writes, [format!("DELETE {JOBS}/{SCRIPT}"), format!("DELETE {POLICIES}/{SCRIPT}")]);
        assert_eq!(remove_script(context.context(), &remove).await.unwrap().gone, [format!("Job/{SCRIPT}")]);
        assert_eq!(cluster.writes(), writes);
    }

    #[tokio::test]
    async fn objects_of_another_owner_are_left_alone() {
        let cluster = FakeApiServer::default();
        cluster.put(JOBS, &object(json!({})));
        let remove = RemoveScriptInput { environment: environment(), job: SCRIPT.into() };
        let context = TestContext::new(cluster.client());
        assert_eq!(remove_script(context.context(), &remove).await.unwrap(), ScriptRemoved::default());
        assert_eq!(cluster.writes(), [""; 0]);
    }
}

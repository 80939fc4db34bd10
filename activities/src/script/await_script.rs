//! The activity `await_script`.

use std::time::Duration;

use berth_workflows::contract::{
    apply::Workload,
    checks::{AwaitInput, UNOBSERVED_SECONDS},
    script::{SCRIPT_SECONDS, ScriptOutcome},
    script_job::AwaitScriptInput,
    timings::Timings,
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, Client, ResourceExt, api::LogParams};

use super::end::{self, End, end, last_bytes};
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::log_tail::log_end,
    redaction::{known_secrets::KnownSecrets, redactor::Redactor},
    rollout::{
        classify::Cause,
        evidence,
        judge::{Judge, Look},
        snapshot::Snapshot,
        watch::{Clock, Watches},
    },
};

/// The wait beyond the Job's own deadline, in case the Job controller does not act.
const AFTER_DEADLINE_MS: u64 = 30_000;
/// The wait for a node with room. It is shorter than a rollout's, because a person waits.
const CAPACITY_SECONDS: u64 = 300;
/// The time without a watch on events. A script that starts smoothly needs none.
const EVENTS_AFTER: Duration = Duration::from_secs(2);
/// The time for which nothing may be seen of the script in one attempt.
const UNOBSERVED: Duration = Duration::from_secs(UNOBSERVED_SECONDS);
/// The most bytes of the log in the answer. They are kept in the history.
const TAIL_BYTES: usize = 4096;
/// The most lines to read. They exceed the answer, so that it ends with the last line.
const LOG_LINES: i64 = 200;
/// The most bytes that are searched for secrets. They exceed the answer, so that one that it begins in is found.
const LOG_BYTES: usize = 64 * 1024;
/// The time to wait for the log. The script has ended even if the node does not answer.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Waits until the script has ended, or returns the verdict why it will not.
///
/// Safe to run again and to drop at any moment: it only reads, and begins from the cluster's current state.
///
/// # Errors
/// Nothing can be seen of the script: the API server does not answer, or refuses berth for longer than a fresh namespace
/// needs.
pub async fn await_script(context: Context<'_>, wait: AwaitScriptInput) -> Result<ScriptOutcome, Failure> {
    let waiting = Waiting::new(context.client, wait);
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, waiting.namespace(), &waiting.judged.workloads);
    let mut judge = Judge::new(&waiting.judged);
    let mut redactor = None;
    loop {
        let closed = watches.close_gap(&mut snapshot, UNOBSERVED, context.progress).await;
        if closed.map_err(|gap| gap.failure())?.is_some_and(|gap| gap.hid_something()) {
            judge.resume();
        }
        // Secrets are read as early as possible: a rollout may remove one while the script runs.
        if let (None, Some(pod)) = (&redactor, waiting.pod(&snapshot)) {
            redactor = waiting.redactor(pod, &snapshot).await;
        }
        let removed = end::misses_job(&waiting.workload, &snapshot) && waiting.job_is_gone().await;
        if let Some(end) = end(&waiting.wait.started, &waiting.workload, &snapshot, removed) {
            return Ok(waiting.outcome(end, redactor, &snapshot).await);
        }
        match judge.look(&snapshot, clock.now_ms()) {
            Look::Failed(_) if !watches.are_fresh() => watches.refresh(),
            Look::Failed(cause) => return Ok(waiting.failed(*cause, &snapshot).await),
            // The Job succeeded and its pod was removed by somebody.
            Look::Complete if snapshot.pods.is_listed() && waiting.pod(&snapshot).is_none() => {
                return Ok(ScriptOutcome::Ended { exit_code: 0, log_tail: String::new() });
            }
            Look::Complete => {
                take_news(&mut watches, &mut snapshot, clock, clock.at(clock.elapsed() + EVENTS_AFTER)).await;
            }
            Look::Waiting { text, mut again_ms, troubled, .. } => {
                context.progress.report(text);
                if troubled && clock.elapsed() >= EVENTS_AFTER {
                    watches.open_events();
                } else if troubled {
                    again_ms = again_ms.min(clock.at(EVENTS_AFTER));
                }
                take_news(&mut watches, &mut snapshot, clock, again_ms).await;
            }
        }
    }
}

struct Waiting<'a> {
    client: &'a Client,
    wait: AwaitScriptInput,
    workload: Workload,
    /// The same wait in the form that the rollout's judge takes.
    judged: AwaitInput,
}

impl<'a> Waiting<'a> {
    fn new(client: &'a Client, wait: AwaitScriptInput) -> Self {
        let workload = Workload::new("Job", &*wait.started.job, 1);
        let timings =
            Timings { rollout_seconds: SCRIPT_SECONDS, capacity_seconds: CAPACITY_SECONDS, ..Timings::default() };
        let judged = AwaitInput {
            environment: wait.environment.clone(),
            workloads: vec![workload.clone()],
            deadline_ms: wait.deadline_ms + AFTER_DEADLINE_MS,
            started_ms: 0,
            unobserved_seconds: UNOBSERVED_SECONDS,
            timings,
            secret: wait.started.secrets.first().cloned().unwrap_or_default(),
            deploy_id: 0,
            late: false,
        };
        Self { client, wait, workload, judged }
    }

    fn namespace(&self) -> &str {
        &self.wait.environment.namespace
    }

    /// Returns whether the API server itself, not one of its caches, has no such Job.
    async fn job_is_gone(&self) -> bool {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), self.namespace());
        matches!(jobs.get_metadata_opt(&self.wait.started.job).await, Ok(None))
    }

    fn pod<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Pod> {
        end::pod(&self.workload, snapshot)
    }

    async fn outcome(&self, end: End, redactor: Option<Redactor>, snapshot: &Snapshot) -> ScriptOutcome {
        match end {
            End::Exited { pod, container, exit_code } => {
                ScriptOutcome::Ended { exit_code, log_tail: self.log_tail(&pod, container, redactor, snapshot).await }
            }
            End::Lost(cause) => self.failed(*cause, snapshot).await,
        }
    }

    async fn failed(&self, mut cause: Cause, snapshot: &Snapshot) -> ScriptOutcome {
        end::attach_pod(&mut cause, self.pod(snapshot), &self.wait.started.container);
        let mut verdict: Verdict = evidence::verdict(self.client, &self.judged, cause, snapshot).await;
        if verdict.failure == FailureType::JobFailed {
            verdict = verdict.advise("Run it again if it may be run twice; its last lines say how far it came.");
        }
        ScriptOutcome::Failed { verdict }
    }

    /// Returns `None` if a Secret that the pod needs could not be read. Then no output may be shown.
    async fn redactor(&self, pod: &Pod, snapshot: &Snapshot) -> Option<Redactor> {
        let needed = &self.wait.started.secrets;
        let mut known = None;
        for name in needed.iter().map(String::as_str).chain(needed.is_empty().then_some("")) {
            // Each redactor knows all Secrets that the pod reads, and is `None` without the one it is asked for.
            let pods = std::iter::once(pod).chain(snapshot.pods.iter());
            known = Some(KnownSecrets::new(name, pods).redactor(self.client, self.namespace()).await?);
        }
        known
    }

    async fn log_tail(&self, pod: &Pod, container: String, redactor: Option<Redactor>, snapshot: &Snapshot) -> String {
        let redactor = match redactor {
            Some(redactor) => Some(redactor),
            None => self.redactor(pod, snapshot).await,
        };
        let Some(redactor) = redactor else {
            return KnownSecrets::new(&self.wait.started.secrets.join(", "), []).unknown();
        };
        let params = LogParams { container: Some(container), tail_lines: Some(LOG_LINES), ..LogParams::default() };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace());
        match tokio::time::timeout(LOG_PATIENCE, log_end(&pods, &pod.name_any(), &params, LOG_BYTES)).await {
            Ok(Ok(log)) => last_bytes(&log.redacted(&redactor).await, TAIL_BYTES),
            Ok(Err(e)) => format!("(its log could not be read: {e})"),
            Err(_) => "(its log could not be read: the node did not answer)".to_owned(),
        }
    }
}

async fn take_news(watches: &mut Watches, snapshot: &mut Snapshot, clock: Clock, until_ms: u64) {
    watches.next_before(clock.instant(until_ms)).await.into_iter().for_each(|update| update(snapshot));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

    const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
    const PODS: &str = "/api/v1/namespaces/pr-1/pods";

    fn job() -> Value {
        json!({"metadata": {"name": "script", "uid": "job-uid"}, "spec": {"template": {}}})
    }

    async fn wait(server: &FakeApiServer) -> ScriptOutcome {
        wait_for(server, &[]).await
    }

    async fn wait_for(server: &FakeApiServer, others: &[&str]) -> ScriptOutcome {
        let started =
            json!({"job": "script", "container": "web", "other_containers": others, "workload": "Deployment/web"});
        let wait = AwaitScriptInput {
            environment: environment(),
            started: serde_json::from_value(started).unwrap(),
            deadline_ms: Clock::start().now_ms() + SCRIPT_SECONDS * 1000,
        };
        await_script(TestContext::new(server.client()).context(), wait).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn cron_job_of_two_containers_has_the_log_of_the_one_that_failed() {
        let server = FakeApiServer::default();
        server.put(JOBS, &job());
        let ended = |name: &str, code: i32| {
            json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code}}})
        };
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "script", "uid": "job-uid"});
        server.put(
            PODS,
            &json!({"metadata": {"name": "script-x", "ownerReferences": [owner]},
                "status": {"containerStatuses": [ended("web", 0), ended("upload", 5)]}}),
        );
        server.answer(&format!("{PODS}/script-x/log"), 200, "no room\n");
        for _ in 0..2 {
            let outcome = wait_for(&server, &["upload"]).await;
            assert_eq!(outcome, ScriptOutcome::Ended { exit_code: 5, log_tail: "no room".to_owned() });
        }
        let requests = server.requests_with_queries();
        let logs: Vec<_> = requests.iter().filter(|request| request.contains("/log?")).collect();
        assert!(logs.len() == 2 && logs.iter().all(|log| log.contains("container=upload")), "{logs:?}");
        assert_eq!(server.writes(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_counts_as_removed_only_if_the_api_server_has_none() {
        let server = FakeApiServer::default();
        let ScriptOutcome::Failed { verdict } = wait(&server).await else { panic!("should have failed") };
        assert_eq!(verdict.message, "somebody has removed its Job");

        server.answer(&format!("{JOBS}/script"), 200, job());
        let listed = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let ended = json!({"terminated": {"exitCode": 0}});
            server.put(JOBS, &job());
            let pod = json!({
                "metadata": {"name": "script-x", "ownerReferences":
                    [{"apiVersion": "batch/v1", "kind": "Job", "name": "script", "uid": "job-uid"}]},
                "status": {"containerStatuses": [
                    {"name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": ended}]}});
            server.put(PODS, &pod);
            server.answer(&format!("{PODS}/script-x/log"), 200, "done\n");
        };
        let (outcome, ()) = tokio::join!(wait(&server), listed);
        assert_eq!(outcome, ScriptOutcome::Ended { exit_code: 0, log_tail: "done".to_owned() });
    }
}

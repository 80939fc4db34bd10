//! Waiting for a script's end: its exit code and last words, or the verdict why it has none.

use std::time::Duration;

use berth_workflows::contract::{
    apply::Workload,
    checks::AwaitInput,
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
    kubernetes::log_tail::without_escapes,
    redaction::{known_secrets::KnownSecrets, redactor::Redactor},
    rollout::{
        classify::Cause,
        evidence,
        judge::{Judge, Look},
        snapshot::Snapshot,
        watch::{Clock, Watches},
    },
};

/// The Job's own deadline comes first; this is for a Job controller that is away.
const AFTER_DEADLINE_MS: u64 = 30_000;
/// Who runs a script waits for it: sooner than a rollout would.
const CAPACITY_SECONDS: u64 = 300;
/// A script that starts smoothly needs no watch on events.
const EVENTS_AFTER: Duration = Duration::from_secs(2);
/// What is answered of the log. It is in the history.
const TAIL_BYTES: usize = 4096;
/// More than the answer can hold, for the last lines to be among it; a log is read from the first of so many lines.
const LOG_LINES: i64 = 200;
const LOG_BYTES: i64 = 256 * 1024;
/// The script has ended: a node that does not answer does not change that.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Waits until the script has ended, or returns the verdict why it will not.
///
/// Safe to run again and to drop at any moment: it only reads, and begins from the cluster's current state.
///
/// # Errors
/// Only if the API server has refused berth for longer than a fresh namespace needs.
pub async fn await_script(context: Context<'_>, wait: AwaitScriptInput) -> Result<ScriptOutcome, Failure> {
    let waiting = Waiting::new(context.client, wait);
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, waiting.namespace(), &waiting.judged.workloads);
    let mut judge = Judge::new(&waiting.judged);
    let mut redactor = None;
    loop {
        // Known as early as can be: a rollout may remove the Secret while the script runs.
        if let (None, Some(pod)) = (&redactor, waiting.pod(&snapshot)) {
            redactor = waiting.redactor(pod).await;
        }
        let removed = end::misses_job(&waiting.workload, &snapshot) && waiting.job_is_gone().await;
        if let Some(end) = end(&waiting.wait.started, &waiting.workload, &snapshot, removed) {
            return Ok(waiting.outcome(end, redactor, &snapshot).await);
        }
        match judge.look(&snapshot, clock.now_ms()) {
            Look::Failed(cause) => return Ok(waiting.failed(*cause, &snapshot).await),
            // It has succeeded, and its pod is nowhere to be seen: somebody has removed it.
            Look::Complete if snapshot.pods.is_listed() && waiting.pod(&snapshot).is_none() => {
                return Ok(ScriptOutcome::Ended { exit_code: 0, log_tail: String::new() });
            }
            Look::Complete => {
                take_news(&mut watches, &mut snapshot, clock, clock.at(clock.elapsed() + EVENTS_AFTER)).await?;
            }
            Look::Waiting { text, mut again_ms, troubled, .. } => {
                context.progress.report(text);
                if troubled && clock.elapsed() >= EVENTS_AFTER {
                    watches.open_events();
                } else if troubled {
                    again_ms = again_ms.min(clock.at(EVENTS_AFTER));
                }
                take_news(&mut watches, &mut snapshot, clock, again_ms).await?;
            }
        }
    }
}

struct Waiting<'a> {
    client: &'a Client,
    wait: AwaitScriptInput,
    workload: Workload,
    /// The same wait, as the rollout's judge knows it.
    judged: AwaitInput,
}

impl<'a> Waiting<'a> {
    fn new(client: &'a Client, wait: AwaitScriptInput) -> Self {
        let workload = Workload { kind: "Job".to_owned(), name: wait.started.job.clone(), generation: 1 };
        let timings =
            Timings { rollout_seconds: SCRIPT_SECONDS, capacity_seconds: CAPACITY_SECONDS, ..Timings::default() };
        let judged = AwaitInput {
            environment: wait.environment.clone(),
            workloads: vec![workload.clone()],
            deadline_ms: wait.deadline_ms + AFTER_DEADLINE_MS,
            timings,
            secret: wait.started.secrets.first().cloned().unwrap_or_default(),
        };
        Self { client, wait, workload, judged }
    }

    fn namespace(&self) -> &str {
        &self.wait.environment.namespace
    }

    /// Whether the API server itself says that there is no Job, not one of its caches.
    async fn job_is_gone(&self) -> bool {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), self.namespace());
        matches!(jobs.get_metadata_opt(&self.wait.started.job).await, Ok(None))
    }

    fn pod<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Pod> {
        end::pod(&self.workload, snapshot)
    }

    async fn outcome(&self, end: End, redactor: Option<Redactor>, snapshot: &Snapshot) -> ScriptOutcome {
        match end {
            End::Exited { pod, exit_code } => {
                ScriptOutcome::Ended { exit_code, log_tail: self.log_tail(&pod, redactor).await }
            }
            End::Lost(cause) => self.failed(*cause, snapshot).await,
        }
    }

    async fn failed(&self, mut cause: Cause, snapshot: &Snapshot) -> ScriptOutcome {
        end::blame(&mut cause, self.pod(snapshot), &self.wait.started);
        let mut verdict: Verdict = evidence::verdict(self.client, &self.judged, cause, snapshot).await;
        if verdict.failure == FailureType::JobFailed {
            verdict = verdict.advise("Run it again if it may be run twice; its last lines say how far it came.");
        }
        ScriptOutcome::Failed { verdict }
    }

    /// None if one of the Secrets that the pod cannot do without could not be read: then nothing it said may be shown.
    async fn redactor(&self, pod: &Pod) -> Option<Redactor> {
        let needed = &self.wait.started.secrets;
        let mut known = None;
        for name in needed.iter().map(String::as_str).chain(needed.is_empty().then_some("")) {
            // Each knows the values of all that the pod reads, and is none without those of the one it is asked for.
            known = Some(KnownSecrets::new(name, Some(pod)).redactor(self.client, self.namespace()).await?);
        }
        known
    }

    async fn log_tail(&self, pod: &Pod, redactor: Option<Redactor>) -> String {
        let redactor = match redactor {
            Some(redactor) => Some(redactor),
            None => self.redactor(pod).await,
        };
        let Some(redactor) = redactor else {
            return KnownSecrets::new(&self.wait.started.secrets.join(", "), None).unknown();
        };
        let params = LogParams {
            container: Some(self.wait.started.container.clone()),
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace());
        match tokio::time::timeout(LOG_PATIENCE, pods.logs(&pod.name_any(), &params)).await {
            Ok(Ok(text)) => last_bytes(&redactor.redact(&without_escapes(&text)), TAIL_BYTES),
            Ok(Err(e)) => format!("(its log could not be read: {e})"),
            Err(_) => "(its log could not be read: the node did not answer)".to_owned(),
        }
    }
}

async fn take_news(watches: &mut Watches, snapshot: &mut Snapshot, clock: Clock, until_ms: u64) -> Result<(), Failure> {
    for update in watches.next_before(clock.instant(until_ms)).await? {
        update(snapshot);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{context::TestContext, fake_api_server::FakeApiServer, rollout::fixtures::environment};

    const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
    const PODS: &str = "/api/v1/namespaces/pr-1/pods";

    fn job() -> Value {
        json!({"metadata": {"name": "script", "uid": "job-uid"}, "spec": {"template": {}}})
    }

    async fn wait(server: &FakeApiServer) -> ScriptOutcome {
        let started = json!({"job": "script", "container": "web", "workload": "Deployment/web", "secrets": []});
        let wait = AwaitScriptInput {
            environment: environment(),
            started: serde_json::from_value(started).unwrap(),
            deadline_ms: Clock::start().now_ms() + SCRIPT_SECONDS * 1000,
        };
        await_script(TestContext::new(server.client()).context(), wait).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_called_removed_only_when_the_api_server_itself_has_none() {
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

//! The verdict of a cause: log, warnings and advice, without secrets.

use std::time::Duration;

use berth_workflows::contract::{checks::AwaitInput, verdict::Verdict};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, Client, api::ListParams};

use super::{
    classify::Cause,
    snapshot::{Snapshot, event_ms},
};
use crate::{failure::advice::advice, kubernetes::log_tail::log_tail, redaction::known_secrets::KnownSecrets};

/// The time for one request. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);
const EVENTS: usize = 5;
/// The runtime's message about a program for another processor. Only the log has it.
const WRONG_FORMAT: &str = "exec format error";
const WRONG_ARCHITECTURE: &str = "The image was built for another processor architecture than the node's, or its command \
    is a script without a first line that names its interpreter.";

/// Builds the verdict for a person.
pub(crate) async fn verdict(client: &Client, wait: &AwaitInput, cause: Cause, snapshot: &Snapshot) -> Verdict {
    let namespace = &wait.environment.namespace;
    let secrets = KnownSecrets::new(&wait.secret, snapshot.pods.iter());
    let (redactor, log, events) = tokio::join!(
        secrets.redactor(client, namespace),
        log_tail(client, namespace, cause.pod.as_deref(), cause.container.as_deref(), cause.log),
        warnings(client, namespace, &cause),
    );
    let mut verdict = Verdict::new(cause.failure, "");
    verdict.workload = Some(cause.workload);
    verdict.container = cause.container;
    verdict.exit_code = cause.exit_code;
    verdict.advice = cause.advice.unwrap_or_else(|| advice(cause.failure).to_owned());
    if log.contains(WRONG_FORMAT) {
        verdict.advice = WRONG_ARCHITECTURE.to_owned();
    }
    verdict.advice = log.advise(wait.environment.kind, &verdict.advice);
    let Some(redactor) = redactor else {
        verdict.message = secrets.unknown();
        return verdict.bounded();
    };
    verdict.message = redactor.redact_all(vec![cause.message]).await.concat();
    verdict.log_tail = log.lines(&redactor).await;
    verdict.events = redactor.redact_all(events).await;
    verdict.bounded()
}

/// Returns the newest warnings about the cause's pod and workload.
async fn warnings(client: &Client, namespace: &str, cause: &Cause) -> Vec<String> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields("type=Warning").limit(500).match_any();
    let Ok(Ok(list)) = tokio::time::timeout(PATIENCE, events.list(&params)).await else { return Vec::new() };
    let mut about: Vec<_> = list.items.into_iter().filter(|event| is_about(event, cause)).collect();
    about.sort_by_key(|event| std::cmp::Reverse(event_ms(event)));
    about.truncate(EVENTS);
    about.iter().map(line_of).collect()
}

/// Returns whether the event is about the cause's pod. Without a pod, its workload and that workload's objects
/// (`web-5d8f…`) count.
fn is_about(event: &Event, cause: &Cause) -> bool {
    let object = event.involved_object.name.as_deref().unwrap_or_default();
    let workload = cause.workload.split_once('/').map_or("", |(_, name)| name);
    match &cause.pod {
        Some(pod) => object == pod || object == workload,
        None => object == workload || object.strip_prefix(workload).is_some_and(|rest| rest.starts_with('-')),
    }
}

fn line_of(event: &Event) -> String {
    let series = event.series.as_ref().and_then(|series| series.count);
    let times = series.or(event.count).filter(|count| *count > 1).map_or_else(String::new, |n| format!(" ({n} times)"));
    let reason = event.reason.as_deref().unwrap_or("Warning");
    format!("{reason}: {}{times}", event.message.as_deref().unwrap_or_default().trim())
}

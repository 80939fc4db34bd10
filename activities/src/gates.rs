//! Whether a release does what it should, once its pods are up: the gates, all at once, then a while without a restart.

mod endpoints;
mod http_gate;
mod pods;
mod stability;

use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::Client;

use berth_workflows::{
    activity_definitions::{CheckGatesInput, GatePassed, GatesChecked, Outcome},
    verdict::{FailureType, Verdict},
};

use crate::{app::Gate, failure::Failure, heartbeat::Progress, rollout::evidence};

/// The pause between two tries of a gate: short at first, since most hold at once, then easy on the app.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What one try of a gate saw.
enum Seen {
    Holds,
    /// Not yet, and why: the words of the verdict if it stays so.
    NotYet {
        why: String,
        pod: Option<String>,
    },
}

/// Checks every gate until it holds or its deadline has passed.
///
/// Besides the app's own there is always one: the Services behind its Ingresses have ready pods, else its page would be a
/// dead URL. Safe to run again: it only reads.
///
/// # Errors
/// None of its own: a gate that does not hold is a verdict. The API's errors count as "not yet".
pub async fn check(
    client: &Client,
    progress: &Progress,
    check: CheckGatesInput,
    gates: &[Gate],
) -> Result<GatesChecked, Failure> {
    let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
    progress.say(format!("gates: endpoints {}", names.join(" ")));
    let endpoints = until_it_holds("endpoints", endpoints::DEADLINE, || endpoints::look(client, &check));
    let own = gates.iter().filter_map(|gate| {
        let http = gate.http.as_ref()?;
        Some(until_it_holds(&gate.name, gate.deadline.as_duration(), || http_gate::look(client, &check, http)))
    });
    let (endpoints, own) = tokio::join!(endpoints, join_all(own));
    let mut passed = Vec::new();
    let mut failed = None;
    for result in std::iter::once(endpoints).chain(own) {
        match result {
            Ok(gate) => passed.push(gate),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    if let Some(failure) = failed {
        return Ok(GatesChecked { gates: passed, outcome: verdict(client, &check, failure).await });
    }
    let window = Duration::from_secs(check.stability_seconds);
    progress.say(format!("no restart for {} s", window.as_secs()));
    let outcome = match stability::watch(client, &check, window).await? {
        None => Outcome::Complete,
        Some(failed) => verdict(client, &check, failed).await,
    };
    Ok(GatesChecked { gates: passed, outcome })
}

/// A gate that did not hold in time.
struct Failed {
    why: String,
    pod: Option<String>,
}

async fn until_it_holds<F: Future<Output = Seen>>(
    name: &str,
    deadline: Duration,
    look: impl Fn() -> F,
) -> Result<GatePassed, Failed> {
    let started = Instant::now();
    let mut last = (String::from("it was not tried"), None);
    let trying = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match look().await {
                Seen::Holds => return,
                Seen::NotYet { why, pod } => last = (why, pod),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    match tokio::time::timeout(deadline, trying).await {
        Ok(()) => {
            let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(GatePassed { name: name.to_owned(), ms })
        }
        Err(_) => {
            let (why, pod) = last;
            Err(Failed { why: format!("gate {name} did not hold within {} s: {why}", deadline.as_secs()), pod })
        }
    }
}

/// The verdict, with the last words of the pod that was asked, and without secrets.
async fn verdict(client: &Client, check: &CheckGatesInput, failed: Failed) -> Outcome {
    let namespace = &check.environment.namespace;
    let secrets = evidence::Secrets::of(&check.secret, None);
    let log = evidence::Log::Current;
    let (redactor, log) = tokio::join!(
        secrets.redactor(client, namespace),
        evidence::log_tail(client, namespace, failed.pod.as_deref(), None, log),
    );
    let mut verdict = Verdict::new(FailureType::GateFailed, "").advise(evidence::advice(FailureType::GateFailed));
    match redactor {
        Some(redactor) => {
            verdict.message = redactor.redact(&failed.why);
            verdict.log_tail = evidence::lines(&redactor.redact(&log));
        }
        None => verdict.message = secrets.unknown(),
    }
    Outcome::Failed { verdict: verdict.bounded() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_is_tried_until_it_holds() {
        let tries = std::cell::Cell::new(0);
        let passed = until_it_holds("web", Duration::from_secs(60), || async {
            tries.set(tries.get() + 1);
            if tries.get() < 5 { Seen::NotYet { why: "503".into(), pod: None } } else { Seen::Holds }
        });
        assert_eq!(passed.await.ok().map(|passed| passed.name), Some("web".to_owned()));
        assert_eq!(tries.get(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_never_holds_says_what_it_saw_last() {
        let failed = until_it_holds("web", Duration::from_secs(2), || async {
            Seen::NotYet { why: "it answers 503".into(), pod: Some("web-1".into()) }
        });
        let failed = failed.await.err().unwrap();
        assert_eq!(failed.why, "gate web did not hold within 2 s: it answers 503");
        assert_eq!(failed.pod.as_deref(), Some("web-1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_whose_try_hangs_ends_at_its_deadline() {
        let failed = until_it_holds("web", Duration::from_secs(2), std::future::pending);
        assert!(failed.await.is_err_and(|failed| failed.why.contains("it was not tried")));
    }
}

//! The activity `check_gates`: all gates of a release at once, then the stability window.

use std::time::Duration;

use berth_manifests::app::{Gate, GateKind};
use berth_workflows::contract::{
    checks::{CheckGatesInput, GatePassed, GatesChecked, Outcome},
    verdict::{FailureType, Verdict},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    context::Context,
    failure::{Failure, advice::advice},
    gates::{
        checks::{Checks, NotPassed, Unmet},
        endpoints, http,
        sight::{Keeper, OBSERVED_FOR, Observer, Sight},
        stability, temporal,
    },
    heartbeat::Progress,
    kubernetes::log_tail::log_tail,
    redaction::known_secrets::KnownSecrets,
    release::stored_release::StoredRelease,
    rollout::{
        snapshot::Snapshot,
        unseen::{unseen, unseen_before},
        watch::Watches,
    },
    unix_time::unix_ms,
};

/// Checks every gate, then that the release stays up for the stability window. The result names the gates that passed.
/// If one does not pass, it has the verdict `GateFailed`; `NotObserved` if that says nothing about the release, because the
/// API server does not answer or refuses berth, or no worker looked.
///
/// Safe to run again and to drop at any moment: it reads, and sends the gates' own requests.
///
/// # Errors
/// The release has a gate of a kind that this version does not know.
pub async fn check(
    context: Context<'_>,
    check: CheckGatesInput,
    release: &StoredRelease,
) -> Result<GatesChecked, Failure> {
    let unobserved = Duration::from_secs(check.unobserved_seconds);
    if let Some(outcome) = unseen_before(context.progress, unobserved) {
        return Ok(GatesChecked::new(Vec::new(), outcome));
    }
    let gates = release.gates.as_slice();
    let namespace = check.environment.namespace.as_str();
    let services = endpoints::services_behind_ingresses(&release.objects);
    let mut watches = Watches::for_workloads(context.client, namespace, &check.workloads);
    if !services.is_empty() {
        endpoints::watch(&mut watches);
    }
    let (current, sight) = (watch::Sender::new(Snapshot::default()), watch::Sender::new(Sight::default()));
    let refresh = Notify::new();
    let keeper = Keeper { watches, current: &current, sight: &sight, refresh: &refresh };
    let checks = Checks {
        client: context.client,
        check: &check,
        release,
        ingress_address: context.settings.ingress_address.as_ref(),
        current: current.subscribe(),
        observer: Observer { current: current.subscribe(), sight: sight.subscribe(), refresh: &refresh },
    };
    tokio::select! {
        checked = checks.run(context.progress, gates, services) => checked,
        gap = keeper.keep_current(unobserved, context.progress) => {
            let outcome = unseen(context.progress, gap.reason(), gap.since);
            Ok(GatesChecked::new(Vec::new(), outcome))
        }
    }
}

impl Checks<'_> {
    async fn run(
        &self,
        progress: &Progress,
        gates: &[Gate],
        services: Vec<endpoints::BehindIngress>,
    ) -> Result<GatesChecked, Failure> {
        self.observer.listed().await;
        let begun = Instant::now();
        let mut names: Vec<_> = gates.iter().map(|gate| gate.name.clone()).collect();
        let mut open: FuturesUnordered<BoxFuture<'_, (String, Result<(), NotPassed>)>> = FuturesUnordered::new();
        for gate in gates {
            open.push(async move { (gate.name.clone(), self.check_gate(gate).await) }.boxed());
        }
        if !services.is_empty() {
            names.push(endpoints::NAME.to_owned());
            open.push(async move { (endpoints::NAME.to_owned(), endpoints::check(self, &services).await) }.boxed());
        }
        let mut passed = Vec::new();
        progress.report(format!("checking gates: {}", names.join(", ")));
        while let Some((name, result)) = open.next().await {
            if let Err(stopped) = result {
                return self.stopped(stopped, passed).await;
            }
            names.retain(|other| *other != name);
            progress.report(format!("checking gates: {}", names.join(", ")));
            passed.push(GatePassed { name, ms: millis(begun) });
        }
        let stability = Duration::from_secs(self.check.stability_seconds);
        if !stability.is_zero() {
            progress.report(format!("checking for {} s that nothing restarts", stability.as_secs()));
            let begun = Instant::now();
            if let Err(stopped) = stability::check(self, stability).await {
                return self.stopped(stopped, passed).await;
            }
            passed.push(GatePassed { name: stability::NAME.to_owned(), ms: millis(begun) });
        }
        Ok(GatesChecked::new(passed, Outcome::Complete))
    }

    async fn check_gate(&self, gate: &Gate) -> Result<(), NotPassed> {
        match gate.kind() {
            Some(GateKind::Http(http)) => http::check(self, gate, http).await,
            Some(GateKind::TemporalServer(server)) => temporal::server::check(self, gate, server).await,
            Some(GateKind::TemporalPoller(poller)) => temporal::poller::check(self, gate, poller).await,
            Some(GateKind::TemporalWorkflow(workflow)) => temporal::workflow::check(self, gate, workflow).await,
            // A release that a newer berth stored may have a gate of an unknown kind.
            None => {
                let message = format!("gate {} is of a kind that this version of berth does not know", gate.name);
                Err(NotPassed::Failure(Failure::transient(FailureType::GateFailed, message)))
            }
        }
    }

    async fn stopped(&self, stopped: NotPassed, gates: Vec<GatePassed>) -> Result<GatesChecked, Failure> {
        match stopped {
            NotPassed::Failure(failure) => Err(failure),
            NotPassed::NotObserved { reason, since } => {
                let outcome = Outcome::NotObserved { reason, since_ms: unix_ms(since) };
                Ok(GatesChecked::new(gates, outcome))
            }
            NotPassed::Unmet(unmet) => Ok(GatesChecked::new(gates, self.judged(*unmet).await)),
        }
    }

    /// Returns the verdict about an unmet requirement, unless nothing was seen of the release shortly before or now.
    async fn judged(&self, unmet: Unmet) -> Outcome {
        match self.observer.refreshed().await {
            Some(hidden) if hidden.until.elapsed() < OBSERVED_FOR => {
                let reason = format!("gate {}: {}", unmet.gate, hidden.reason);
                Outcome::NotObserved { reason, since_ms: unix_ms(hidden.since) }
            }
            _ => Outcome::Failed { verdict: self.verdict(unmet).await },
        }
    }

    async fn verdict(&self, unmet: Unmet) -> Verdict {
        let namespace = self.check.environment.namespace.as_str();
        let (pod, container) = unmet.pod.unzip();
        let container = container.flatten();
        let secrets = {
            let snapshot = self.current.borrow();
            KnownSecrets::new(&self.check.secret, snapshot.pods.iter())
        };
        let (redactor, log) = tokio::join!(
            secrets.redactor(self.client, namespace),
            log_tail(self.client, namespace, pod.as_deref(), container.as_deref(), unmet.log),
        );
        let advice = unmet.advice.unwrap_or_else(|| advice(FailureType::GateFailed).to_owned());
        let mut verdict =
            Verdict::new(FailureType::GateFailed, "").advise(log.advise(self.check.environment.kind, &advice));
        let message = match &redactor {
            Some(redactor) => unmet.message.redacted(redactor).await,
            None => unmet.message.without_foreign(&secrets.unknown()),
        };
        verdict.message = format!("gate {}: {message}", unmet.gate);
        verdict.workload = unmet.workload;
        verdict.container = container;
        verdict.exit_code = unmet.exit_code;
        if let Some(redactor) = &redactor {
            verdict.log_tail = log.lines(redactor).await;
        }
        verdict.bounded()
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

//! berth's own metrics: rollouts, their steps, teardowns and failed activities. Labels come from the platform team's files and
//! from fixed lists. None comes from a pull request: neither number nor commit nor author.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use berth_workflows::contract::{
    janitor::{FindingKind, FindingsReported},
    rollout::StepTime,
    stop_reason::StopReason,
    stuck::StuckReported,
    teardown::LeakReport,
    verdict::FailureType,
};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder, core::Collector};

/// From the reading of a file to a rollout's deadline, in seconds.
const BUCKETS: [f64; 13] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

const ROLLOUT_SECONDS: &str = "Time of rollouts from start to end.";
const STEP_SECONDS: &str = "Time of each step of the rollouts that became live.";

const TEARDOWNS: &str = "Attempts at a teardown: all gone (complete), something left (blocked), or no answer (failed).";

/// The number of ended rollouts that are remembered, so that none is counted twice.
const REMEMBERED: usize = 4096;

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RolloutEnd {
    Live,
    Failed(FailureType),
    Stopped(StopReason),
}

impl RolloutEnd {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Failed(_) => "failed",
            Self::Stopped(StopReason::Superseded { .. }) => "superseded",
            Self::Stopped(StopReason::RolledBack { .. }) => "rolled_back",
            Self::Stopped(StopReason::EnvironmentCloses) => "closed",
            Self::Stopped(StopReason::Cancelled { .. }) => "cancelled",
        }
    }
}

/// A rollout that has ended.
#[derive(Debug)]
pub(super) struct EndedRollout<'a> {
    pub(super) end: RolloutEnd,
    pub(super) took: Duration,
    pub(super) steps: &'a [StepTime],
    /// Whether it was to make an earlier release of production serve again.
    pub(super) is_rollback: bool,
}

/// The registry and its metrics.
pub(super) struct Metrics {
    registry: Registry,
    rollouts: IntCounterVec,
    rollbacks: IntCounterVec,
    rollout_seconds: HistogramVec,
    step_seconds: HistogramVec,
    teardown_attempts: IntCounterVec,
    activity_failures: IntCounterVec,
    not_observed: IntCounterVec,
    janitor_repairs: IntCounterVec,
    janitor_findings: IntCounterVec,
    stuck_children: IntCounterVec,
    counted: Mutex<CountedRuns>,
}

/// The newest runs that were counted.
#[derive(Default)]
struct CountedRuns {
    runs: BTreeSet<String>,
    order: VecDeque<String>,
}

impl CountedRuns {
    /// Adds a run. Gives whether it is new.
    fn add(&mut self, run: &str) -> bool {
        if !self.runs.insert(run.to_owned()) {
            return false;
        }
        self.order.push_back(run.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.runs.remove(&oldest);
        }
        true
    }
}

impl Metrics {
    /// Registers all metrics, at zero.
    ///
    /// # Errors
    /// Two metrics have the same name.
    pub(super) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
            register(&registry, HistogramVec::new(options, labels)?)
        };
        register_build(&registry)?;
        let metrics = Self {
            rollouts: counter(
                "berth_rollouts_total",
                "Ended rollouts, by outcome (live, failed, superseded, closed, cancelled) and failure type.",
                &["app", "outcome", "failure"],
            )?,
            rollbacks: counter(
                "berth_rollbacks_total",
                "Ended rollbacks of production. A failed one is tried again, and counts each time.",
                &["app", "outcome"],
            )?,
            rollout_seconds: histogram("berth_rollout_seconds", ROLLOUT_SECONDS, &["app", "outcome"])?,
            step_seconds: histogram("berth_rollout_step_seconds", STEP_SECONDS, &["step"])?,
            teardown_attempts: counter("berth_teardown_attempts_total", TEARDOWNS, &["result"])?,
            activity_failures: counter(
                "berth_activity_failures_total",
                "Failed attempts of activities, by failure type.",
                &["activity", "failure"],
            )?,
            not_observed: counter(
                "berth_not_observed_total",
                "Steps of rollouts that saw nothing of the release, and are repeated.",
                &["app", "activity"],
            )?,
            janitor_repairs: counter(
                "berth_janitor_repairs_total",
                "Previews that a Janitor has closed (close), or has sent lost facts to (facts).",
                &["app", "repair"],
            )?,
            janitor_findings: counter(
                "berth_janitor_findings_total",
                "Parts of previews that belong to nothing, by kind. Each counts with every look that finds it.",
                &["app", "kind"],
            )?,
            stuck_children: counter(
                "berth_stuck_children_total",
                "Rollouts and script runs that were told to stop and did not within minutes, by app.",
                &["app"],
            )?,
            counted: Mutex::default(),
            registry,
        };
        metrics.expect_teardowns();
        Ok(metrics)
    }

    /// Shows every result of a teardown: a rate over a series that does not exist yet misses its first increase.
    fn expect_teardowns(&self) {
        for result in ["complete", "blocked", "failed"] {
            self.teardown_attempts.with_label_values(&[result]);
        }
    }

    /// Shows the rollbacks of an app, for the same reason, as soon as its production rolls anything out.
    pub(super) fn expect_rollbacks(&self, app: &str) {
        for outcome in ["live", "failed"] {
            self.rollbacks.with_label_values(&[app, outcome]);
        }
    }

    /// Counts an ended rollout, once for each run. A workflow task that the server refused (a signal came meanwhile) runs
    /// again, and ends the rollout again.
    pub(super) fn count_rollout(&self, run: &str, app: &str, ended: &EndedRollout<'_>) {
        let EndedRollout { end, took, steps, is_rollback } = ended;
        if !self.counted.lock().unwrap_or_else(PoisonError::into_inner).add(run) {
            return;
        }
        let failure = if let RolloutEnd::Failed(failure) = end { failure.name() } else { "" };
        self.rollouts.with_label_values(&[app, end.outcome(), failure]).inc();
        self.rollout_seconds.with_label_values(&[app, end.outcome()]).observe(took.as_secs_f64());
        if *is_rollback {
            self.rollbacks.with_label_values(&[app, end.outcome()]).inc();
        }
        for step in *steps {
            let took = Duration::from_millis(step.ms);
            self.step_seconds.with_label_values(&[step.step.name()]).observe(took.as_secs_f64());
        }
    }

    /// Counts an attempt at a teardown, if the activity is part of one. Without a report the attempt failed. Dropping an
    /// environment's databases counts only if something is left: removing the rest counts for both.
    pub(super) fn count_teardown_attempt(&self, activity: &str, report: Option<&LeakReport>) {
        let result = match (activity, report) {
            ("delete_environment", Some(report)) if report.remaining.is_empty() => "complete",
            ("drop_database", Some(report)) if report.remaining.is_empty() => return,
            ("delete_environment" | "drop_database", Some(_)) => "blocked",
            ("delete_environment" | "drop_database", None) => "failed",
            _ => return,
        };
        self.teardown_attempts.with_label_values(&[result]).inc();
    }

    /// Counts a failed attempt of an activity. An unknown failure type counts as `other`.
    pub(super) fn count_activity_failure(&self, activity: &str, failure: Option<&str>) {
        let failure = failure.and_then(FailureType::from_name).map_or("other", FailureType::name);
        self.activity_failures.with_label_values(&[activity, failure]).inc();
    }

    /// Counts a step of a rollout that saw nothing of the release. The first one of an app is a series that did not exist:
    /// alerts must not need a rate.
    pub(super) fn count_not_observed(&self, app: &str, activity: &str) {
        self.not_observed.with_label_values(&[app, activity]).inc();
    }

    /// Counts a child that does not stop.
    pub(super) fn count_stuck(&self, reported: &StuckReported) {
        self.stuck_children.with_label_values(&[&reported.app]).inc();
    }

    /// Counts what a Janitor has done and found in a look.
    pub(super) fn count_findings(&self, reported: &FindingsReported) {
        for (repair, count) in [("close", reported.closed), ("facts", reported.sent)] {
            self.janitor_repairs.with_label_values(&[&reported.app, repair]).inc_by(count);
        }
        for kind in FindingKind::ALL {
            let count = reported.findings.get(kind.name()).copied().unwrap_or_default();
            self.janitor_findings.with_label_values(&[&reported.app, kind.name()]).inc_by(count);
        }
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// A metric cannot be written as text.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).context("writing metrics")
    }
}

fn register_build(registry: &Registry) -> anyhow::Result<()> {
    let build = Opts::new("berth_build_info", "Always 1: the version of berth.");
    let build = build.const_label("version", env!("CARGO_PKG_VERSION"));
    register(registry, IntGauge::with_opts(build)?)?.set(1);
    Ok(())
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> anyhow::Result<C> {
    registry.register(Box::new(collector.clone())).context("registering a metric")?;
    Ok(collector)
}

#[cfg(test)]
mod tests;

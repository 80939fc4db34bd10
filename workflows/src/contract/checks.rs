//! Inputs and results of the activities that check an applied release: its workloads, then its gates.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contract::{
    apply::{Applied, Workload},
    environment::Environment,
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
    timings::Timings,
    verdict::Verdict,
};

/// The default of `unobserved_seconds`. Longer than an API server's restart, and than a fresh namespace answers 403.
pub const UNOBSERVED_SECONDS: u64 = 30;

/// `unobserved_seconds` of a repeated wait. The environment has reported that nothing can be seen, so the wait only has to
/// be short enough that its time-outs are.
const UNOBSERVED_AGAIN_SECONDS: u64 = 600;

/// Time, in seconds, for which a release is looked at after nothing could be seen of it. A cluster that was away itself needs
/// it: a node counts as lost after 50 s without a lease (the default of `node-monitor-grace-period`), a controller waits 15 s
/// for another's lease, and the pods of a lost node are ready again once their kubelet has reported.
pub const OBSERVED_SECONDS: u64 = 180;

fn unobserved_seconds() -> u64 {
    UNOBSERVED_SECONDS
}

/// The input of `await_rollout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Unix time in milliseconds at which the wait ends with `NotReady`. A retry keeps the same deadline.
    pub deadline_ms: u64,
    /// Unix time in milliseconds at which the wait began. 0: `rollout_seconds` before the deadline.
    #[serde(default)]
    pub started_ms: u64,
    /// Time, in seconds, for which nothing may be seen of the release before the wait ends with `NotObserved`.
    #[serde(default = "unobserved_seconds")]
    pub unobserved_seconds: u64,
    pub timings: Timings,
    /// The Secret with the values to redact from log lines.
    pub secret: String,
    /// The deploy id that every workload must carry. 0: any.
    #[serde(default)]
    pub deploy_id: u64,
    /// Whether it only looks once, after a wait for the same release has failed: the release may serve by now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

impl AwaitInput {
    /// The wait for an applied release, starting now. `now_ms` is Unix time in milliseconds. A deadline that a manifest writes
    /// counts up to the longest one that the app file allows.
    pub fn new(
        rollout: &RolloutInput,
        timings: Timings,
        applied: &Applied,
        secrets: &SyncedSecrets,
        now_ms: u64,
    ) -> Self {
        let bounded = |workload: &Workload| Workload {
            deadline_seconds: workload.deadline_seconds.map(|seconds| seconds.min(timings.longest_seconds)),
            ..workload.clone()
        };
        Self {
            environment: rollout.environment.clone(),
            workloads: applied.workloads.iter().map(bounded).collect(),
            deadline_ms: now_ms + timings.rollout_seconds * 1000,
            started_ms: now_ms,
            unobserved_seconds: UNOBSERVED_SECONDS,
            secret: secrets.secret.clone(),
            deploy_id: rollout.deploy_id,
            late: false,
            timings,
        }
    }

    /// A look at the same release after the wait has failed.
    pub fn late(&self) -> Self {
        Self { late: true, ..self.clone() }
    }

    /// Unix time in milliseconds until which this workload is waited for: its own deadline, if that is later than the wait's.
    pub fn deadline_of_ms(&self, workload: &Workload) -> u64 {
        let own_ms = workload.deadline_seconds.map_or(0, |seconds| self.start_ms() + seconds * 1000);
        self.deadline_ms.max(own_ms)
    }

    /// The same wait, after nothing could be seen: it looks for some minutes from now, and longer for something to see.
    /// `now_ms` is Unix time in milliseconds, here and below.
    pub fn again(&self, now_ms: u64) -> Self {
        Self {
            deadline_ms: self.deadline_ms.max(now_ms + OBSERVED_SECONDS * 1000),
            unobserved_seconds: UNOBSERVED_AGAIN_SECONDS,
            ..self.clone()
        }
    }

    /// The longest that the wait lasts from now on. Time without a node is added to the deadline, and so is a gap in which
    /// nothing is seen, with the look after it.
    pub fn longest(&self, now_ms: u64) -> Duration {
        let seconds = self.timings.capacity_seconds + self.unobserved_seconds + OBSERVED_SECONDS;
        let own_ms = self.workloads.iter().map(|workload| self.deadline_of_ms(workload)).max();
        let deadline_ms = own_ms.unwrap_or(self.deadline_ms);
        Duration::from_millis(deadline_ms.saturating_sub(now_ms)) + Duration::from_secs(seconds)
    }

    /// Unix time in milliseconds at which the wait began.
    pub fn start_ms(&self) -> u64 {
        match self.started_ms {
            0 => self.deadline_ms.saturating_sub(self.timings.rollout_seconds * 1000),
            started_ms => started_ms,
        }
    }
}

/// The result of `await_rollout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Unix time in milliseconds from which the release was seen. 0: never, or not known.
    #[serde(default)]
    pub seen_from_ms: u64,
    /// Remarks for a person: pods that the wait has replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The end of a wait. A verdict, which a person must read, is a result and not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    Failed {
        verdict: Verdict,
    },
    /// Nothing could be seen of the release, which says nothing about it.
    NotObserved {
        reason: String,
        /// Unix time in milliseconds since which nothing was seen. 0: not known.
        #[serde(default)]
        since_ms: u64,
    },
}

/// The input of `check_gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckGatesInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// The stored release, which contains the gates.
    pub stored_release: String,
    /// The Secret with the values to redact from responses.
    pub secret: String,
    /// Time, in seconds, for which the workloads must stay up without a restart after the gates.
    #[serde(default)]
    pub stability_seconds: u64,
    /// `TEMPORAL_SERVER_ADDRESS`, if it is not the environment's own. The Temporal gates query the server there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server_address: Option<String>,
    /// The rollout's deploy id, never reused. A gate starts its workflow once per deploy id, and so once per rollout.
    #[serde(default)]
    pub deploy_id: u64,
    /// Time, in seconds, for which nothing may be seen of the release before the check ends with `NotObserved`.
    #[serde(default = "unobserved_seconds")]
    pub unobserved_seconds: u64,
    /// Time, in seconds, that each gate gets at least, whatever its deadline is.
    #[serde(default)]
    pub observe_seconds: u64,
}

impl CheckGatesInput {
    /// The check of an applied release's gates.
    pub fn new(rollout: &RolloutInput, timings: &Timings, applied: &Applied, secrets: &SyncedSecrets) -> Self {
        let address = &secrets.temporal_server_address;
        Self {
            environment: rollout.environment.clone(),
            workloads: applied.workloads.clone(),
            stored_release: applied.stored_release.clone(),
            secret: secrets.secret.clone(),
            stability_seconds: timings.stability_seconds,
            temporal_server_address: secrets.temporal_server_address_from_doppler.then(|| address.clone()),
            deploy_id: rollout.deploy_id,
            unobserved_seconds: UNOBSERVED_SECONDS,
            observe_seconds: 0,
        }
    }

    /// The same check, after nothing could be seen: it waits longer for something to see, and looks longer at it.
    pub fn again(&self) -> Self {
        Self { unobserved_seconds: UNOBSERVED_AGAIN_SECONDS, observe_seconds: OBSERVED_SECONDS, ..self.clone() }
    }
}

/// The result of `check_gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatesChecked {
    pub gates: Vec<GatePassed>,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Unix time in milliseconds from which the release was seen. 0: never, or not known.
    #[serde(default)]
    pub seen_from_ms: u64,
}

impl GatesChecked {
    /// The result with these gates passed. Whoever runs the check knows from when the release was seen.
    pub fn new(gates: Vec<GatePassed>, outcome: Outcome) -> Self {
        Self { gates, outcome, seen_from_ms: 0 }
    }
}

/// A gate that passed, and the milliseconds that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePassed {
    pub name: String,
    pub ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{apply::Plan, environment::EnvironmentKind};

    #[test]
    fn repeated_wait_looks_for_minutes_and_keeps_its_start() {
        let environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
        let wait: AwaitInput = serde_json::from_value(serde_json::json!({
            "environment": environment, "workloads": [], "deadline_ms": 700_000, "secret": "s", "timings": Timings::default(),
        }))
        .unwrap();
        assert_eq!((wait.start_ms(), wait.unobserved_seconds), (100_000, 30), "an input of an earlier version");
        assert_eq!(wait.longest(100_000).as_secs(), 600 + 900 + 30 + 180);
        let wait = AwaitInput { started_ms: 100_000, ..wait };
        let early = wait.again(300_000);
        assert_eq!((early.deadline_ms, early.start_ms(), early.unobserved_seconds), (700_000, 100_000, 600));
        let late = wait.again(900_000);
        assert_eq!((late.deadline_ms, late.start_ms()), (1_080_000, 100_000));
        assert_eq!(late.longest(900_000).as_secs(), 180 + 900 + 600 + 180);
    }

    /// A wait for a workload whose manifest writes that deadline, from second 100 on.
    fn wait_for(deadline_seconds: Option<u64>) -> AwaitInput {
        let environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
        let rollout: RolloutInput = serde_json::from_value(serde_json::json!({
            "environment": environment, "number": 1, "deploy_id": 1,
            "release": {"commit": "4f2a9c1", "image": format!("acme/web@sha256:{}", "a".repeat(64))},
        }))
        .unwrap();
        let secrets = serde_json::from_value(serde_json::json!({
            "secret": "s", "version": "1", "temporal_server_address": "", "temporal_server_address_from_doppler": false,
        }))
        .unwrap();
        let workload = Workload { deadline_seconds, ..Workload::new("Deployment", "web", 1) };
        let applied =
            Applied { stored_release: "r".into(), plan: Plan::default(), workloads: vec![workload], waits_for: None };
        AwaitInput::new(&rollout, Timings::default(), &applied, &secrets, 100_000)
    }

    #[test]
    fn written_deadline_counts_if_it_is_longer_and_up_to_the_longest() {
        for (written, seconds) in [(None, 600), (Some(60), 600), (Some(1200), 1200), (Some(86_400), 3600)] {
            let wait = wait_for(written);
            assert_eq!(wait.deadline_of_ms(&wait.workloads[0]), 100_000 + seconds * 1000, "{written:?}");
            assert_eq!(wait.longest(100_000).as_secs(), seconds + 900 + 30 + 180, "the activity's time-outs follow");
        }
    }
}

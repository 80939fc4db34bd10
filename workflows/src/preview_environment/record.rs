//! What an environment knows of itself: carried from run to run, shown by `status`, and the source of its phase.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        environment::Environment,
        lenient::MAX_INPUT_BYTES,
        phase::{Failed, PastRollout, Phase},
        preparation::SyncedSecrets,
        release::Release,
        rollout::{Made, RolloutStep},
        script::RunningScript,
        teardown::LeakReport,
        verdict::truncate,
    },
    environment::queue::{Current, QueuedRelease},
    preview_environment::mailbox::Mailbox,
};

/// How many past rollouts `status` lists.
const KEPT_ROLLOUTS: usize = 10;
/// How many ignored inputs `status` lists.
const KEPT_NOTES: usize = 5;
/// What may be carried to the next run: an input's bound, less what the rest of the input may take.
const MAX_CARRIED_BYTES: usize = MAX_INPUT_BYTES - 2048;

/// The release that answers now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    pub release: Release,
    pub rollout: String,
    pub since_ms: u64,
    pub stored_release: Option<String>,
}

/// The rollout in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingOut {
    #[serde(rename = "ticketed")]
    pub queued: QueuedRelease,
    pub number: u64,
    pub rollout: String,
    pub since_ms: u64,
    pub step: RolloutStep,
    /// What it waits for, where that is not what the step usually waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Once every workload serves it: the stored release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// It has been told to stop: nobody may wait for it to become live.
    #[serde(default)]
    pub stopping: bool,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub mailbox: Mailbox,
    /// Settled at the first rollout, forgotten when it is verified gone.
    pub environment: Option<Environment>,
    pub serving: Option<Serving>,
    /// The stored release that served before [`Record::serving`].
    pub served_before: Option<String>,
    pub rolling_out: Option<RollingOut>,
    pub failed: Option<Failed>,
    pub secrets: Option<SyncedSecrets>,
    pub tearing_down: bool,
    /// What the last attempt at the teardown reported.
    pub teardown: Option<LeakReport>,
    /// The teardown follows a cancel of a run that this one continues.
    pub was_cancelled: bool,
    pub closed: bool,
    pub rollouts: Vec<PastRollout>,
    pub notes: Vec<String>,
    /// The number of the newest rollout.
    pub last_number: u64,
    /// The `KUBE_DEPLOY_ID` of the newest rollout.
    pub last_deploy_id: u64,
    pub scripts: RunningScripts,
}

impl Record {
    /// The phase follows from the rest: there is no second place to keep in step.
    pub fn phase(&self) -> Phase {
        if self.closed {
            Phase::Closed
        } else if self.tearing_down || self.mailbox.is_close_requested() {
            match &self.teardown {
                Some(report) if !report.remaining.is_empty() => Phase::TeardownBlocked,
                _ => Phase::TearingDown,
            }
        } else if self.rolling_out.is_some() || self.mailbox.queue.next().is_some() {
            Phase::RollingOut
        } else if self.mailbox.awaiting_approval().is_some() {
            Phase::AwaitingApproval
        } else if self.failed.is_some() {
            Phase::Failed
        } else if self.serving.is_some() {
            Phase::Live
        } else {
            Phase::AwaitingPush
        }
    }

    /// What a new push is compared with. What is being stopped or torn down cannot be joined; and after a rollout that failed
    /// what serves is not simply live: something of the failed release may have been applied, and goes with the next rollout.
    pub fn current(&self) -> Current<'_> {
        if self.tearing_down {
            return Current::default();
        }
        Current {
            serving: self.serving.as_ref().filter(|_| self.failed.is_none()).map(|serving| &serving.release),
            rolling_out: self
                .rolling_out
                .as_ref()
                .filter(|rolling_out| !rolling_out.stopping)
                .map(|rolling_out| &rolling_out.queued),
        }
    }

    /// The newest release that was asked for, however it went: what `redeploy` rolls out again.
    pub fn newest_release(&self) -> Option<&Release> {
        (self.mailbox.queue.next())
            .or_else(|| self.rolling_out.as_ref().map(|rolling_out| &rolling_out.queued.release))
            .or_else(|| self.failed.as_ref().map(|failed| &failed.release))
            .or_else(|| self.serving.as_ref().map(|serving| &serving.release))
    }

    /// From now on this release answers. What the one before it stored is kept.
    pub fn serve(&mut self, release: Release, rollout: Option<String>, stored_release: Option<String>, now_ms: u64) {
        let rollout = rollout.unwrap_or_default();
        let serving = Serving { release, rollout, since_ms: now_ms, stored_release };
        let before = self.serving.replace(serving).and_then(|before| before.stored_release);
        self.served_before = before.or_else(|| self.served_before.take());
    }

    /// Stored releases that a prune must leave: what serves and what served before.
    pub fn keep(&self) -> Vec<String> {
        let serving = self.serving.as_ref().and_then(|serving| serving.stored_release.clone());
        serving.into_iter().chain(self.served_before.clone()).collect()
    }

    /// Takes over what a rollout has made, however it ended.
    pub fn take_over(&mut self, made: Made) {
        if let Some(environment) = &mut self.environment {
            environment.namespace_uid = made.namespace_uid.or_else(|| environment.namespace_uid.take());
            environment.record_cluster_objects(made.cluster_objects);
        }
        self.secrets = made.secrets.or_else(|| self.secrets.take());
    }

    /// Adds a rollout to the list of the last ten.
    pub fn remember(&mut self, rollout: PastRollout) {
        self.rollouts.push(rollout);
        if self.rollouts.len() > KEPT_ROLLOUTS {
            self.rollouts.remove(0);
        }
    }

    /// Notes an input that was ignored, and why.
    pub fn note(&mut self, note: impl Into<String>) {
        let mut note = note.into();
        truncate(&mut note, 300);
        self.notes.push(note);
        if self.notes.len() > KEPT_NOTES {
            self.notes.remove(0);
        }
    }

    /// What the next run of the workflow needs: the same, with short texts. Where those are too many for one input all the same,
    /// what is only there to be read goes first.
    pub fn to_carry(&self) -> Self {
        let mut carried = self.clone();
        if let Some(failed) = &mut carried.failed {
            failed.verdict = failed.verdict.short();
        }
        if let Some(report) = &mut carried.teardown {
            report.shorten();
        }
        while carried.is_too_long() {
            if carried.rollouts.is_empty() && carried.notes.is_empty() {
                break;
            }
            carried.rollouts.drain(..carried.rollouts.len().min(1));
            carried.notes.drain(..carried.notes.len().min(1));
        }
        carried
    }

    fn is_too_long(&self) -> bool {
        // One that cannot be written cannot be carried, which its caller says.
        serde_json::to_vec(self).is_ok_and(|json| json.len() > MAX_CARRIED_BYTES)
    }
}

/// The scripts of an environment. Those that run are not carried from run to run: an environment that is not idle does
/// not continue as new.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningScripts {
    #[serde(skip)]
    pub running: Vec<RunningScript>,
    /// The number of the newest script run.
    pub last_number: u64,
}

impl RunningScripts {
    /// Notes that one has been told to stop.
    pub fn stop(&mut self, script_run: &str) {
        for script in self.running.iter_mut().filter(|script| script.script_run == script_run) {
            script.stopping = true;
        }
    }

    /// Forgets one that has ended.
    pub fn end(&mut self, script_run: &str) {
        self.running.retain(|script| script.script_run != script_run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        environment::{ClusterObject, EnvironmentKind},
        release::*,
        signals::{DeployOutcome, Push},
        teardown::Remaining,
        verdict::{FailureType, Verdict},
    };

    /// JSON needs two bytes for each quote.
    fn longest_release() -> Release {
        let name = || Some(Name::try_from("\"".repeat(255)).unwrap());
        let digest = "a".repeat(64);
        Release {
            commit: Commit::try_from("a".repeat(64)).unwrap(),
            image: Image::try_from(format!("{}:{}@sha256:{digest}", "r".repeat(300), "t".repeat(128))).unwrap(),
            author: name(),
            branch: name(),
        }
    }

    #[test]
    fn what_is_carried_to_the_next_run_fits_its_input_however_long_the_texts() {
        let mut record = Record { served_before: Some("x".repeat(63)), ..Record::default() };
        for number in 0..100 {
            record.note("\"".repeat(10_000));
            record.remember(PastRollout {
                number,
                commit: "a".repeat(64),
                outcome: DeployOutcome::AwaitingApproval,
                author: longest_release().author,
                ms: u64::MAX,
                failure: Some(FailureType::DatabaseUnavailable.to_string()),
            });
        }
        let mut verdict = Verdict::new(FailureType::CrashLoop, "\"".repeat(10_000)).advise("a".repeat(1000));
        verdict.log_tail = vec!["l".repeat(500); 100];
        let Release { commit, image, author, branch } = longest_release();
        let push = Push { commit, image, sequence: Some(u64::MAX), author, branch, fork: true, draft: false };
        record.mailbox.push(&push, Current::default());
        let remaining = Remaining { object: "o".repeat(300), reason: "\"".repeat(500), command: "c".repeat(500) };
        record.teardown = Some(LeakReport { gone: vec!["g".repeat(300); 100], remaining: vec![remaining; 100] });
        record.failed = Some(Failed { release: longest_release(), rollout: Some("r".repeat(80)), verdict });
        record.serving = Some(Serving {
            release: longest_release(),
            rollout: "r".repeat(80),
            since_ms: u64::MAX,
            stored_release: Some("s".repeat(63)),
        });
        let mut environment =
            Environment::unrecorded("a".repeat(30), EnvironmentKind::Preview { pr: u64::MAX }, "w".repeat(60));
        environment.record_cluster_objects((0..100).map(|n| ClusterObject {
            api_version: "scheduling.k8s.io/v1".into(),
            kind: "PriorityClass".into(),
            name: format!("{n:0>253}"),
        }));
        record.environment = Some(environment);
        let carried = record.to_carry();
        let bytes = serde_json::to_vec(&carried).unwrap().len();
        assert!(bytes <= MAX_CARRIED_BYTES, "{bytes} bytes leave no room for the rest");
        assert_eq!((carried.mailbox, carried.serving), (record.mailbox, record.serving), "what is needed stays");
        assert_eq!(carried.teardown.unwrap().remaining.len(), LeakReport::MAX_CARRIED);
    }

    #[test]
    fn an_environment_that_serves_and_whose_newest_rollout_failed_is_failed() {
        let record = Record {
            serving: Some(Serving {
                release: longest_release(),
                rollout: "r".into(),
                since_ms: 0,
                stored_release: None,
            }),
            failed: Some(Failed {
                release: longest_release(),
                rollout: None,
                verdict: Verdict::new(FailureType::NotReady, "no"),
            }),
            ..Record::default()
        };
        assert_eq!(record.phase(), Phase::Failed);
        // A push of what serves must be rolled out: the failed release's objects may be there instead of its own.
        assert_eq!(record.current().serving, None);
    }
}

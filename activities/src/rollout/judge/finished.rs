//! Jobs that no longer exist. Kubernetes removes a finished Job with `ttlSecondsAfterFinished`, while other workloads
//! of the release may still be starting.

use std::collections::BTreeMap;

use berth_workflows::contract::apply::Workload;

use crate::rollout::{
    snapshot::Snapshot,
    workload_state::{WorkloadState, workload_state},
};

/// The known ends of Jobs by name. `None` means that nothing reports an end.
#[derive(Debug, Default)]
pub(super) struct Finished(BTreeMap<String, Option<WorkloadState>>);

impl Finished {
    /// Returns the workload's state. For a Job that no longer exists it is the last known one.
    pub(super) fn state(&mut self, snapshot: &Snapshot, workload: &Workload) -> WorkloadState {
        let state = workload_state(snapshot, workload);
        if workload.kind == "Job" && state == WorkloadState::Complete {
            self.0.insert(workload.name.clone(), Some(WorkloadState::Complete));
        }
        let known = self.0.get(&workload.name).filter(|_| is_gone(snapshot, workload));
        known.cloned().flatten().unwrap_or(state)
    }

    /// Returns the Jobs that do not exist and whose end is unknown.
    pub(super) fn unknown(&self, snapshot: &Snapshot, workloads: &[Workload]) -> Vec<String> {
        let gone = workloads.iter().filter(|workload| is_gone(snapshot, workload));
        gone.filter(|workload| !self.0.contains_key(&workload.name)).map(|workload| workload.name.clone()).collect()
    }

    pub(super) fn learn(&mut self, job: String, end: Option<WorkloadState>) {
        self.0.insert(job, end);
    }
}

fn is_gone(snapshot: &Snapshot, workload: &Workload) -> bool {
    workload.kind == "Job" && snapshot.jobs.lacks(&workload.name)
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use crate::rollout::{
        fixtures::{START_MS, put, snapshot, wait, workload},
        judge::{Judge, Look},
        snapshot::Snapshot,
        workload_state::WorkloadState,
    };

    /// A judge of a Deployment that is still starting, and a Job.
    fn judge() -> Judge {
        let mut wait = wait();
        wait.workloads.push(workload("Job", "migrate", 1));
        Judge::new(&wait)
    }

    fn without_job() -> Snapshot {
        let mut snapshot = snapshot("ready");
        snapshot.jobs.apply(Event::Init);
        snapshot.jobs.apply(Event::InitDone);
        snapshot
    }

    fn waits(judge: &mut Judge, snapshot: &Snapshot, second: u64) -> (String, Vec<String>) {
        match judge.look(snapshot, START_MS + second * 1000) {
            Look::Waiting { text, gone, .. } => (text, gone),
            other => panic!("should wait, but {other:?}"),
        }
    }

    #[test]
    fn a_job_removed_after_success_stays_done() {
        let mut judge = judge();
        let mut with_job = snapshot("ready");
        let status = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        put(&mut with_job, &json!({"kind": "Job", "metadata": {"name": "migrate"}, "status": status}));
        let expected = ("web: 0 of 1 pods ready".to_owned(), Vec::new());
        assert_eq!(waits(&mut judge, &with_job, 5), expected);
        assert_eq!(waits(&mut judge, &without_job(), 10), expected);
    }

    #[test]
    fn a_job_gone_before_the_first_look_has_its_learned_end() {
        let gone = vec!["migrate".to_owned()];
        let unknown = |judge: &mut Judge| {
            let (text, asked) = waits(judge, &without_job(), 5);
            assert!(text.contains("migrate: does not exist"), "{text}");
            assert_eq!(asked, gone);
        };
        let mut done = judge();
        unknown(&mut done);
        done.learn(vec![("migrate".to_owned(), Some(WorkloadState::Complete))]);
        assert_eq!(waits(&mut done, &without_job(), 6), ("web: 0 of 1 pods ready".to_owned(), Vec::new()));

        let mut failed = judge();
        unknown(&mut failed);
        failed
            .learn(vec![("migrate".to_owned(), Some(WorkloadState::JobFailed("BackoffLimitExceeded: no".to_owned())))]);
        assert!(matches!(failed.look(&without_job(), START_MS + 6000), Look::Failed(_)));

        let mut removed = judge();
        unknown(&mut removed);
        removed.learn(vec![("migrate".to_owned(), None)]);
        let (text, asked) = waits(&mut removed, &without_job(), 6);
        assert!(text.contains("migrate: does not exist") && asked.is_empty(), "{text}");
    }

    #[test]
    fn a_wait_resumed_late_asks_for_ended_jobs_before_its_verdict() {
        let mut judge = judge();
        assert!(!waits(&mut judge, &without_job(), 400).1.is_empty());
        judge.learn(vec![("migrate".to_owned(), None)]);
        waits(&mut judge, &without_job(), 579);
        assert!(matches!(judge.look(&without_job(), START_MS + 580_000), Look::Failed(_)));
    }
}

//! Jobs that are not there any more. One with `ttlSecondsAfterFinished` is removed when it has ended, whatever else of the
//! release is still on its way.

use std::collections::BTreeMap;

use berth_workflows::contract::apply::Workload;

use crate::rollout::{
    snapshot::Snapshot,
    workload_state::{WorkloadState, workload_state},
};

/// What is known of Jobs beyond what the cluster still has: how they ended, or that nothing tells that they did.
#[derive(Debug, Default)]
pub(super) struct Finished(BTreeMap<String, Option<WorkloadState>>);

impl Finished {
    /// How far the workload is; of a Job that is gone, how far it had come.
    pub(super) fn state(&mut self, snapshot: &Snapshot, workload: &Workload) -> WorkloadState {
        let state = workload_state(snapshot, workload);
        if workload.kind == "Job" && state == WorkloadState::Complete {
            self.0.insert(workload.name.clone(), Some(WorkloadState::Complete));
        }
        let known = self.0.get(&workload.name).filter(|_| is_gone(snapshot, workload));
        known.cloned().flatten().unwrap_or(state)
    }

    /// The Jobs that are gone and of which nothing is known.
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

    /// A Deployment that is still on its way, and a Job.
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
    fn a_job_that_was_removed_after_it_had_succeeded_stays_done() {
        let mut judge = judge();
        let mut with_job = snapshot("ready");
        let status = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        put(&mut with_job, &json!({"kind": "Job", "metadata": {"name": "migrate"}, "status": status}));
        let expected = ("web: 0 of 1 pods ready".to_owned(), Vec::new());
        assert_eq!(waits(&mut judge, &with_job, 5), expected);
        assert_eq!(waits(&mut judge, &without_job(), 10), expected);
    }

    #[test]
    fn a_job_that_was_gone_before_it_was_seen_is_what_is_learned_of_it() {
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
    fn a_wait_that_is_picked_up_late_asks_before_it_gives_up() {
        let mut judge = judge();
        assert!(!waits(&mut judge, &without_job(), 400).1.is_empty());
        judge.learn(vec![("migrate".to_owned(), None)]);
        assert!(matches!(judge.look(&without_job(), START_MS + 400_500), Look::Failed(_)));
    }
}

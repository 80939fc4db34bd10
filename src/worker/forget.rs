//! Makes the worker forget a run whose memory a query has put ahead of its history.
//!
//! A query of a run that this worker does not have in memory, as after the death of the worker that had it, makes the SDK
//! replay the run. It applies also events that no workflow task has worked on yet (core 0.10.1, `HistoryUpdate::from_events`),
//! answers, and keeps the run. The commands that the run made of those events stay in memory. The next task adds those for the
//! events since. A later replay sees the events of both steps at once, signals first, and may make the commands in another
//! order: then the run can never be replayed again. If the run is forgotten with the answer, the next task replays it from its
//! history.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use temporalio_common::protos::coresdk::workflow_activation::{
    WorkflowActivation, WorkflowActivationJob, workflow_activation_job::Variant,
};
use temporalio_sdk::{interceptors::WorkerInterceptor, runtime::CoreWorker};

/// The id of a query that comes alone, without a workflow task: `LEGACY_QUERY_ID` of the SDK's core.
const DIRECT_QUERY: &str = "legacy_query";

/// What the worker's memory of one run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// It was replayed, and no new event came since.
    Replayed,
    /// It was replayed, and new events came once: with a workflow task, or with a query.
    Advanced,
    /// New events come with workflow tasks.
    Kept,
}

/// The memory of every run of a worker.
#[derive(Debug, Default)]
struct Memories(HashMap<String, Memory>);

impl Memories {
    /// Takes note of an activation. Returns whether the run must be forgotten with the answer.
    ///
    /// A run that was replayed for a workflow task and not for a query is forgotten in vain, once.
    fn note(&mut self, activation: &WorkflowActivation) -> bool {
        let run = &activation.run_id;
        if activation.jobs.iter().any(|job| matches!(job.variant, Some(Variant::RemoveFromCache(_)))) {
            self.0.remove(run);
            return false;
        }
        if activation.jobs.iter().any(|job| matches!(job.variant, Some(Variant::InitializeWorkflow(_)))) {
            self.0.insert(run.clone(), Memory::Replayed);
        }
        let Some(memory) = self.0.get_mut(run) else { return false };
        if activation.jobs.iter().any(is_direct_query) {
            let is_ahead = *memory == Memory::Advanced;
            *memory = Memory::Kept;
            return is_ahead;
        }
        if !activation.is_replaying && !activation.jobs.iter().all(is_made_here) {
            *memory = if *memory == Memory::Replayed { Memory::Advanced } else { Memory::Kept };
        }
        false
    }
}

fn is_direct_query(job: &WorkflowActivationJob) -> bool {
    matches!(&job.variant, Some(Variant::QueryWorkflow(query)) if query.query_id == DIRECT_QUERY)
}

/// Whether a job brings no event of the history: a query, or the result of a local activity.
fn is_made_here(job: &WorkflowActivationJob) -> bool {
    match &job.variant {
        Some(Variant::QueryWorkflow(_)) => true,
        Some(Variant::ResolveActivity(resolved)) => resolved.is_local,
        _ => false,
    }
}

/// Watches the activations of a worker, and makes it forget runs.
#[derive(Clone, Default)]
pub(super) struct Forget {
    memories: Arc<Mutex<Memories>>,
    worker: Arc<OnceLock<Weak<CoreWorker>>>,
}

impl Forget {
    /// Sets the worker whose runs are forgotten. It is made after its interceptors.
    pub(super) fn of(&self, worker: &Arc<CoreWorker>) {
        self.worker.get_or_init(|| Arc::downgrade(worker));
    }
}

#[async_trait::async_trait(?Send)]
impl WorkerInterceptor for Forget {
    async fn on_workflow_activation(&self, activation: &WorkflowActivation) -> anyhow::Result<()> {
        let must_forget = self.memories.lock().unwrap_or_else(PoisonError::into_inner).note(activation);
        if must_forget && let Some(worker) = self.worker.get().and_then(Weak::upgrade) {
            // The SDK forgets a run when its outstanding activation has been answered.
            worker.request_workflow_eviction(&activation.run_id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use temporalio_common::protos::coresdk::workflow_activation::{
        InitializeWorkflow, QueryWorkflow, RemoveFromCache, ResolveActivity, SignalWorkflow,
    };

    use super::*;

    fn activation(is_replaying: bool, jobs: impl IntoIterator<Item = Variant>) -> WorkflowActivation {
        let jobs = jobs.into_iter().map(|variant| WorkflowActivationJob { variant: Some(variant) }).collect();
        WorkflowActivation { run_id: "run".to_owned(), is_replaying, jobs, ..WorkflowActivation::default() }
    }

    fn replay() -> WorkflowActivation {
        activation(true, [Variant::InitializeWorkflow(InitializeWorkflow::default())])
    }

    fn new_events() -> WorkflowActivation {
        activation(false, [Variant::SignalWorkflow(SignalWorkflow::default())])
    }

    fn local_activity() -> WorkflowActivation {
        activation(false, [Variant::ResolveActivity(ResolveActivity { is_local: true, ..ResolveActivity::default() })])
    }

    fn query(id: &str) -> WorkflowActivation {
        let query = QueryWorkflow { query_id: id.to_owned(), ..QueryWorkflow::default() };
        activation(true, [Variant::QueryWorkflow(query)])
    }

    /// Whether the last of these activations makes the worker forget the run; the others must not.
    fn forgets(activations: impl IntoIterator<Item = WorkflowActivation>) -> bool {
        let mut memories = Memories::default();
        let mut all: Vec<_> = activations.into_iter().map(|activation| memories.note(&activation)).collect();
        let last = all.pop().unwrap();
        assert!(!all.contains(&true));
        last
    }

    #[test]
    fn run_put_ahead_by_a_query_is_forgotten() {
        assert!(forgets([replay(), new_events(), query(DIRECT_QUERY)]));
        assert!(forgets([replay(), new_events(), local_activity(), query(DIRECT_QUERY)]));
    }

    #[test]
    fn run_that_a_query_only_replays_is_kept() {
        assert!(!forgets([replay(), query(DIRECT_QUERY)]));
        assert!(!forgets([replay(), query(DIRECT_QUERY), new_events(), query(DIRECT_QUERY)]));
    }

    #[test]
    fn run_that_tasks_keep_going_is_kept() {
        assert!(!forgets([replay(), new_events(), new_events(), query(DIRECT_QUERY)]));
    }

    #[test]
    fn query_within_a_task_forgets_nothing() {
        assert!(!forgets([replay(), new_events(), query("7c2d")]));
    }

    #[test]
    fn run_replayed_again_is_judged_anew() {
        let removed = || activation(false, [Variant::RemoveFromCache(RemoveFromCache::default())]);
        assert!(forgets([
            replay(),
            new_events(),
            new_events(),
            removed(),
            replay(),
            new_events(),
            query(DIRECT_QUERY)
        ]));
    }
}

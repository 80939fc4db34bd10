//! The memory of earlier runs of the same pull request: recalled before the first message counts, written before the end.

use std::time::Duration;

use temporalio_workflow::{ChildWorkflowOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext};

use super::{PreviewEnvironment, reporting::outliving_child};
use crate::{
    activity_options as options,
    clock::{now_ms, sleep},
    contract::{
        activity_definitions as activities,
        environment::PullRequest,
        lenient::Lenient,
        memory::{Memory, RecallPreviewInput, memory_id},
    },
    environment::{answers::detached, arrival::Arrival, children::is_id_taken, publish::publish},
    preview_environment::life::{Decisions, Message, Taken},
    preview_memory::PreviewMemory,
};

/// Runs of before have no memory.
const PATCH: &str = "memory";
/// The pause before the memory is asked for again. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a memory is written, if an earlier one has not ended, and the pause between two tries.
const TRIES: u32 = 30;
const SHORT_PAUSE: Duration = Duration::from_secs(1);

impl PreviewEnvironment {
    /// Lets messages wait for the memory of earlier runs, if this run is to recall it. Before the first message is taken.
    pub(super) fn begin_in_handler(&mut self, ctx: &SyncWorkflowContext<Self>) {
        if std::mem::take(&mut self.is_new) && ctx.patched(PATCH) {
            self.record.begin_recall(Decisions::new(|change| ctx.patched(change)));
        }
    }

    fn begin(ctx: &WorkflowContext<Self>) {
        if ctx.state_mut(|s| std::mem::take(&mut s.is_new)) && ctx.patched(PATCH) {
            let decisions = Decisions::new(|change| ctx.patched(change));
            ctx.state_mut(|s| s.record.begin_recall(decisions));
        }
    }

    /// Recalls what earlier runs have seen, and takes the messages in that have waited for it.
    pub(super) async fn recall(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) {
        Self::begin(ctx);
        let mut pause = FIRST_PAUSE;
        while ctx.state(|s| s.record.is_recalling()) {
            let input = RecallPreviewInput { environment: pull_request.workflow_id() };
            let options = options::recall_preview("what earlier runs have seen");
            match ctx.execute_local_activity(activities::RecallPreview, input, options).await {
                Ok(recalled) => drop(Self::take(ctx, Message::Recalled(recalled.memory.map(Box::new)))),
                Err(_) => {
                    let never = WorkflowCancellationToken::new();
                    sleep(ctx, pause, &never, "before earlier runs are recalled again".to_owned()).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        publish(ctx);
    }

    /// Takes in what an update brings. It may have to wait until the memory of earlier runs is recalled.
    pub(super) async fn take_update(ctx: &WorkflowContext<Self>, message: Message, arrival: Arrival) -> Taken {
        Self::begin(ctx);
        let now = now_ms(ctx);
        let taken = ctx.state_mut(|s| s.record.take(message, arrival, now));
        let Taken::Waiting(place) = taken else { return taken };
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| !s.record.is_recalling(), detached()).await;
        ctx.state_mut(|s| s.record.taken_later(place)).unwrap_or(Taken::Ignored)
    }

    /// Leaves a memory to the runs that follow. It is the input of a workflow that ends at once.
    pub(super) async fn write_memory(ctx: &WorkflowContext<Self>, pull_request: &PullRequest, memory: Memory) {
        let mut trouble = Some("an earlier memory does not end".to_owned());
        for _ in 0..TRIES {
            let (run, input) = (PreviewMemory::run, Lenient::from(memory.clone()));
            match ctx.start_child_workflow(run, input, memory_options(pull_request)).await {
                Ok(_) => trouble = None,
                // No worker has taken it yet.
                Err(error) if is_id_taken(&error) => {
                    let never = WorkflowCancellationToken::new();
                    sleep(ctx, SHORT_PAUSE, &never, "for an earlier memory to end".to_owned()).await;
                    continue;
                }
                Err(error) => trouble = Some(error.to_string()),
            }
            break;
        }
        Self::take(ctx, Message::Remembered(Box::new(memory), trouble));
    }
}

fn memory_options(pull_request: &PullRequest) -> ChildWorkflowOptions {
    let environment = pull_request.workflow_id();
    outliving_child(pull_request, memory_id(&environment), format!("what {environment} has seen"), None)
}

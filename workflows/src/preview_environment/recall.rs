//! The memory of earlier runs of the same pull request: recalled before the first message counts, written before the end.

use std::time::Duration;

use temporalio_common::search_attributes::SearchAttributes;
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, SyncWorkflowContext, TimerOptions, WorkflowCancellationToken,
    WorkflowContext,
};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        environment::{EnvironmentKind, PullRequest},
        lenient::Lenient,
        memory::{Memory, RecallPreviewInput, memory_id},
        search_attributes,
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
                    Self::rest(ctx, pause, "before earlier runs are recalled again").await;
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
                    Self::rest(ctx, SHORT_PAUSE, "for an earlier memory to end").await;
                    continue;
                }
                Err(error) => trouble = Some(error.to_string()),
            }
            break;
        }
        Self::take(ctx, Message::Remembered(Box::new(memory), trouble));
    }

    async fn rest(ctx: &WorkflowContext<Self>, pause: Duration, summary: &str) {
        let timer = TimerOptions::builder(pause).cancellation_token(WorkflowCancellationToken::new());
        ctx.timer(timer.summary(summary.to_owned()).build()).await;
    }
}

fn memory_options(pull_request: &PullRequest) -> ChildWorkflowOptions {
    let kind = EnvironmentKind::Preview { pr: pull_request.pr };
    let mut attributes = vec![
        search_attributes::APP.value_set(pull_request.app.clone()),
        search_attributes::ENVIRONMENT.value_set(kind.name().into()),
    ];
    let pr = i64::try_from(pull_request.pr).ok();
    attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
    let environment = pull_request.workflow_id();
    ChildWorkflowOptions::builder()
        .workflow_id(memory_id(&environment))
        .cancellation_token(WorkflowCancellationToken::new())
        .parent_close_policy(ParentClosePolicy::Abandon)
        .static_summary(format!("what {environment} has seen"))
        .search_attributes(SearchAttributes::new(attributes))
        .build()
}

//! The `Janitor` of an app: compares GitHub's pull requests with the previews that run, and with what is left of others.
//!
//! It repairs what lost webhooks leave: it sends facts again, and closes what GitHub has called closed twice. It deletes
//! nothing and starts nothing. An open pull request without a workflow is one that nobody has pushed for, or whose
//! environment a person has closed.

use std::time::Duration;

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::{
    activity_options as options,
    clock::{now_ms, sleep},
    contract::{
        activity_definitions::{self as activities, github_task_queue},
        carrying::Carrying,
        janitor::{
            JanitorInput, JanitorStatus, ListEnvironmentsInput, ListedEnvironments, ReportFindingsInput,
            SendFactsInput, SentFacts, janitor_id,
        },
        pull_request_list::{ListPullRequestsInput, ListedPullRequests},
        search_attributes,
    },
    environment::{
        admission::{check_id, check_start},
        carry::{self, Refused},
    },
    failure::refusal,
    janitor::{memory::Memory, plan::Look},
};

mod findings;
pub mod memory;
pub mod plan;
mod sent;
mod status;

/// Compares pull requests, workflows, namespaces and databases of one app, for ever.
#[workflow]
pub struct Janitor {
    input: Result<JanitorInput, Refused>,
    memory: Memory,
}

#[workflow_methods]
impl Janitor {
    #[init]
    fn new(ctx: &WorkflowContextView, input: Carrying<JanitorInput>) -> Self {
        match carry::read(ctx, input) {
            Ok((input, memory)) => Self { input: Ok(input), memory },
            Err(refused) => Self { input: Err(refused), memory: Memory::default() },
        }
    }

    #[run(name = "Janitor")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        // A single workflow per app, under the id that follows from it. It never ends by itself.
        let (ctx, input) = (&*ctx, Self::admit(ctx)?);
        loop {
            // 1. Look at everything, and send what was lost.
            Self::look(ctx, &input).await;
            Self::show(ctx, &input);

            // 2. Continue with a fresh history when it is long.
            if ctx.continue_as_new_suggested() || ctx.history_length() >= input.timings.history_events {
                Self::continue_as_new(ctx, &input)?;
            }

            // 3. Wait for the next look. A cancel ends it, and the worker starts it again.
            let pause = Duration::from_secs(ctx.state(|s| s.memory.interval_seconds()));
            if !sleep(ctx, pause, &ctx.cancellation_token(), "before the next look".to_owned()).await {
                return Err(WorkflowTermination::cancelled());
            }
        }
    }

    /// The last look, and what does not fit, in one JSON object.
    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> JanitorStatus {
        self.memory.to_status(self.input.as_ref().map_or("", |input| input.app.as_str()))
    }
}

impl Janitor {
    /// Refuses an input that is not one, and any id but the one that follows from it.
    fn admit(ctx: &WorkflowContext<Self>) -> Result<JanitorInput, WorkflowTermination> {
        let input = ctx.state(|s| s.input.clone())?;
        check_start(ctx)?;
        check_id(ctx, &format!("the Janitor of {}", input.app), &janitor_id(&input.app))?;
        ctx.upsert_search_attributes([search_attributes::APP.value_set(input.app.clone())]);
        Ok(input)
    }

    /// Looks once. What cannot be seen is left as it is, and `status` says why.
    async fn look(ctx: &WorkflowContext<Self>, input: &JanitorInput) {
        let now = now_ms(ctx);
        ctx.state_mut(|s| s.memory.begin(now));
        let Some(found) = Self::list_environments(ctx, input).await else { return };
        let listed = Self::list_pull_requests(ctx, input, &found).await;
        let look = Look {
            found: &found,
            listed: listed.as_ref(),
            now_ms: now,
            confirm_ms: input.timings.confirm_seconds * 1000,
        };
        let plan = ctx.state_mut(|s| {
            s.memory.take_findings(&input.app, &look);
            s.memory.plan(&look)
        });
        let sent =
            Self::send_facts(ctx, SendFactsInput { app: input.app.clone(), pull_requests: plan.pull_requests() }).await;
        let now = now_ms(ctx);
        let report = ctx.state_mut(|s| s.memory.take_sent(&input.app, &plan, &sent, now));
        Self::report(ctx, report).await;
    }

    async fn list_environments(ctx: &WorkflowContext<Self>, input: &JanitorInput) -> Option<ListedEnvironments> {
        let options = options::look(&ctx.cancellation_token(), format!("the previews of {}", input.app));
        let list = ListEnvironmentsInput { app: input.app.clone() };
        match ctx.execute_activity(activities::ListEnvironments, list, options).await {
            Ok(found) => {
                ctx.state_mut(|s| s.memory.take_found(&found));
                Some(found)
            }
            Err(error) => {
                Self::record_trouble(ctx, "listing the previews", &error);
                None
            }
        }
    }

    /// Asks GitHub, if there is anything to compare.
    async fn list_pull_requests(
        ctx: &WorkflowContext<Self>,
        input: &JanitorInput,
        found: &ListedEnvironments,
    ) -> Option<ListedPullRequests> {
        if found.workflows.is_empty() {
            return Some(ListedPullRequests::default());
        }
        let asked = ctx.state_mut(|s| s.memory.to_ask(found));
        let queue = github_task_queue(ctx.task_queue());
        let summary = format!("the pull requests of {}", input.app);
        let options = options::list_pull_requests(&ctx.cancellation_token(), summary, queue);
        let list = ListPullRequestsInput { app: input.app.clone(), asked };
        match ctx.execute_activity(activities::ListPullRequests, list, options).await {
            Ok(listed) => Some(listed),
            Err(error) => {
                Self::record_trouble(ctx, "listing the pull requests", &error);
                None
            }
        }
    }

    async fn send_facts(ctx: &WorkflowContext<Self>, send: SendFactsInput) -> SentFacts {
        if send.pull_requests.is_empty() {
            return SentFacts::default();
        }
        let summary = format!("facts about {} pull requests", send.pull_requests.len());
        let options = options::look(&ctx.cancellation_token(), summary);
        match ctx.execute_activity(activities::SendFacts, send, options).await {
            Ok(sent) => sent,
            Err(error) => {
                Self::record_trouble(ctx, "sending facts", &error);
                SentFacts::default()
            }
        }
    }

    /// Reports to the worker's log and metrics.
    async fn report(ctx: &WorkflowContext<Self>, report: ReportFindingsInput) {
        if report.is_empty() {
            return;
        }
        let options = options::look(&ctx.cancellation_token(), "to the log and the metrics");
        if let Err(error) = ctx.execute_activity(activities::ReportFindings, report, options).await {
            Self::record_trouble(ctx, "reporting", &error);
        }
    }

    fn record_trouble(ctx: &WorkflowContext<Self>, what: &str, error: &temporalio_workflow::ActivityExecutionError) {
        let why = refusal(error).map_or_else(|| "it was cancelled".to_owned(), |(why, _)| why);
        ctx.state_mut(|s| s.memory.record_trouble(format!("{what}: {why}")));
    }

    /// Continues with a fresh history and the same memory.
    fn continue_as_new(ctx: &WorkflowContext<Self>, input: &JanitorInput) -> Result<(), WorkflowTermination> {
        let carried = carry::write(&ctx.state(|s| s.memory.clone()))?;
        let next = JanitorInput { carried: Some(carried), ..input.clone() };
        ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())?;
        Ok(())
    }
}

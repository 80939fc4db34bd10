//! A preview's workflow as another version of berth has it: it carries state that this version may not know.

use serde_json::{Value, json};
use temporalio_client::{WorkflowGetResultOptions, WorkflowHandle, WorkflowStartOptions};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};
use temporalio_workflow::{
    ChildWorkflowOptions, ContinueAsNewOptions, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::preview::{PATIENCE, Preview};

/// The workflow of the other version. Its first run continues as new on the task queue of the test's worker.
#[workflow]
pub struct OtherVersion {
    input: Value,
    continues: bool,
}

#[workflow_methods]
impl OtherVersion {
    #[init]
    fn new(ctx: &WorkflowContextView, input: Value) -> Self {
        Self { input, continues: ctx.continued_from_run_id().is_some() }
    }

    #[run(name = "PreviewEnvironment")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let (mut input, continues) = ctx.state(|s| (s.input.clone(), s.continues));
        if continues {
            return Ok("read by the other version".to_owned());
        }
        let task_queue = input["task_queue"].take().as_str().unwrap_or_default().to_owned();
        if !input["rollout"].is_null() {
            let id = format!("{}-rollout-1", ctx.workflow_id());
            let options = ChildWorkflowOptions::builder().workflow_id(id).task_queue(task_queue).build();
            let rollout = ctx.start_child_workflow(OtherRollout::run, input["rollout"].take(), options).await?;
            return Ok(rollout.result().await?);
        }
        let next = std::mem::take(&mut input["next"]);
        ctx.continue_as_new(next, ContinueAsNewOptions::builder().task_queue(task_queue).build())?;
        Ok(String::new())
    }
}

/// The rollout of the other version, which can read its input.
#[workflow]
#[derive(Default)]
pub struct OtherRollout;

#[workflow_methods]
impl OtherRollout {
    #[run(name = "Rollout")]
    pub async fn run(_ctx: &mut WorkflowContext<Self>, _input: Value) -> WorkflowResult<String> {
        Ok("rolled out by the other version".to_owned())
    }
}

impl Preview {
    /// Has the other version start a rollout with this input on the task queue of today's worker.
    pub async fn start_rollout_by_other_version(&self, rollout: Value) {
        let start = json!({ "rollout": rollout, "task_queue": self.task_queue });
        let queue = format!("{}-other", self.task_queue);
        let options = WorkflowStartOptions::new(queue.clone(), self.input.workflow_id()).build();
        self.client.start_workflow(OtherVersion::run, start, options).await.unwrap();
        self.while_other_version_polls(&queue, async {
            while self.rollout(1).describe(Default::default()).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Has the other version take the rollout's tasks, until it has ended. Returns its result.
    pub async fn end_rollout_by_other_version(&self) -> String {
        let id = format!("{}-rollout-1", self.input.workflow_id());
        let handle: WorkflowHandle<_, OtherRollout> = self.client.get_workflow_handle(id);
        let result = handle.get_result(WorkflowGetResultOptions::default());
        self.while_other_version_polls(&self.task_queue, result).await.unwrap()
    }

    /// Has the other version continue as new with this input. Today's worker gets the next run.
    pub async fn continue_from_other_version(&self, next: Value) {
        let start = json!({ "next": next, "task_queue": self.task_queue });
        let queue = format!("{}-other", self.task_queue);
        let options = WorkflowStartOptions::new(queue.clone(), self.input.workflow_id()).build();
        let first = self.client.start_workflow(OtherVersion::run, start, options).await.unwrap();
        let first_run = first.info().run_id.clone().unwrap();
        self.while_other_version_polls(&queue, async {
            while self.handle().describe(Default::default()).await.unwrap().run_id() == first_run {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Has the other version take the environment's tasks, until its workflow has ended. Returns the result.
    pub async fn end_by_other_version(&self) -> String {
        let handle: WorkflowHandle<_, OtherVersion> = self.client.get_workflow_handle(self.input.workflow_id());
        let result = handle.get_result(WorkflowGetResultOptions::default());
        self.while_other_version_polls(&self.task_queue, result).await.unwrap()
    }

    async fn while_other_version_polls<T>(&self, task_queue: &str, until: impl Future<Output = T>) -> T {
        let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
        let options = WorkerOptions::new(task_queue).register_workflow::<OtherVersion>().unwrap();
        let options = options.register_workflow::<OtherRollout>().unwrap();
        let mut worker = Worker::new(&runtime, self.client.clone(), options.build()).unwrap();
        tokio::select! {
            ended = worker.run() => panic!("the worker ended: {ended:?}"),
            ended = tokio::time::timeout(PATIENCE, until) => ended.unwrap(),
        }
    }
}

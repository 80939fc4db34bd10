//! Production on a real dev server: its workflow, a worker with fake activities, and the messages that it takes.

use std::{future::Future, sync::Arc};

use berth_workflows::{
    contract::{
        production::{ApproveRelease, Freeze, Production as Input, Rollback, Unfreeze},
        production_answer::ProductionAnswer,
        production_record::ProductionRecord,
        production_status::ProductionStatus,
        release::Name,
        signals::{Push, RestoredByHand},
    },
    production_environment::ProductionEnvironment,
    rollout::Rollout,
};
use serde_json::Value;
use temporalio_client::{
    Client, UntypedSignal, UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions, WorkflowHandle,
    WorkflowQueryOptions, WorkflowSignalOptions, WorkflowStartOptions, WorkflowTerminateOptions, tonic::Request,
};
use temporalio_common::{
    HasWorkflowDefinition, UpdateDefinition,
    data_converters::RawValue,
    protos::temporal::api::{
        common::v1::{Payload, WorkflowExecution},
        enums::v1::EventType,
        workflowservice::v1::ResetWorkflowExecutionRequest,
    },
};
use tokio::task::JoinHandle;

use crate::{
    fake_activities::World,
    histories,
    preview::{connect, run_worker, until_admitted, until_status, update_options},
    worker_switch::WorkerSwitch,
};

pub use crate::preview::push;

/// Production of an app on a real dev server, with a worker of its own.
pub struct Production {
    pub client: Client,
    pub world: Arc<World>,
    pub input: Input,
    pub task_queue: String,
    /// `host:port` of the server, for other clients of it.
    pub address: String,
    pub worker: WorkerSwitch,
}

/// Runs a test against a worker with fake activities. `app` must be unique among the tests of this binary.
pub async fn production<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Production) -> F) {
    let (client, address) = connect().await;
    let world = Arc::new(World::default());
    let task_queue = format!("test-{app}");
    let (worker, switched) = WorkerSwitch::new();
    let production = Production {
        client: client.clone(),
        world: world.clone(),
        input: Input::new(app),
        task_queue: task_queue.clone(),
        address,
        worker,
    };
    production.start().await;
    run_worker(&client, &world, &task_queue, switched, Box::pin(test(production))).await;
}

/// A push with a sequence.
pub fn numbered(digit: char, sequence: u64) -> Push {
    Push { sequence: Some(sequence), ..push(digit) }
}

/// An input in plain JSON.
fn json(input: &Value) -> RawValue {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: serde_json::to_vec(input).unwrap(),
        ..Default::default()
    };
    RawValue::new(vec![payload])
}

/// A name, as callers give it.
pub fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

impl Production {
    /// The environment's workflow.
    pub fn handle(&self) -> WorkflowHandle<Client, ProductionEnvironment> {
        self.client.get_workflow_handle(self.input.workflow_id())
    }

    /// The rollout of that number.
    pub fn rollout(&self, number: u64) -> WorkflowHandle<Client, Rollout> {
        self.client.get_workflow_handle(format!("{}-rollout-{number}", self.input.workflow_id()))
    }

    /// Starts the workflow.
    pub async fn start(&self) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        self.client.start_workflow(ProductionEnvironment::run, self.input.clone().into(), options).await.unwrap();
    }

    /// Terminates the workflow, and starts it again.
    pub async fn terminate_and_start(&self) {
        self.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
        self.start().await;
    }

    /// Resets the workflow to its first task. The server delivers all its messages again.
    pub async fn reset(&self) {
        let events = self.handle().fetch_history(Default::default()).into_events().await.unwrap();
        let first = events.iter().find(|event| event.event_type() == EventType::WorkflowTaskCompleted).unwrap();
        let reset = ResetWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: self.input.workflow_id(),
                run_id: String::new(),
            }),
            workflow_task_finish_event_id: first.event_id,
            request_id: format!("reset-{}", self.input.app),
            ..Default::default()
        };
        let mut service = self.client.connection().workflow_service();
        service.reset_workflow_execution(Request::new(reset)).await.unwrap();
    }

    /// Sends the update `release`.
    pub async fn release(&self, push: Push) -> ProductionAnswer {
        self.update(ProductionEnvironment::answer_release, push.into()).await
    }

    /// Signals `release`.
    pub async fn signal_release(&self, push: Push) {
        let options = WorkflowSignalOptions::default();
        self.handle().signal(ProductionEnvironment::release, push.into(), options).await.unwrap();
    }

    /// Signals `restored`, as a worker does that has found a restore in the record.
    pub async fn signal_restored(&self) {
        let options = WorkflowSignalOptions::default();
        let restored = RestoredByHand::default().into();
        self.handle().signal(ProductionEnvironment::restored, restored, options).await.unwrap();
    }

    /// Sends the update `approve`.
    pub async fn approve(&self, release: u64, plan: &str) -> ProductionAnswer {
        let approve = ApproveRelease { release, plan: plan.to_owned(), by: name("lead"), proof: None };
        self.update(ProductionEnvironment::answer_approve, approve.into()).await
    }

    /// Sends the update `rollback`.
    pub async fn rollback(&self, to: Option<u64>) -> ProductionAnswer {
        let rollback = Rollback { to, by: name("ops"), reason: None, secrets: None, keep_going: false, proof: None };
        self.update(ProductionEnvironment::answer_rollback, rollback.into()).await
    }

    /// Sends the update `freeze`.
    pub async fn freeze(&self) -> ProductionAnswer {
        let freeze = Freeze { reason: name("incident"), by: name("ops"), proof: None };
        self.update(ProductionEnvironment::answer_freeze, freeze.into()).await
    }

    /// Sends the update `unfreeze`.
    pub async fn unfreeze(&self) -> ProductionAnswer {
        let unfreeze = Unfreeze { by: name("ops"), proof: None };
        self.update(ProductionEnvironment::answer_unfreeze, unfreeze.into()).await
    }

    async fn update<U>(&self, update: U, input: U::Input) -> ProductionAnswer
    where
        U: UpdateDefinition<
                Workflow = <ProductionEnvironment as HasWorkflowDefinition>::Run,
                Output = ProductionAnswer,
            >,
        U::Input: Send,
    {
        let options = WorkflowExecuteUpdateOptions::default();
        self.handle().execute_update(update, input, options).await.unwrap()
    }

    /// Sends a signal as a person does, in plain JSON.
    pub async fn signal(&self, name: &str, input: &Value) {
        let handle = self.client.get_workflow_handle::<UntypedWorkflow>(self.input.workflow_id());
        handle.signal(UntypedSignal::new(name), json(input), WorkflowSignalOptions::default()).await.unwrap();
    }

    /// Sends an update in plain JSON, and waits until the server has it. The answer follows once a worker runs.
    pub async fn begin_update(&self, name: &str, input: &Value) -> JoinHandle<ProductionAnswer> {
        let handle = self.client.get_workflow_handle::<UntypedWorkflow>(self.input.workflow_id());
        let (update, input, options) = (UntypedUpdate::new(name), json(input), update_options());
        let update_id = options.update_id.clone().unwrap_or_default();
        let answer = tokio::spawn(async move {
            let answer = handle.execute_update(update, input, options).await.unwrap();
            serde_json::from_slice(&answer.payloads[0].data).unwrap()
        });
        until_admitted(&self.client, self.input.workflow_id(), update_id).await;
        answer
    }

    /// The record in the namespace.
    pub fn record(&self) -> ProductionRecord {
        self.world.recalled.lock().unwrap().record.clone().unwrap_or_default()
    }

    /// The answer of the query `status`.
    pub async fn status(&self) -> ProductionStatus {
        self.handle().query(ProductionEnvironment::status, (), WorkflowQueryOptions::default()).await.unwrap()
    }

    /// Waits until the status meets the condition, and returns it.
    pub async fn until(&self, what: &str, is_so: impl FnMut(&ProductionStatus) -> bool) -> ProductionStatus {
        until_status(&format!("{what} at {}", self.address), || self.status(), is_so).await
    }

    /// Waits until the release of that number serves, and nothing is in flight.
    pub async fn until_serves(&self, release: u64) -> ProductionStatus {
        let serves =
            |s: &ProductionStatus| s.serving.as_ref().and_then(|serving| serving.release.number) == Some(release);
        self.until(&format!("serving release {release}"), |s| serves(s) && s.rolling_out.is_none()).await
    }

    /// Records the history of production, and of one rollout, if `BERTH_RECORD_HISTORIES` names a folder.
    pub async fn record_history(&self, name: &str, rollout: Option<u64>) {
        let run = self.handle().describe(Default::default()).await.unwrap().run_id().to_owned();
        self.record_run(name, run).await;
        if let Some(number) = rollout {
            histories::record(&format!("rollout-production-{name}"), &self.rollout(number)).await;
        }
    }

    /// Records the history of one run of production.
    pub async fn record_run(&self, name: &str, run: String) {
        let mut info = self.handle().info().clone();
        info.run_id = Some(run);
        histories::record(&format!("production-{name}"), &info.bind_untyped(self.client.clone())).await;
    }

    /// Waits until an activity was called that many times.
    pub async fn until_called(&self, activity: &str, times: usize) {
        self.world.until_called(activity, times).await;
    }
}

//! A preview on a real dev server: its workflow, a worker with fake activities, and the messages that it takes.

use std::{
    fmt::Debug,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use berth_lab::DevServer;
use berth_workflows::{
    contract::{
        command::CommentSignal,
        environment::PullRequest,
        pull_request::{PullRequestFacts, PullRequestState, Timestamp},
        release::{Commit, Image},
        search_attributes,
        signals::{Close, CloseAnswer, ConfirmClosed, DeployAnswer, Push, Redeploy},
        status::Status,
        timings::StartTimings,
    },
    final_report::{FinalReport, final_report_id},
    preview_environment::PreviewEnvironment,
    register_workflows,
    rollout::Rollout,
};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowExecuteUpdateOptions, WorkflowHandle,
    WorkflowQueryOptions, WorkflowSignalOptions, WorkflowStartOptions, tonic::Request,
};
use temporalio_common::{
    HasWorkflowDefinition, UpdateDefinition,
    protos::temporal::api::{
        common::v1::WorkflowExecution, enums::v1::IndexedValueType, operatorservice::v1::AddSearchAttributesRequest,
        update::v1::UpdateRef, workflowservice::v1::PollWorkflowExecutionUpdateRequest,
    },
};
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};
use tokio::task::JoinHandle;

pub use crate::fake_activities::{Does, PATIENCE};
use crate::{
    fake_activities::{FakeActivities, World},
    fake_janitor::FakeJanitor,
    fake_production::FakeProduction,
    histories,
    until::{found_within, holds_within},
    worker_switch::{SwitchedWorker, WorkerSwitch},
};

/// The activities of a rollout, in their order.
pub const STEPS: [&str; 7] =
    ["load_app", "ensure_namespace", "sync_secrets", "apply_manifests", "await_rollout", "check_gates", "prune"];

/// A pull request on a real dev server, with a worker of its own.
pub struct Preview {
    pub client: Client,
    pub world: Arc<World>,
    pub input: PullRequest,
    pub task_queue: String,
    /// `host:port` of the server, for other clients of it.
    pub address: String,
    pub worker: WorkerSwitch,
}

/// Runs a test against a worker with fake activities. `app` must be unique among the tests of this binary.
pub async fn preview<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview) -> F) {
    let (client, address) = connect().await;
    let world = Arc::new(World::default());
    let task_queue = format!("test-{app}");
    let timings = StartTimings { teardown_retry_seconds: 1, ..StartTimings::default() };
    let input = PullRequest { timings, ..PullRequest::new(app, 1) };
    let (worker, switched) = WorkerSwitch::new();
    let test = test(Preview {
        client: client.clone(),
        world: world.clone(),
        input,
        task_queue: task_queue.clone(),
        address,
        worker,
    });
    run_worker(&client, &world, &task_queue, switched, Box::pin(test)).await;
}

/// Runs a test beside a worker with fake activities, which the test may stop and start.
pub(crate) async fn run_worker(
    client: &Client,
    world: &Arc<World>,
    task_queue: &str,
    switched: SwitchedWorker,
    test: impl Future<Output = ()>,
) {
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
    let new_worker = || {
        let options = register_workflows!(WorkerOptions::new(task_queue))
            .unwrap()
            .register_activities(FakeActivities(world.clone()))
            .register_activities(FakeProduction(world.clone()))
            .register_activities(FakeJanitor(world.clone()))
            .max_heartbeat_throttle_interval(Duration::from_millis(100))
            .graceful_shutdown_period(Duration::from_millis(100));
        Worker::new(&runtime, client.clone(), options.build()).unwrap()
    };
    tokio::select! {
        never = switched.run(new_worker) => never,
        () = test => {}
    }
}

/// Connects to the dev server of this process, which starts it at first. Returns also `host:port`, for other clients.
pub async fn connect() -> (Client, String) {
    static SERVER: OnceLock<DevServer> = OnceLock::new();
    static REGISTERED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let server = SERVER.get_or_init(|| DevServer::start().unwrap());
    let client = connect_to(&server.address).await;
    REGISTERED
        .get_or_init(async || {
            let indexed = |kind| if kind == "Int" { IndexedValueType::Int } else { IndexedValueType::Keyword };
            let all = search_attributes::ALL.map(|(name, kind)| (name.to_owned(), indexed(kind) as i32));
            let add = AddSearchAttributesRequest { namespace: "default".into(), search_attributes: all.into() };
            client.connection().operator_service().add_search_attributes(Request::new(add)).await.unwrap();
        })
        .await;
    (client, server.address.clone())
}

/// Connects to the Temporal server at `host:port`.
pub async fn connect_to(address: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let target = format!("http://{address}");
    let options = ConnectionOptions::new(target.parse::<temporalio_client::Url>().unwrap()).build();
    let connection = Connection::connect(options).await.unwrap();
    Client::new(connection, ClientOptions::new("default").build()).unwrap()
}

impl Preview {
    /// The environment's workflow.
    pub fn handle(&self) -> WorkflowHandle<Client, PreviewEnvironment> {
        self.client.get_workflow_handle(self.input.workflow_id())
    }

    /// The rollout of that number.
    pub fn rollout(&self, number: u64) -> WorkflowHandle<Client, Rollout> {
        self.client.get_workflow_handle(format!("{}-rollout-{number}", self.input.workflow_id()))
    }

    /// Signals `push`, and starts the environment if it does not run.
    pub async fn push(&self, push: Push) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        let start = PreviewEnvironment::run;
        let signal = PreviewEnvironment::push;
        let input = self.input.clone().into();
        self.client.signal_with_start_workflow(start, input, signal, push.into(), options).await.unwrap();
    }

    /// Signals `pull_request`, and starts the environment if it does not run.
    pub async fn facts_with_start(&self, facts: PullRequestFacts) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        let (start, signal) = (PreviewEnvironment::run, PreviewEnvironment::pull_request);
        let input = self.input.clone().into();
        self.client.signal_with_start_workflow(start, input, signal, facts.into(), options).await.unwrap();
    }

    /// Signals `pull_request`.
    pub async fn facts(&self, facts: PullRequestFacts) {
        let options = WorkflowSignalOptions::default();
        self.handle().signal(PreviewEnvironment::pull_request, facts.into(), options).await.unwrap();
    }

    /// Signals `confirm_closed`.
    pub async fn confirm_closed(&self) {
        let (signal, options) = (PreviewEnvironment::confirm_closed, WorkflowSignalOptions::default());
        self.handle().signal(signal, ConfirmClosed {}.into(), options).await.unwrap();
    }

    /// Signals `command` with the id of a comment.
    pub async fn comment(&self, comment: u64) {
        let signal = CommentSignal { comment, app: None };
        let options = WorkflowSignalOptions::default();
        self.handle().signal(PreviewEnvironment::command, signal.into(), options).await.unwrap();
    }

    /// Starts the environment without a message.
    pub async fn start(&self) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        self.client.start_workflow(PreviewEnvironment::run, self.input.clone().into(), options).await.unwrap();
    }

    /// Sends the update `deploy`, and waits until the server has it. The answer follows once a worker runs.
    pub async fn begin_deploy(&self, push: Push) -> JoinHandle<DeployAnswer> {
        self.begin_update(PreviewEnvironment::deploy, push.into()).await
    }

    /// Sends the update `close`, as [`Preview::begin_deploy`].
    pub async fn begin_close(&self, close: Close) -> JoinHandle<CloseAnswer> {
        self.begin_update(PreviewEnvironment::request_close, close.into()).await
    }

    async fn begin_update<U>(&self, update: U, input: U::Input) -> JoinHandle<U::Output>
    where
        U: UpdateDefinition<Workflow = <PreviewEnvironment as HasWorkflowDefinition>::Run> + Send + 'static,
        U::Input: Send,
        U::Output: Send + Sync + 'static,
    {
        let (handle, options) = (self.handle(), update_options());
        let update_id = options.update_id.clone().unwrap_or_default();
        let answer = tokio::spawn(async move { handle.execute_update(update, input, options).await.unwrap() });
        until_admitted(&self.client, self.input.workflow_id(), update_id).await;
        answer
    }

    /// Sends the update `deploy`, and returns its answer.
    pub async fn deploy(&self, push: Push) -> DeployAnswer {
        let options = WorkflowExecuteUpdateOptions::default();
        self.handle().execute_update(PreviewEnvironment::deploy, push.into(), options).await.unwrap()
    }

    /// Signals `redeploy`.
    pub async fn redeploy(&self) {
        let options = WorkflowSignalOptions::default();
        self.handle().signal(PreviewEnvironment::redeploy, Redeploy::default().into(), options).await.unwrap();
    }

    /// Signals `close`.
    pub async fn close(&self) {
        self.close_with(Close::default()).await;
    }

    /// Signals `close` with a sequence.
    pub async fn close_with(&self, close: Close) {
        self.handle().signal(PreviewEnvironment::close, close.into(), WorkflowSignalOptions::default()).await.unwrap();
    }

    /// Signals `close` with a sequence, and starts the environment if it does not run.
    pub async fn close_with_start(&self, close: Close) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        let (start, signal) = (PreviewEnvironment::run, PreviewEnvironment::close);
        let input = self.input.clone().into();
        self.client.signal_with_start_workflow(start, input, signal, close.into(), options).await.unwrap();
    }

    /// The answer of the query `status`.
    pub async fn status(&self) -> Status {
        self.handle().query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await.unwrap()
    }

    /// Waits until the status meets the condition, and returns it.
    pub async fn until(&self, what: &str, is_so: impl FnMut(&Status) -> bool) -> Status {
        until_status(&format!("{what} at {}", self.address), || self.status(), is_so).await
    }

    /// Records the histories of the environment and of one rollout, if `BERTH_RECORD_HISTORIES` names a folder.
    pub async fn record(&self, name: &str, rollout: Option<u64>) {
        histories::record(&format!("environment-{name}"), &self.handle()).await;
        if let Some(number) = rollout {
            histories::record(&format!("rollout-{name}"), &self.rollout(number)).await;
        }
    }

    /// Records the history of the last report, as [`Preview::record`].
    pub async fn record_last_report(&self) {
        let id = final_report_id(&self.input.workflow_id());
        histories::record("final-report", &self.client.get_workflow_handle::<FinalReport>(id)).await;
    }

    /// Waits until an activity was called that many times.
    pub async fn until_called(&self, activity: &str, times: usize) {
        self.world.until_called(activity, times).await;
    }
}

/// Asks for the status until it meets the condition, and returns it.
pub(crate) async fn until_status<S: Debug>(
    what: &str,
    ask: impl AsyncFn() -> S,
    mut is_so: impl FnMut(&S) -> bool,
) -> S {
    let mut last = None;
    let look = async || {
        let status = ask().await;
        if is_so(&status) {
            return Some(status);
        }
        last = Some(status);
        None
    };
    found_within(PATIENCE, look).await.unwrap_or_else(|| panic!("never {what}: {last:#?}"))
}

/// Waits until the server has an update. The answer follows once a worker runs.
pub(crate) async fn until_admitted(client: &Client, workflow_id: String, update_id: String) {
    let execution = WorkflowExecution { workflow_id, run_id: String::new() };
    let poll = PollWorkflowExecutionUpdateRequest {
        namespace: "default".into(),
        update_ref: Some(UpdateRef { workflow_execution: Some(execution), update_id }),
        ..Default::default()
    };
    let mut service = client.connection().workflow_service();
    let is_admitted = async || service.poll_workflow_execution_update(Request::new(poll.clone())).await.is_ok();
    assert!(holds_within(PATIENCE, is_admitted).await, "the server never has the update");
}

/// Options of an update with an id of its own.
pub(crate) fn update_options() -> WorkflowExecuteUpdateOptions {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("update-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    WorkflowExecuteUpdateOptions::builder().update_id(id).build()
}

/// A push of the commit that consists of one digit.
pub fn push(digit: char) -> Push {
    Push::new(commit(digit), Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap())
}

/// Facts of an open pull request at the second of a minute, with the head that consists of one digit.
pub fn facts(head: char, second: u32) -> PullRequestFacts {
    PullRequestFacts {
        head: commit(head),
        state: PullRequestState::Open,
        draft: false,
        fork: false,
        labels: Vec::new(),
        locked: false,
        author: None,
        updated_at: Timestamp::try_from(format!("2026-11-28T07:15:{second:02}Z")).unwrap(),
        asked: false,
        ignored: Vec::new(),
    }
}

/// The same of a closed one.
pub fn closed(head: char, second: u32) -> PullRequestFacts {
    PullRequestFacts { state: PullRequestState::Closed, ..facts(head, second) }
}

/// The commit that consists of one digit.
pub fn commit(digit: char) -> Commit {
    Commit::try_from(digit.to_string().repeat(40)).unwrap()
}

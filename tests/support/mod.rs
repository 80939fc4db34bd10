//! What the tests of workflows share: a real dev server, a worker with fake activities, and names for what they do.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use berth_lab::DevServer;
use berth_workflows::{
    activity_definitions::{
        self as definitions, Applied, ApplyInput, AwaitInput, CheckGatesInput, DeleteInput, GatesChecked, LeakReport,
        LoadAppInput, LoadedApp, NamespaceReady, Outcome, Plan, PruneInput, Pruned, Remaining, SyncedSecrets, Workload,
    },
    environment::{Environment, PullRequest, Timings},
    mailbox::Push,
    preview_environment::PreviewEnvironment,
    release::{Commit, Image},
    rollout::Rollout,
    search_attributes,
    status::Status,
    verdict::{FailureType, Verdict},
};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowHandle, WorkflowQueryOptions, WorkflowSignalOptions,
    WorkflowStartOptions, tonic::Request,
};
use temporalio_common::{
    error::ApplicationFailure,
    protos::temporal::api::{enums::v1::IndexedValueType, operatorservice::v1::AddSearchAttributesRequest},
};
use temporalio_macros::activities;
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityContext, ActivityError},
    runtime::RuntimeOptions,
};

/// How long a test waits for what should take well under a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a fake activity does the next time it is called.
#[derive(Debug, Clone)]
pub enum Does {
    /// Waits, heartbeating, until it is cancelled.
    Hang,
    /// Fails for good.
    Fail(FailureType),
    /// Ends with a verdict: `await_rollout` and `check_gates` only.
    Verdict(FailureType),
    /// Leaves something: `delete_environment` only.
    Leave(&'static str),
}

/// The world that the fake activities act on: what they were called for, in order, and what they are to do.
#[derive(Default)]
pub struct World {
    calls: Mutex<Vec<String>>,
    orders: Mutex<BTreeMap<&'static str, VecDeque<Does>>>,
}

impl World {
    /// The next call of that activity does this; later ones succeed.
    pub fn next(&self, activity: &'static str, does: Does) {
        self.orders.lock().unwrap().entry(activity).or_default().push_back(does);
    }

    /// Every call so far, as `activity what`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// How often an activity was called.
    pub fn count(&self, activity: &str) -> usize {
        self.calls().iter().filter(|call| call.starts_with(activity)).count()
    }

    async fn act(
        &self,
        ctx: &ActivityContext,
        activity: &'static str,
        what: &str,
    ) -> Result<Option<Does>, ActivityError> {
        self.calls.lock().unwrap().push(format!("{activity} {what}"));
        let order = self.orders.lock().unwrap().get_mut(activity).and_then(VecDeque::pop_front);
        match order {
            Some(Does::Hang) => {
                let mut beat = tokio::time::interval(Duration::from_millis(100));
                loop {
                    tokio::select! {
                        () = ctx.cancelled() => {
                            self.calls.lock().unwrap().push(format!("{activity} cancelled"));
                            return Err(ActivityError::cancelled());
                        }
                        _ = beat.tick() => ctx.record_heartbeat("hanging").await?,
                    }
                }
            }
            Some(Does::Fail(failure)) => Err(ApplicationFailure::builder(anyhow::anyhow!("{failure}: as ordered"))
                .type_name(failure.name().to_owned())
                .non_retryable(true) // The test has asked for it once.
                .build()
                .into()),
            other => Ok(other),
        }
    }
}

fn outcome(does: Option<Does>) -> Outcome {
    match does {
        Some(Does::Verdict(failure)) => {
            let mut verdict = Verdict::new(failure, "as ordered").advise("fix it");
            verdict.workload = Some("Deployment/web".into());
            Outcome::Failed { verdict }
        }
        _ => Outcome::Complete,
    }
}

/// The smallest double that a workflow can run against.
pub struct FakeActivities(pub Arc<World>);

#[activities]
impl FakeActivities {
    #[activity(definition = definitions::LoadApp)]
    pub async fn load_app(
        self: Arc<Self>,
        ctx: ActivityContext,
        load: LoadAppInput,
    ) -> Result<LoadedApp, ActivityError> {
        self.0.act(&ctx, "load_app", &load.workflow_id).await?;
        let pr = load.pr.unwrap_or_default();
        let environment = Environment {
            app: load.app,
            pr: load.pr,
            workflow_id: load.workflow_id,
            namespace: format!("pr-{pr}"),
            host: format!("pr-{pr}.example.com"),
            temporal_ui_host: Some(format!("pr-{pr}-temporal.example.com")),
            namespace_uid: None,
            cluster_objects: Vec::new(),
            scheme: "https".into(),
        };
        Ok(LoadedApp { environment, content_hash: "hash".into() })
    }

    #[activity(definition = definitions::EnsureNamespace)]
    pub async fn ensure_namespace(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<NamespaceReady, ActivityError> {
        self.0.act(&ctx, "ensure_namespace", &environment.namespace).await?;
        Ok(NamespaceReady { uid: "uid-1".into(), created: true })
    }

    #[activity(definition = definitions::SyncSecrets)]
    pub async fn sync_secrets(
        self: Arc<Self>,
        ctx: ActivityContext,
        environment: Environment,
    ) -> Result<SyncedSecrets, ActivityError> {
        self.0.act(&ctx, "sync_secrets", &environment.namespace).await?;
        Ok(SyncedSecrets {
            secret: "berth-secrets-1".into(),
            version: "1".into(),
            set_by_berth: vec!["TEMPORAL_SERVER_ADDRESS".into()],
            temporal_server_address: "web-temporal.pr-1.svc.cluster.local:7233".into(),
            temporal_server_address_from_doppler: false,
        })
    }

    #[activity(definition = definitions::ApplyManifests)]
    pub async fn apply_manifests(
        self: Arc<Self>,
        ctx: ActivityContext,
        apply: ApplyInput,
    ) -> Result<Applied, ActivityError> {
        let commit = apply.deploy.release.commit.short().to_owned();
        self.0.act(&ctx, "apply_manifests", &commit).await?;
        Ok(Applied {
            stored_release: format!("berth-release-{commit}"),
            plan: Plan { created: vec!["Deployment/web".into()], ..Plan::default() },
            workloads: vec![Workload { kind: "Deployment".into(), name: "web".into(), generation: 1 }],
        })
    }

    #[activity(definition = definitions::AwaitRollout)]
    pub async fn await_rollout(
        self: Arc<Self>,
        ctx: ActivityContext,
        wait: AwaitInput,
    ) -> Result<Outcome, ActivityError> {
        Ok(outcome(self.0.act(&ctx, "await_rollout", &wait.environment.namespace).await?))
    }

    #[activity(definition = definitions::CheckGates)]
    pub async fn check_gates(
        self: Arc<Self>,
        ctx: ActivityContext,
        check: CheckGatesInput,
    ) -> Result<GatesChecked, ActivityError> {
        let does = self.0.act(&ctx, "check_gates", &check.stored_release).await?;
        Ok(GatesChecked { gates: Vec::new(), outcome: outcome(does) })
    }

    #[activity(definition = definitions::Prune)]
    pub async fn prune(self: Arc<Self>, ctx: ActivityContext, prune: PruneInput) -> Result<Pruned, ActivityError> {
        let what = format!("{} keeping {}", prune.stored_release, prune.keep.join(" "));
        self.0.act(&ctx, "prune", &what).await?;
        Ok(Pruned::default())
    }

    #[activity(definition = definitions::DeleteEnvironment)]
    pub async fn delete_environment(
        self: Arc<Self>,
        ctx: ActivityContext,
        delete: DeleteInput,
    ) -> Result<LeakReport, ActivityError> {
        let namespace = delete.environment.namespace;
        Ok(match self.0.act(&ctx, "delete_environment", &namespace).await? {
            Some(Does::Leave(object)) => LeakReport {
                gone: Vec::new(),
                remaining: vec![Remaining {
                    object: object.into(),
                    reason: "finalizer example.com/stuck".into(),
                    command: format!("kubectl get {object}"),
                }],
            },
            _ => LeakReport { gone: vec![format!("Namespace/{namespace}")], remaining: Vec::new() },
        })
    }
}

/// One pull request on a real dev server, with a worker of its own.
pub struct Preview {
    pub client: Client,
    pub world: Arc<World>,
    pub input: PullRequest,
    pub task_queue: String,
}

/// Runs a test against a worker with fake activities. `app` must be unique among the tests of this binary.
pub async fn preview<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview) -> F) {
    let client = connect().await;
    let world = Arc::new(World::default());
    let task_queue = format!("test-{app}");
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
    let options = WorkerOptions::new(&task_queue)
        .register_workflow::<PreviewEnvironment>()
        .and_then(|options| options.register_workflow::<Rollout>())
        .unwrap()
        .register_activities(FakeActivities(world.clone()))
        .max_heartbeat_throttle_interval(Duration::from_millis(100));
    let mut worker = Worker::new(&runtime, client.clone(), options.build()).unwrap();
    let timings = Timings { teardown_retry_seconds: 1, ..Timings::default() };
    let input = PullRequest { timings, ..PullRequest::new(app, 1) };
    let test = test(Preview { client, world, input, task_queue });
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = test => {}
    }
}

async fn connect() -> Client {
    static SERVER: OnceLock<DevServer> = OnceLock::new();
    static REGISTERED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = SERVER.get_or_init(|| DevServer::start().unwrap());
    let target = format!("http://{}", server.address());
    let options = ConnectionOptions::new(target.parse::<temporalio_client::Url>().unwrap()).build();
    let connection = Connection::connect(options).await.unwrap();
    let client = Client::new(connection, ClientOptions::new("default").build()).unwrap();
    REGISTERED
        .get_or_init(async || {
            let indexed = |kind| if kind == "Int" { IndexedValueType::Int } else { IndexedValueType::Keyword };
            let all = search_attributes::ALL.map(|(name, kind)| (name.to_owned(), indexed(kind) as i32));
            let add = AddSearchAttributesRequest { namespace: "default".into(), search_attributes: all.into() };
            client.connection().operator_service().add_search_attributes(Request::new(add)).await.unwrap();
        })
        .await;
    client
}

impl Preview {
    /// The environment's workflow.
    pub fn handle(&self) -> WorkflowHandle<Client, PreviewEnvironment> {
        self.client.get_workflow_handle(self.input.workflow_id())
    }

    /// One of its rollouts.
    pub fn rollout(&self, number: u64) -> WorkflowHandle<Client, Rollout> {
        self.client.get_workflow_handle(format!("{}-rollout-{number}", self.input.workflow_id()))
    }

    /// Starts the environment if need be, and signals.
    pub async fn push(&self, push: Push) {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), self.input.workflow_id()).build();
        let start = PreviewEnvironment::run;
        let signal = PreviewEnvironment::push;
        let input = self.input.clone().into();
        self.client.signal_with_start_workflow(start, input, signal, push.into(), options).await.unwrap();
    }

    /// Signals `close`.
    pub async fn close(&self) {
        let close = berth_workflows::mailbox::Close::default();
        self.handle().signal(PreviewEnvironment::close, close.into(), WorkflowSignalOptions::default()).await.unwrap();
    }

    /// What the environment says of itself.
    pub async fn status(&self) -> Status {
        self.handle().query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await.unwrap()
    }

    /// Waits until the status is as it should be.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Status) -> bool) -> Status {
        let last = Mutex::new(None);
        let waiting = async {
            loop {
                let status = self.status().await;
                if is_so(&status) {
                    return status;
                }
                *last.lock().unwrap() = Some(status);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("never {what}: {:#?}", last.lock().unwrap()),
        }
    }

    /// Keeps the histories of the environment and of one rollout for `replay.rs`, if `BERTH_RECORD_HISTORIES` names a
    /// folder for them.
    pub async fn record(&self, name: &str, rollout: Option<u64>) {
        let Some(folder) = std::env::var_os("BERTH_RECORD_HISTORIES") else { return };
        let environment = self.handle().fetch_history(Default::default()).to_json().await.unwrap();
        std::fs::write(Path::new(&folder).join(format!("environment-{name}.json")), environment).unwrap();
        if let Some(number) = rollout {
            let rollout = self.rollout(number).fetch_history(Default::default()).to_json().await.unwrap();
            std::fs::write(Path::new(&folder).join(format!("rollout-{name}.json")), rollout).unwrap();
        }
    }

    /// Waits until an activity has been called that often.
    pub async fn until_called(&self, activity: &str, times: usize) {
        let waiting = async {
            while self.world.count(activity) < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{activity} was not called {times} times: {:#?}", self.world.calls()));
    }
}

/// A push of a commit that consists of one digit.
pub fn push(digit: char) -> Push {
    Push {
        commit: commit(digit),
        image: Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
        sequence: None,
        author: None,
        branch: None,
        fork: false,
        draft: false,
    }
}

/// A commit that consists of one digit.
pub fn commit(digit: char) -> Commit {
    Commit::try_from(digit.to_string().repeat(40)).unwrap()
}

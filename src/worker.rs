//! `berth worker`: connects, makes Temporal ready for berth, works until it is told to stop, and drains.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use berth_activities::{
    Activities, IngressAddress, Serve, Settings, database, janitor::JanitorActivities, kubernetes_client,
    proof::ProofKeys, secrets::DopplerReader,
};
use berth_workflows::{TASK_QUEUE, register_workflows};
use clap::{Args, ValueEnum};
use temporalio_common::telemetry::TelemetryOptions;
use temporalio_sdk::{
    WorkerOptions,
    runtime::{
        AutoscalingOptions, PollerBehavior,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use temporalio_sdk_core::{CoreRuntime, RuntimeOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::{exit, temporal};

mod claim;
mod forever;
mod forget;
mod github;
mod health;
mod metrics;
mod networks;
mod observe;
mod readiness;
mod sdk_metrics;
mod search_attributes;
mod workers;

use claim::Claim;
use forever::Forever;
use github::GithubArgs;
use health::{Endpoints, Health};
pub(crate) use health::{MetricsAddress, serve_beside};
use metrics::Metrics;
use networks::NetworkArgs;
use sdk_metrics::SdkMetrics;
use workers::Workers;

/// Run the worker: take workflows and activities from Temporal until SIGTERM or Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::PLAIN))]
pub(crate) struct Worker {
    /// The folder with the app files, their manifests beside them
    #[arg(long, env = "BERTH_APPS", value_name = "DIR")]
    apps: PathBuf,
    /// The Temporal task queue to poll
    #[arg(long, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    task_queue: String,
    /// berth's own Kubernetes namespace, with Doppler tokens, pull secrets and caches
    #[arg(long, env = "BERTH_NAMESPACE", default_value = "berth-system", value_name = "NAMESPACE")]
    berth_namespace: String,
    /// The worker's service account in that namespace, to which environments bind their role
    #[arg(long, env = "BERTH_SERVICE_ACCOUNT", default_value = "berth", value_name = "NAME")]
    service_account: String,
    /// The name of this installation, for clusters with several
    #[arg(long, env = "BERTH_INSTALLATION", default_value = "berth", value_name = "NAME")]
    installation: String,
    /// The namespace of the ingress controller: only it may send traffic into environments
    #[arg(long, env = "BERTH_INGRESS_NAMESPACE", default_value = "ingress-nginx", value_name = "NAMESPACE")]
    ingress_namespace: String,
    /// The address of the ingress controller as the worker reaches it, `host` or `host:port`, for gates through the Ingress. Without
    /// it they take the address in each Ingress's status
    #[arg(long, env = "BERTH_INGRESS_ADDRESS", value_name = "HOST[:PORT]")]
    ingress_address: Option<IngressAddress>,
    #[command(flatten)]
    networks: NetworkArgs,
    /// The scheme of environments' URLs
    #[arg(long, env = "BERTH_SCHEME", value_enum, default_value_t = Scheme::Https)]
    scheme: Scheme,
    /// The address of temporal-ui with its scheme, for links in reports on GitHub
    #[arg(long, env = "BERTH_TEMPORAL_UI", value_name = "URL")]
    temporal_ui: Option<String>,
    /// A YAML file with the database servers that previews share, each under the name that app files use: host, port, tls
    /// (`verify` or `disable`), `admin_secret` (in berth's namespace: `username`, `password`, `ca.crt`), and the number of
    /// connections for each environment
    #[arg(long, env = "BERTH_DATABASE_SERVERS", value_name = "FILE")]
    database_servers: Option<PathBuf>,
    /// The kinds of environments that this worker serves. It refuses to change one of another kind
    #[arg(long, env = "BERTH_SERVE", value_enum, value_delimiter = ',', value_name = "KINDS",
        default_values_t = [Served::Previews, Served::Production])]
    serve: Vec<Served>,
    /// A file with the public keys of `berth hooks`, which `berth hooks new-key` prints: base64, one per line. Without it, every
    /// message counts as a claim
    #[arg(long, env = "BERTH_PROOF_KEYS", value_name = "FILE")]
    proof_keys: Option<PathBuf>,
    /// The URL of Doppler's API
    #[arg(long, env = "DOPPLER_API_HOST", default_value = "https://api.doppler.com", value_name = "URL")]
    doppler_api_host: String,
    /// The number of workflows kept in memory. Each takes 20 to 60 KB; one that is not kept is replayed when it goes on
    #[arg(long, env = "BERTH_MAX_CACHED_WORKFLOWS", default_value_t = 5000, value_name = "N")]
    max_cached_workflows: usize,
    /// The number of activities that run at once. Most of them wait, for pods or for a namespace to go, and cost a few
    /// watches. With too few, a hundred stuck environments would hold up all the others
    #[arg(long, env = "BERTH_MAX_ACTIVITIES", default_value_t = 1000, value_name = "N")]
    max_activities: usize,
    /// How long activities may go on after SIGTERM, before another worker gets them. Keep it below the pod's
    /// terminationGracePeriodSeconds
    #[arg(long, env = "BERTH_DRAIN_SECONDS", default_value_t = 10, value_name = "SECONDS")]
    drain_seconds: u64,
    /// The address of /metrics (Prometheus), /healthz and /readyz, or `off`
    #[arg(long, env = "BERTH_METRICS_ADDRESS", default_value = "0.0.0.0:9090", value_name = "ADDRESS:PORT")]
    metrics_address: MetricsAddress,
    #[command(flatten)]
    github: GithubArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheme {
    Http,
    Https,
}

/// A kind of environment, as `--serve` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Served {
    Previews,
    Production,
}

impl Worker {
    /// Runs until SIGTERM or Ctrl-C, and then until running activities have ended or been handed back.
    ///
    /// # Errors
    /// The apps folder is missing, Kubernetes is not configured, or Temporal's namespace cannot be made ready.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let apps = berth_manifests::app::read_apps(&self.apps);
        apps.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
        let names: Vec<_> = apps.apps.iter().map(|app| app.app.as_str()).collect();
        let names = names.join(", ");
        let activities = self.activities().await?;

        let (health, metrics, sdk) = (Arc::<Health>::default(), Arc::new(Metrics::new()?), SdkMetrics::start()?);
        let endpoints = Endpoints { health: Arc::clone(&health), metrics: Arc::clone(&metrics), sdk: sdk.source };
        health::serve(self.metrics_address, endpoints).await;
        let kubernetes = activities.client.clone();

        let identity = format!("berth@{}:{}", hostname(), std::process::id());
        let client = temporal::connect_with_retry(&identity, sdk.client_meter).await?;
        let client = health.temporal.get_or_init(|| client).clone();
        readiness::await_ready(&client).await?;
        Health::set(&health.search_attributes);
        let claim = self.claim(&client, &kubernetes).await?;
        let is_claimed = claim.take().await?;

        let runtime = runtime(sdk.telemetry)?;
        let drain = Duration::from_secs(self.drain_seconds);
        let on_github = self.github.options(activities.settings.clone(), &self.task_queue, drain, &metrics)?;
        let workers = Workers::start(&runtime, &client, self.options(activities, &metrics)?, on_github)?;
        shut_down_on_signal(workers.shutdown_handle(), Arc::clone(&health));
        tracing::info!(task_queue = %self.task_queue, apps = %names, "Taking work from {}", self.task_queue);
        self.keep_running(&client, &kubernetes);
        let queue = self.task_queue.clone();
        tokio::spawn(async move {
            readiness::await_polling_and_kubernetes(&client, &queue, &identity, &kubernetes, &health).await;
            let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(milliseconds, "Ready after {milliseconds} ms");
        });
        tokio::select! {
            ended = workers.run() => ended?,
            refused = claim.keep_trying(), if !is_claimed => return Err(refused),
        }
        tracing::info!("Stopped");
        Ok(ExitCode::SUCCESS)
    }

    async fn claim(&self, temporal: &temporalio_client::Client, kubernetes: &kube::Client) -> anyhow::Result<Claim> {
        Ok(Claim {
            kubernetes: kubernetes.clone(),
            berth_namespace: self.berth_namespace.clone(),
            installation: self.installation.clone(),
            owner: claim::Namespace::of_client(temporal).await?,
        })
    }

    /// Keeps the workflows running that live for ever, as far as this worker serves them.
    fn keep_running(&self, temporal: &temporalio_client::Client, kubernetes: &kube::Client) {
        let forever = Forever {
            production: self.serve.contains(&Served::Production),
            janitors: self.serve.contains(&Served::Previews) && self.github.is_given(),
            temporal: temporal.clone(),
            kubernetes: kubernetes.clone(),
            installation: self.installation.clone(),
            apps: self.apps.clone(),
            task_queue: self.task_queue.clone(),
        };
        tokio::spawn(forever.keep_running());
    }

    async fn activities(&self) -> anyhow::Result<Activities> {
        anyhow::ensure!(self.apps.is_dir(), "{} is not a folder (--apps)", self.apps.display());
        let config = kube::Config::infer().await;
        let config = config.context("finding Kubernetes (KUBECONFIG, or from inside the cluster)")?;
        let client = kubernetes_client(config).context("configuring the Kubernetes client")?;
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let database_servers = match &self.database_servers {
            Some(file) => database::read_servers(file)?,
            None => database::Servers::default(),
        };
        let proof_keys = match &self.proof_keys {
            Some(file) => ProofKeys::read(file)?,
            None => ProofKeys::default(),
        };
        Ok(Activities {
            doppler: DopplerReader::new(&self.doppler_api_host)?,
            client,
            settings: Settings {
                apps: self.apps.clone(),
                berth_namespace: self.berth_namespace.clone(),
                service_account: self.service_account.clone(),
                installation: self.installation.clone(),
                ingress_namespace: self.ingress_namespace.clone(),
                ingress_address: self.ingress_address.clone(),
                networks: self.networks.networks(&database_servers),
                scheme: scheme.to_owned(),
                temporal_ui: self.temporal_ui.clone().filter(|address| !address.is_empty()),
                has_github_app: self.github.is_given(),
                database_servers,
                serve: Serve {
                    previews: self.serve.contains(&Served::Previews),
                    production: self.serve.contains(&Served::Production),
                },
                janitor_seconds: self.github.janitor_seconds,
                proof_keys,
            },
        })
    }

    fn options(&self, activities: Activities, metrics: &Arc<Metrics>) -> anyhow::Result<WorkerOptions> {
        // From 2 polls when idle to 50 in a burst: measured at twice the throughput of the fixed default.
        let pollers =
            || PollerBehavior::Autoscaling(AutoscalingOptions::builder().minimum(2).maximum(50).initial(5).build());
        let janitor = JanitorActivities { client: activities.client.clone(), settings: activities.settings.clone() };
        let options = register_workflows!(WorkerOptions::new(&self.task_queue))
            .map_err(|e| anyhow::anyhow!("{e}"))?
            .register_activities(janitor)
            .register_activities(activities)
            .workflow_interceptor(observe::workflow_observers(metrics))
            .activity_inbound_interceptor(observe::ActivityObserver(Arc::clone(metrics)))
            .workflow_task_poller_behavior(pollers())
            .activity_task_poller_behavior(pollers())
            .max_cached_workflows(self.max_cached_workflows)
            .tuner(slots(self.max_activities))
            // Shorter than the time between two heartbeats of an activity, so that each is sent at once. Its answer carries
            // the cancellation that a newer push waits for.
            .max_heartbeat_throttle_interval(Duration::from_millis(500))
            // After a worker's death its workflows wait this long before another worker gets them.
            .sticky_queue_schedule_to_start_timeout(Duration::from_secs(2))
            .graceful_shutdown_period(Duration::from_secs(self.drain_seconds));
        Ok(options.build())
    }
}

fn runtime(telemetry: TelemetryOptions) -> anyhow::Result<CoreRuntime> {
    let options = RuntimeOptions::builder().telemetry_options(telemetry).build();
    let options = options.map_err(anyhow::Error::msg).context("configuring Temporal's runtime")?;
    CoreRuntime::new_assume_tokio(options).context("starting Temporal's runtime")
}

/// The number of tasks of each kind that are worked on at once.
fn slots(activities: usize) -> TunerHolder {
    // The SDK's own default: a workflow task takes milliseconds.
    const OTHERS: usize = 100;
    let slots = FixedSizeSlotSupplier::new;
    TunerHolder::builder()
        .workflow_task_slot_supplier(slots(OTHERS))
        .activity_task_slot_supplier(slots(activities))
        .local_activity_task_slot_supplier(slots(OTHERS))
        .nexus_task_slot_supplier(slots(OTHERS))
        .build()
}

fn shut_down_on_signal(stop: impl Fn() + Send + 'static, health: Arc<Health>) {
    tokio::spawn(async move {
        shutdown_signal().await;
        tracing::info!("Stopping: no new work; running activities may end");
        Health::set(&health.stopping);
        stop();
    });
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn shutdown_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler SIGTERM ends the process at once; its work is picked up by another worker.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The host's name: in a pod, the pod's name.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

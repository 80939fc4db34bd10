//! `berth worker`: connect, see that Temporal is ready for berth, take work until told to stop, drain.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use berth_activities::{Activities, Settings, database, secrets::Secrets};
use berth_workflows::{TASK_QUEUE, register_workflows};
use clap::{Args, ValueEnum};
use temporalio_sdk::{
    Runtime, Worker as TemporalWorker, WorkerOptions,
    runtime::{
        AutoscalingOptions, PollerBehavior, RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::signal::unix::{SignalKind, signal};

use crate::temporal;

mod health;
mod metrics;
mod observe;
mod readiness;
mod sdk_metrics;

use health::{Health, MetricsAddress, Shown};
use metrics::Metrics;
use sdk_metrics::SdkMetrics;

/// Run the worker: take workflows and activities from Temporal until told to stop.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The folder with the app files, their manifests beside them.
    #[arg(long, env = "BERTH_APPS", value_name = "DIR")]
    apps: PathBuf,
    /// The Temporal task queue to take work from.
    #[arg(long, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    task_queue: String,
    /// The Kubernetes namespace berth lives in: Doppler tokens, pull secrets and caches are there.
    #[arg(long, env = "BERTH_NAMESPACE", default_value = "berth-system", value_name = "NAMESPACE")]
    berth_namespace: String,
    /// The worker's service account in that namespace, which environments bind their role to.
    #[arg(long, env = "BERTH_SERVICE_ACCOUNT", default_value = "berth", value_name = "NAME")]
    service_account: String,
    /// The name of this installation, where several share a cluster.
    #[arg(long, env = "BERTH_INSTALLATION", default_value = "berth", value_name = "NAME")]
    installation: String,
    /// The namespace of the ingress controller, which alone may send traffic into environments.
    #[arg(long, env = "BERTH_INGRESS_NAMESPACE", default_value = "ingress-nginx", value_name = "NAMESPACE")]
    ingress_namespace: String,
    /// How environments are reached from outside.
    #[arg(long, env = "BERTH_SCHEME", value_enum, default_value_t = Scheme::Https)]
    scheme: Scheme,
    /// A YAML file with the database servers that previews share, each under the name that app files call it by: host, port,
    /// tls (`verify` or `disable`), `admin_secret` (in berth's namespace: `username`, `password`, `ca.crt`), and how many
    /// connections an environment may hold.
    #[arg(long, env = "BERTH_DATABASE_SERVERS", value_name = "FILE")]
    database_servers: Option<PathBuf>,
    /// Doppler's API.
    #[arg(long, env = "DOPPLER_API_HOST", default_value = "https://api.doppler.com", value_name = "URL")]
    doppler_api_host: String,
    /// How many workflows are kept in memory; one costs some 20 to 60 KB, one that is not kept costs a replay.
    #[arg(long, env = "BERTH_MAX_CACHED_WORKFLOWS", default_value_t = 5000, value_name = "N")]
    max_cached_workflows: usize,
    /// How many activities run at once. Most of them wait, for pods or for a namespace to go, and cost a few watches: too
    /// few places, and a hundred environments that are stuck would hold up all the others.
    #[arg(long, env = "BERTH_MAX_ACTIVITIES", default_value_t = 1000, value_name = "N")]
    max_activities: usize,
    /// How long running activities may go on after SIGTERM, before they are handed to another worker. Keep it below the
    /// pod's terminationGracePeriodSeconds.
    #[arg(long, env = "BERTH_DRAIN_SECONDS", default_value_t = 10, value_name = "SECONDS")]
    drain_seconds: u64,
    /// Where /metrics (Prometheus), /healthz and /readyz are served, or `off`.
    #[arg(long, env = "BERTH_METRICS_ADDRESS", default_value = "0.0.0.0:9090", value_name = "ADDRESS:PORT")]
    metrics_address: MetricsAddress,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheme {
    Http,
    Https,
}

impl Worker {
    /// Runs until SIGTERM or Ctrl-C, and then until what is under way has ended or been handed back.
    ///
    /// # Errors
    /// The folder is not there, Kubernetes is not configured, or Temporal's namespace cannot be made ready.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let apps = berth_manifests::app::read_apps(&self.apps);
        apps.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
        let names: Vec<_> = apps.apps.iter().map(|app| app.app.as_str()).collect();
        let names = names.join(", ");
        let activities = self.activities().await?;

        let (health, metrics, sdk) = (Arc::<Health>::default(), Arc::new(Metrics::new()?), SdkMetrics::start()?);
        let shown = Shown { health: Arc::clone(&health), metrics: Arc::clone(&metrics), sdk: sdk.source };
        health::serve(self.metrics_address, shown).await;
        let kubernetes = activities.client.clone();

        let identity = format!("berth@{}:{}", hostname(), std::process::id());
        let client = temporal::connect_until_there(&identity, sdk.client_meter).await?;
        let client = health.temporal.get_or_init(|| client).clone();
        readiness::await_ready(&client).await?;
        Health::holds(&health.search_attributes);

        let runtime = RuntimeOptions::builder().telemetry_options(sdk.telemetry).build();
        let runtime = runtime.map_err(|e| anyhow::anyhow!("{e}")).context("configuring Temporal's runtime")?;
        let runtime = Runtime::from_current_tokio(runtime).context("starting Temporal's runtime")?;
        let options = self.options(activities, &metrics)?;
        let mut worker = TemporalWorker::new(&runtime, client.clone(), options)
            .map_err(|e| anyhow::anyhow!("{e}"))
            .context("starting the worker")?;
        stop_when_asked(worker.shutdown_handle(), Arc::clone(&health));
        tracing::info!(task_queue = %self.task_queue, apps = %names, "Taking work from {}", self.task_queue);
        let queue = self.task_queue.clone();
        tokio::spawn(async move {
            readiness::await_works(&client, &queue, &identity, &kubernetes, &health).await;
            let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(milliseconds, "Ready after {milliseconds} ms");
        });
        worker.run().await.map_err(|e| anyhow::anyhow!("{e}")).context("running the worker")?;
        tracing::info!("Stopped");
        Ok(ExitCode::SUCCESS)
    }

    async fn activities(&self) -> anyhow::Result<Activities> {
        anyhow::ensure!(self.apps.is_dir(), "{} is not a folder (--apps)", self.apps.display());
        let client =
            kube::Client::try_default().await.context("finding Kubernetes (KUBECONFIG, or from inside the cluster)")?;
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let database_servers = match &self.database_servers {
            Some(file) => database::read_servers(file)?,
            None => database::Servers::default(),
        };
        Ok(Activities {
            secrets: Secrets::new(&self.doppler_api_host)?,
            client,
            settings: Settings {
                apps: self.apps.clone(),
                berth_namespace: self.berth_namespace.clone(),
                service_account: self.service_account.clone(),
                installation: self.installation.clone(),
                ingress_namespace: self.ingress_namespace.clone(),
                scheme: scheme.to_owned(),
                database_servers,
            },
        })
    }

    fn options(&self, activities: Activities, metrics: &Arc<Metrics>) -> anyhow::Result<WorkerOptions> {
        // From 2 polls when idle to 50 in a burst; measured to double the throughput of the fixed default.
        let pollers =
            || PollerBehavior::Autoscaling(AutoscalingOptions::builder().minimum(2).maximum(50).initial(5).build());
        let options = register_workflows!(WorkerOptions::new(&self.task_queue))
            .map_err(|e| anyhow::anyhow!("{e}"))?
            .register_activities(activities)
            .workflow_interceptor(observe::workflows(metrics))
            .activity_inbound_interceptor(observe::OfActivities(Arc::clone(metrics)))
            .workflow_task_poller_behavior(pollers())
            .activity_task_poller_behavior(pollers())
            .max_cached_workflows(self.max_cached_workflows)
            .tuner(places(self.max_activities))
            // Less than activities leave between two heartbeats: each goes out at once, and its answer brings the
            // cancellation that a newer push waits for.
            .max_heartbeat_throttle_interval(Duration::from_millis(500))
            // After a worker's death its workflows wait this long for it before another one gets them.
            .sticky_queue_schedule_to_start_timeout(Duration::from_secs(2))
            .graceful_shutdown_period(Duration::from_secs(self.drain_seconds));
        Ok(options.build())
    }
}

/// How many tasks of each kind are worked on at once.
fn places(activities: usize) -> TunerHolder {
    // What the SDK has: a workflow task takes milliseconds.
    const OTHERS: usize = 100;
    let of = FixedSizeSlotSupplier::new;
    TunerHolder::builder()
        .workflow_task_slot_supplier(of(OTHERS))
        .activity_task_slot_supplier(of(activities))
        .local_activity_task_slot_supplier(of(OTHERS))
        .nexus_task_slot_supplier(of(OTHERS))
        .build()
}

fn stop_when_asked(stop: impl Fn() + Send + 'static, health: Arc<Health>) {
    tokio::spawn(async move {
        asked_to_stop().await;
        tracing::info!("Stopping: no new work, what is under way may end");
        Health::holds(&health.stopping);
        stop();
    });
}

async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler SIGTERM ends the process at once, which Temporal survives.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// In a pod, its name.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

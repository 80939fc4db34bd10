//! `berth hooks --serve`: flags, and the start of the process.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering},
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    http::{StatusCode, Uri},
    routing::post,
};
use berth_activities::proof::SigningKey;
use berth_workflows::TASK_QUEUE;
use clap::Args;
use tokio::net::TcpListener;

use super::{
    answer::Answer,
    api,
    apps::Apps,
    body::Bodies,
    health,
    kind::Kind,
    metrics::Metrics,
    server::{self, LINGER},
    signature::Secrets,
    state::Hooks,
    token::Tokens,
    webhook,
};
use crate::{
    temporal,
    worker::{MetricsAddress, hostname, shutdown_signal},
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The kind of environments to serve
    #[arg(long, env = "BERTH_HOOKS_SERVE", value_enum, value_name = "KIND", required = true)]
    serve: Kind,
    /// The folder with the app files
    #[arg(long, env = "BERTH_APPS", value_name = "DIR", required = true)]
    apps: PathBuf,
    /// The URL by which the internet reaches this process, without a path: the audience of tokens
    #[arg(long, env = "BERTH_HOOKS_URL", value_name = "URL", required = true)]
    public_url: String,
    /// A file with the private key that signs what is passed on: `berth hooks new-key` makes it
    #[arg(long, env = "BERTH_HOOKS_SIGNING_KEY_FILE", value_name = "FILE", required = true)]
    signing_key_file: PathBuf,
    /// A file with the webhook's secret; with two, one per line, while one is replaced. Without it no webhook is taken
    #[arg(long, env = "BERTH_HOOKS_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// The issuer of tokens. GitHub Enterprise Server: `https://HOST/_services/token`
    #[arg(
        long,
        env = "BERTH_HOOKS_OIDC_ISSUER",
        value_name = "URL",
        default_value = "https://token.actions.githubusercontent.com"
    )]
    oidc_issuer: String,
    /// The address to listen on, in plain HTTP: an ingress controller brings TLS
    #[arg(long, env = "BERTH_HOOKS_LISTEN", value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The Temporal task queue that the worker polls
    #[arg(long, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    task_queue: String,
    /// The address of temporal-ui with its scheme, for the link in answers
    #[arg(long, env = "BERTH_TEMPORAL_UI", value_name = "URL")]
    temporal_ui: Option<String>,
    /// The address of /metrics (Prometheus), /healthz and /readyz, or `off`. The internet must not reach it
    #[arg(long, env = "BERTH_METRICS_ADDRESS", default_value = "0.0.0.0:9090", value_name = "ADDRESS:PORT")]
    metrics_address: MetricsAddress,
}

impl Serve {
    /// Serves until some seconds after SIGTERM or Ctrl-C, and then until the requests in flight have their answers.
    ///
    /// # Errors
    /// A file or the apps folder cannot be read, an address is taken, or Temporal's configuration is wrong.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (listen, metrics_address) = (self.listen, self.metrics_address);
        let hooks = Arc::new(self.prepare()?);
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen} (--listen)"))?;
        health::serve(metrics_address, Arc::clone(&hooks)).await?;
        connect(&hooks);
        tokio::spawn(Arc::clone(&hooks.apps).keep_reading());
        let bound = listener.local_addr().unwrap_or(listen);
        tracing::info!(address = %bound, public_key = %hooks.signing_key.public_key(), "Taking requests on {bound}");
        let stopping = Arc::clone(&hooks);
        let stop = async move {
            shutdown_signal().await;
            stopping.is_stopping.store(true, Ordering::Relaxed);
            tracing::info!("Stopping: no longer ready; requests are taken for {LINGER:?}");
            tokio::time::sleep(LINGER).await;
            tracing::info!("Stopping: no new requests; those in flight get their answers");
        };
        server::serve(listener, router(hooks), stop).await;
        tracing::info!("Stopped");
        Ok(())
    }

    fn prepare(self) -> anyhow::Result<Hooks> {
        let public_url = self.public_url.trim_end_matches('/');
        let is_url = public_url.parse::<Uri>().is_ok_and(|url| url.scheme().is_some() && url.host().is_some());
        ensure!(is_url, "{public_url:?} is not a URL (--public-url)");
        let webhook_secrets = match &self.webhook_secret_file {
            Some(file) => Secrets::read(file)?,
            None => Secrets::default(),
        };
        let temporal_ui = self.temporal_ui.as_deref().map(|address| address.trim_end_matches('/').to_owned());
        Ok(Hooks {
            kind: self.serve,
            apps: Arc::new(Apps::read(self.apps)?),
            bodies: Bodies::default(),
            job_bodies: Bodies::default(),
            jobs: Hooks::room_for_jobs(),
            webhook_secrets,
            tokens: Tokens::new(&self.oidc_issuer, public_url)?,
            signing_key: SigningKey::read(&self.signing_key_file)?,
            task_queue: self.task_queue,
            temporal_ui: temporal_ui.filter(|address| !address.is_empty()),
            metrics: Metrics::new()?,
            connection: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
        })
    }
}

/// Connects to Temporal, for as long as it takes. Until then requests are answered with 503.
fn connect(hooks: &Arc<Hooks>) {
    let hooks = Arc::clone(hooks);
    tokio::spawn(async move {
        let identity = format!("berth-hooks@{}:{}", hostname(), std::process::id());
        match temporal::connect_with_retry(&identity, None).await {
            Ok(client) => {
                let client = hooks.connection.get_or_init(|| client);
                tracing::info!(temporal.namespace = %client.options().namespace, "Temporal has been reached");
            }
            Err(error) => tracing::error!("Temporal cannot be reached: {error:#}"),
        }
    });
}

fn router(hooks: Arc<Hooks>) -> Router {
    let nothing = async || Answer::refused(StatusCode::NOT_FOUND, "there is nothing at this path");
    Router::new()
        .route("/hooks/github", post(webhook::take))
        .merge(api::routes(hooks.kind))
        .fallback(nothing)
        .with_state(hooks)
}

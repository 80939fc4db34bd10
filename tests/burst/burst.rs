//! Many pull requests at once, compared with a bare client that applies the same objects on the same cluster.
//!
//! `cargo bench --bench burst` starts a lab of fake nodes, so that only the control plane, Temporal and berth are timed, all
//! on one machine. It then measures the idle worker, and closes everything.

#![expect(clippy::print_stdout, reason = "a benchmark is there to print")]

mod bare;
mod profile;
mod worker;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use berth_lab::Lab;
use berth_workflows::{
    contract::{
        environment::PullRequest,
        signals::{Close, Push},
    },
    preview_environment::PreviewEnvironment,
};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use profile::Profile;
use serde_json::json;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url, WorkflowCountOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowStartOptions,
};
use worker::Worker;

/// Open many pull requests at once, beside a bare client.
#[derive(Debug, Parser)]
struct Burst {
    /// How many pull requests are opened at once
    #[arg(long, default_value_t = 200)]
    environments: u64,
    /// How many fake nodes there are
    #[arg(long, default_value_t = 10)]
    nodes: u32,
    /// How long to look at the worker while nothing happens
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    idle: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The first pull request of the burst.
const FIRST: u64 = 1_000;
const TASK_QUEUE: &str = "burst";
/// More time than a working system needs.
const PATIENCE: Duration = Duration::from_secs(900);
const LOOKS: Duration = Duration::from_millis(500);
/// The number of requests in flight of a careful client.
const AT_ONCE: usize = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let burst = Burst::parse();
    rustls::crypto::ring::default_provider().install_default().ok().context("choosing the TLS provider")?;
    let lab = tokio::task::spawn_blocking(move || Lab::with_fake_nodes("burst", burst.nodes)).await??;
    let kubernetes = bare::connect(lab.kubeconfig()).await?;
    let temporal = connect(&lab).await?;
    let worker = Worker::start(&lab, TASK_QUEUE);
    let environments = Environments { temporal, image: lab.image("v1") };

    println!("worker: ready {} ms after its start", worker.ready_after()?.as_millis());
    // A first environment warms the caches. The bare client's objects are copied from it.
    environments.open(1..2).await?;
    let objects = bare::objects_of(&kubernetes, "pr-1").await?;
    let count = burst.environments;

    let profile = || Profile::now(&lab, worker.id());
    let begin = profile()?;
    let floor = bare::open(&kubernetes, &objects, count, AT_ONCE).await?;
    println!("bare client: {}", profile()?.since(&begin));
    bare::close(&kubernetes, count).await?;
    let begin = profile()?;
    let opened = environments.open(FIRST..FIRST + count).await?;
    println!("berth: {}", profile()?.since(&begin));
    println!(
        "events: {} of a rollout, {} of its environment",
        environments.events("-rollout-1").await?,
        environments.events("").await?
    );
    let per_minute = |took: Duration| count as f64 / took.as_secs_f64() * 60.0;
    println!(
        "{count} environments of {} objects at once: berth {:.1} s ({:.0} a minute), bare client {:.1} s ({:.0} a minute), \
         ratio {:.2}",
        objects.len(),
        opened.as_secs_f64(),
        per_minute(opened),
        floor.as_secs_f64(),
        per_minute(floor),
        floor.as_secs_f64() / opened.as_secs_f64(),
    );

    let idle = worker.watch_idle(&lab, Duration::from_secs(burst.idle)).await?;
    println!("with {} live and nothing happening: {idle}", count + 1);

    let closed = environments.close(FIRST..FIRST + count).await?;
    println!(
        "all {count} closed and verified gone after {:.1} s ({:.0} a minute)",
        closed.as_secs_f64(),
        per_minute(closed)
    );
    Ok(())
}

async fn connect(lab: &Lab) -> anyhow::Result<Client> {
    let target = format!("http://{}", lab.temporal_address()).parse::<Url>().context("Temporal's address")?;
    let connection = Connection::connect(ConnectionOptions::new(target).identity("burst").build()).await?;
    Ok(Client::new(connection, ClientOptions::new("default").build())?)
}

/// berth through Temporal, as its users see it.
struct Environments {
    temporal: Client,
    image: String,
}

impl Environments {
    /// Signals all pushes at once, and returns the time until all were live.
    async fn open(&self, numbers: std::ops::Range<u64>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let (from, to) = (numbers.start, numbers.end);
        stream::iter(numbers.map(|pr| self.push(pr))).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        let live = format!(
            "WorkflowType = 'PreviewEnvironment' AND BerthPhase = 'Live' AND BerthPullRequest >= {from} AND BerthPullRequest < {to}"
        );
        loop {
            let count = self.temporal.count_workflows(&live, WorkflowCountOptions::default()).await?.count() as u64;
            if count == to - from {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < PATIENCE, "{count} of {} are live", to - from);
            tokio::time::sleep(LOOKS).await; // The server counts beside its work.
        }
    }

    async fn push(&self, pr: u64) -> anyhow::Result<()> {
        let input = PullRequest::new("web", pr);
        let push: Push = serde_json::from_value(json!({"commit": format!("{pr:040}"), "image": self.image}))?;
        let options = WorkflowStartOptions::new(TASK_QUEUE, input.workflow_id()).build();
        let (run, signal) = (PreviewEnvironment::run, PreviewEnvironment::push);
        self.temporal.signal_with_start_workflow(run, input.into(), signal, push.into(), options).await?;
        Ok(())
    }

    /// The number of events in the history of the first environment's workflow, or of the child with that suffix.
    async fn events(&self, suffix: &str) -> anyhow::Result<usize> {
        let id = format!("{}{suffix}", PullRequest::new("web", FIRST).workflow_id());
        let handle = self.temporal.get_workflow_handle::<UntypedWorkflow>(id);
        Ok(handle.fetch_history(Default::default()).into_events().await?.len())
    }

    async fn close(&self, numbers: std::ops::Range<u64>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let all = numbers.map(|pr| self.close_one(pr));
        // All at once, since each only waits.
        futures::future::try_join_all(all).await?;
        Ok(begun.elapsed())
    }

    async fn close_one(&self, pr: u64) -> anyhow::Result<()> {
        let input = PullRequest::new("web", pr);
        let options = WorkflowStartOptions::new(TASK_QUEUE, input.workflow_id()).build();
        let (run, signal) = (PreviewEnvironment::run, PreviewEnvironment::close);
        let id = input.workflow_id();
        self.temporal.signal_with_start_workflow(run, input.into(), signal, Close::default().into(), options).await?;
        let handle: WorkflowHandle<_, PreviewEnvironment> = self.temporal.get_workflow_handle(id);
        let report = handle.get_result(WorkflowGetResultOptions::default()).await?;
        ensure!(report.remaining.is_empty(), "pull request {pr} left {:?}", report.remaining);
        Ok(())
    }
}

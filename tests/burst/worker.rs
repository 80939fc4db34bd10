//! The worker under load: its process, and its cost.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use berth_lab::Lab;

use crate::profile::processor_time;

/// A worker that is timed from its start.
pub(crate) struct Worker {
    worker: berth_test_support::Worker,
    started: Instant,
}

/// The cost of a worker while nothing happens.
pub(crate) struct Idle {
    resident_kib: u64,
    requests: usize,
    cpu: Duration,
    watched: Duration,
}

impl Worker {
    pub(crate) fn start(lab: &Lab, task_queue: &str) -> Self {
        let started = Instant::now();
        let worker = berth_test_support::Worker::start(lab, env!("CARGO_BIN_EXE_berth"), task_queue, |worker| {
            // The default log: a longer one costs time.
            worker.env_remove("BERTH_LOG");
        });
        Self { worker, started }
    }

    /// The time from its start until it takes work.
    pub(crate) fn ready_after(&self) -> anyhow::Result<Duration> {
        while !self.worker.is_ready() {
            ensure!(self.started.elapsed() < Duration::from_secs(60), "the worker does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(self.started.elapsed())
    }

    /// Measures it for a while without work.
    pub(crate) async fn watch_idle(&self, lab: &Lab, watched: Duration) -> anyhow::Result<Idle> {
        let (requests, cpu) = (requests(lab)?, self.cpu()?);
        tokio::time::sleep(watched).await;
        Ok(Idle {
            resident_kib: self.resident_kib()?,
            requests: self::requests(lab)? - requests,
            cpu: self.cpu()?.saturating_sub(cpu),
            watched,
        })
    }

    fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Its process's id.
    pub(crate) fn id(&self) -> u32 {
        self.worker.id()
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        processor_time(self.id())
    }
}

/// The number of the worker's requests that the API server has seen.
fn requests(lab: &Lab) -> anyhow::Result<usize> {
    let log = fs::read_to_string(lab.audit_log())?;
    Ok(log.lines().filter(|line| line.contains("\"username\":\"lab-worker\"")).count())
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.watched.as_secs_f64() / 60.0;
        write!(
            f,
            "worker {} MiB resident, {:.1} requests to the Kubernetes API a minute, {:.2} % of one core",
            self.resident_kib / 1024,
            self.requests as f64 / minutes,
            self.cpu.as_secs_f64() / self.watched.as_secs_f64() * 100.0,
        )
    }
}

//! The time of the image's worker from its start until it is ready.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    lab::Lab,
    machine::{
        ports,
        process::{self, MARK},
    },
};

/// Generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// The median time of some starts, outside the cluster: a kubelet reports whole seconds.
pub(super) fn median(berth: &Path, lab: &Lab, runs: usize) -> Result<Duration> {
    let mut times = (0..runs).map(|_| once(berth, lab)).collect::<Result<Vec<_>>>()?;
    times.sort();
    times.get(runs / 2).copied().context("starting the worker")
}

fn once(berth: &Path, lab: &Lab) -> Result<Duration> {
    let metrics = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free(Ipv4Addr::LOCALHOST.into())?);
    let log = berth.with_extension("log");
    let begun = Instant::now();
    let mut worker = Running(
        lab.worker(berth, "berth-lab-start")
            .env("BERTH_METRICS_ADDRESS", metrics.to_string())
            .env(MARK, "image")
            .stderr(File::create(&log)?)
            .spawn()
            .context("starting the worker")?,
    );
    while !is_ready(metrics) {
        if worker.0.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
            bail!("the worker was not ready:\n{}", process::tail(&log));
        }
        thread::sleep(Duration::from_millis(2));
    }
    let took = begun.elapsed();
    fs::remove_file(&log)?;
    Ok(took)
}

/// Whether the worker is ready, asked as a kubelet does.
fn is_ready(metrics: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(metrics)?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        process::kill(&mut self.0);
    }
}

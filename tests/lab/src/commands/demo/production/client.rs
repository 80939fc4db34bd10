//! A client that asks for the pages of production the whole time, through the ingress controller.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{
    site::{HOST, Site, UI_HOST, short},
    tally::{Seen, Tally},
};
use crate::machine::http;

/// The pause between an answer and the next request.
const EVERY: Duration = Duration::from_millis(50);
/// A visitor's patience. What takes longer counts as failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The client, with a thread for the web pod and one for the Temporal pod. Both end when this is dropped.
pub(super) struct Client {
    pub(super) web: Asker,
    pub(super) temporal: Asker,
}

impl Client {
    pub(super) fn start(site: &Site<'_>) -> Self {
        let ingress = site.ingress();
        Self {
            web: Asker::start(move || release(&get(ingress, HOST, "/api/version")?)),
            // Temporal's list of workflows: temporal-ui asks the server for it.
            temporal: Asker::start(move || {
                let list = get(ingress, UI_HOST, "/api/v1/namespaces/default/workflows")?;
                ensure!(list.contains("executions"), "no list of workflows: {list}");
                Ok("temporal-ui".to_owned())
            }),
        }
    }

    /// Both since a moment. Fails if a request to the web pod has failed.
    pub(super) fn since(&self, from: Instant) -> Result<String> {
        let (web, temporal) = (self.web.since(from), self.temporal.since(from));
        let seen = format!("web pod: {web}\nTemporal pod: {temporal}");
        let failed: Vec<_> = web.failures().filter_map(|seen| seen.result.as_ref().err().cloned()).collect();
        match failed.first() {
            None if web.requests() == 0 => bail!("no request was sent; {seen}"),
            None => Ok(seen),
            Some(first) => bail!("{} requests to the web pod failed, the first: {first}\n{seen}", failed.len()),
        }
    }
}

/// A thread that sends one request after the other.
pub(super) struct Asker {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    fn start(ask: impl Fn() -> Result<String> + Send + 'static) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (sink, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let result = ask().map_err(|error| format!("{error:#}"));
                let one = Seen { asked, ended: Instant::now(), result };
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                thread::sleep(EVERY);
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// The requests that were sent since a moment, and have ended.
    pub(super) fn since(&self, from: Instant) -> Tally {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Tally::new(seen.iter().filter(|seen| seen.asked >= from).cloned().collect())
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

fn get(ingress: SocketAddr, host: &str, path: &str) -> Result<String> {
    let answer = http::get_within(ANSWER_WITHIN, ingress, host, path)?;
    ensure!(answer.status == 200, "http://{host}{path} answered {}: {}", answer.status, answer.body.trim());
    Ok(answer.body)
}

/// The commit of an answer, or else the version: the image of the bad release does not know its commit.
fn release(answer: &str) -> Result<String> {
    let version: Value = serde_json::from_str(answer).with_context(|| format!("no version: {answer}"))?;
    let text = |field: &str| version[field].as_str().filter(|text| !text.is_empty());
    let commit = text("commit").filter(|commit| commit.len() >= 7).map(short);
    Ok(commit.or_else(|| text("version")).context("the answer names no release")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_of_a_commit_or_else_of_a_version() {
        assert_eq!(release(r#"{"commit":"4f2a9c1e6d0b","version":"full-v1"}"#).unwrap(), "4f2a9c1");
        assert_eq!(release(r#"{"commit":"","version":"v3"}"#).unwrap(), "v3");
        assert!(release("{}").is_err());
    }
}

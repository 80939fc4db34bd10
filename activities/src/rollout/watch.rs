//! Watches that keep a [`Snapshot`] current: one for each kind that is needed, without polling.

mod events;

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use berth_workflows::contract::apply::Workload;
use futures::{
    FutureExt, StreamExt,
    stream::{BoxStream, SelectAll},
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Event};
use kube::{
    Api, Client, Resource,
    runtime::watcher::{self, Config, Error},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::snapshot::{Snapshot, Store};
use crate::failure::Failure;
use events::{code, events};

/// The server-side end of a watch, in seconds. A silently broken connection is noticed five seconds later.
const WATCH_SECONDS: u32 = 55;
/// The time for which a refusal is retried. A fresh namespace answers 403 until its `RoleBinding` has propagated.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// A change of the snapshot that a watch reported.
pub(crate) type Update = Box<dyn FnOnce(&mut Snapshot) + Send>;

/// An event or error of a kind's watch.
struct WatchReport {
    kind: &'static str,
    update: Result<Update, Error>,
    /// True if it proves that berth may read the kind. The start of a paged list does not.
    allowed: bool,
}

/// The clock of one wait. It starts at the wall clock and then follows tokio's, so that a step of the wall clock moves
/// no deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    start_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the unix time in milliseconds.
    pub(crate) fn now_ms(self) -> u64 {
        self.at(self.elapsed())
    }

    /// Returns the unix time in milliseconds this long after the start.
    pub(crate) fn at(self, after: Duration) -> u64 {
        self.start_ms.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the instant of this unix time in milliseconds.
    pub(crate) fn instant(self, ms: u64) -> Instant {
        // A day exceeds every wait, and tokio's clock cannot represent `u64::MAX`.
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        self.start + Duration::from_millis(ms.saturating_sub(self.start_ms).min(DAY_MS))
    }
}

/// The watches of one namespace.
pub(crate) struct Watches {
    client: Client,
    namespace: String,
    reports: SelectAll<BoxStream<'static, WatchReport>>,
    /// The start of the API server's refusals, by kind.
    refused: BTreeMap<&'static str, Instant>,
    events: bool,
}

impl Watches {
    /// Opens the watches that judging these workloads needs.
    pub(crate) fn for_workloads(client: &Client, namespace: &str, workloads: &[Workload]) -> Self {
        let mut watches = Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            reports: SelectAll::new(),
            refused: BTreeMap::new(),
            events: false,
        };
        let has = |kind: &str| workloads.iter().any(|workload| workload.kind == kind);
        if has("Deployment") {
            watches.open("deployments", Config::default(), |snapshot| &mut snapshot.deployments);
            watches.open("replica sets", Config::default(), |snapshot| &mut snapshot.replica_sets);
        }
        if has("StatefulSet") {
            watches.open("stateful sets", Config::default(), |snapshot| &mut snapshot.stateful_sets);
        }
        if has("DaemonSet") {
            watches.open("daemon sets", Config::default(), |snapshot| &mut snapshot.daemon_sets);
        }
        if has("Job") {
            watches.open("jobs", Config::default(), |snapshot| &mut snapshot.jobs);
        }
        watches.open("pods", Config::default(), |snapshot| &mut snapshot.pods);
        watches
    }

    /// Opens the watch on warnings, if it is not open.
    pub(crate) fn open_events(&mut self) {
        if !std::mem::replace(&mut self.events, true) {
            let warnings = Config::default().fields("type=Warning");
            self.open::<Event>("events", warnings, |snapshot| &mut snapshot.events);
        }
    }

    /// Opens the watch of a kind.
    pub(crate) fn open<K>(&mut self, kind: &'static str, config: Config, store: fn(&mut Snapshot) -> &mut Store<K>)
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        K::DynamicType: Default,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &self.namespace);
        let reports = events(api, config.timeout(WATCH_SECONDS)).map(move |event| {
            let allowed = event.as_ref().is_ok_and(|event| !matches!(event, watcher::Event::Init));
            let update = event.map(|event| Box::new(move |all: &mut Snapshot| store(all).apply(event)) as Update);
            WatchReport { kind, update, allowed }
        });
        self.reports.push(reports.boxed());
    }

    /// Waits for changes, at most until `until`, and returns all that there are.
    ///
    /// # Errors
    /// The API server has refused berth for longer than a fresh namespace needs. Watches recover from other errors
    /// themselves.
    pub(crate) async fn next_before(&mut self, until: Instant) -> Result<Vec<Update>, Failure> {
        let mut updates = Vec::new();
        while let Ok(Some(report)) = tokio::time::timeout_at(until, self.reports.next()).await {
            updates.extend(self.take(report)?);
            while let Some(Some(report)) = self.reports.next().now_or_never() {
                updates.extend(self.take(report)?);
            }
            if !updates.is_empty() {
                break;
            }
        }
        Ok(updates)
    }

    fn take(&mut self, report: WatchReport) -> Result<Option<Update>, Failure> {
        let kind = report.kind;
        if report.allowed {
            self.refused.remove(kind);
        }
        let error = match report.update {
            Ok(update) => return Ok(Some(update)),
            Err(error) => error,
        };
        tracing::debug!(namespace = %self.namespace, "Watch of {kind} in {} was interrupted: {error}", self.namespace);
        if !matches!(code(&error), Some(401 | 403)) {
            return Ok(None);
        }
        let since = *self.refused.entry(kind).or_insert_with(Instant::now);
        if since.elapsed() < REFUSED_FOR {
            return Ok(None);
        }
        Err(Failure::kubernetes(format!("watching {kind} in namespace {}", self.namespace), kube_error(error)))
    }
}

fn kube_error(error: Error) -> kube::Error {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::WatchError(status) => kube::Error::Api(status),
        other => kube::Error::Service(Box::new(other)),
    }
}

//! Keeps a [`Snapshot`] true: one watch for each kind that is needed, no polling.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use berth_workflows::contract::apply::Workload;
use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Event};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Config, Error, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::snapshot::{Snapshot, Store};
use crate::failure::Failure;

/// A server-side end to every watch, in seconds. A connection that died without a word is noticed five seconds after.
const WATCH_SECONDS: u32 = 55;
/// A fresh namespace answers 403 until the role binding has reached the authorizer's cache.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// An API server that restarts is back within seconds, and what it missed is to be seen at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A change of the snapshot that a watch reported.
pub(crate) type Update = Box<dyn FnOnce(&mut Snapshot) + Send>;

/// What the watch of a kind said.
struct WatchReport {
    kind: &'static str,
    update: Result<Update, Error>,
    /// Whether it shows that berth may read the kind: a list in pages says that it begins before it asks.
    allowed: bool,
}

/// The clock of one wait: it begins at the wall clock and then runs as tokio's does, so that a step of the wall clock
/// moves no deadline.
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

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(self) -> u64 {
        self.at(self.elapsed())
    }

    /// The unix time in milliseconds that long after the start.
    pub(crate) fn at(self, after: Duration) -> u64 {
        self.start_ms.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment at that unix time in milliseconds.
    pub(crate) fn instant(self, ms: u64) -> Instant {
        // A day is longer than any wait; tokio's clock does not reach `u64::MAX`.
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        self.start + Duration::from_millis(ms.saturating_sub(self.start_ms).min(DAY_MS))
    }
}

/// The watches of one namespace.
pub(crate) struct Watches {
    client: Client,
    namespace: String,
    reports: SelectAll<BoxStream<'static, WatchReport>>,
    /// Since when the API server has refused the watch of a kind.
    refused: BTreeMap<&'static str, Instant>,
    events: bool,
}

impl Watches {
    /// Watches what is needed to judge these workloads.
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

    /// Watches warnings too, from now on.
    pub(crate) fn open_events(&mut self) {
        if !std::mem::replace(&mut self.events, true) {
            let warnings = Config::default().fields("type=Warning");
            self.open::<Event>("events", warnings, |snapshot| &mut snapshot.events);
        }
    }

    /// Watches one more kind.
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

    /// Waits for news, at most until `until`, and returns all there is.
    ///
    /// # Errors
    /// If the API server has refused berth for longer than a fresh namespace needs. Other errors of a watch are its own
    /// to mend.
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

/// The events of one kind: a streaming list, one request, where the API server knows it (1.32, or with the feature gate
/// `WatchList`), else a list and then a watch.
fn events<K>(api: Api<K>, config: Config) -> BoxStream<'static, Result<watcher::Event<K>, Error>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let open = |api: Api<K>, config: Config| watcher(api, config).backoff(Pauses::default()).boxed();
    let streaming = open(api.clone(), config.clone().streaming_lists());
    let state = (streaming, Some((api, config.any_semantic())));
    stream::unfold(state, move |(mut events, mut fallback)| async move {
        let mut next = events.next().await?;
        if matches!(next.as_ref().err().and_then(code), Some(400 | 422))
            && let Some((api, config)) = fallback.take()
        {
            events = open(api, config);
            next = events.next().await?;
        }
        Some((next, (events, fallback)))
    })
    .boxed()
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

fn kube_error(error: Error) -> kube::Error {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::WatchError(status) => kube::Error::Api(status),
        other => kube::Error::Service(Box::new(other)),
    }
}

/// The pauses after errors of a watch, doubling. One good word does not make an API server well: they start again from
/// the shortest only after a while without an error.
#[derive(Default)]
struct Pauses {
    last: Option<(Instant, Duration)>,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let calm = LONGEST_PAUSE * 5;
        let pause = match self.last {
            Some((at, pause)) if at.elapsed() < calm => (pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((Instant::now(), pause));
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {}
}

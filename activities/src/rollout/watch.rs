//! Watches that keep a [`Snapshot`] current: one for each kind that is needed, without polling.

mod events;

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
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
use crate::{failure::Failure, heartbeat::Progress, unix_time::unix_ms};
use events::events;

/// The server-side end of a watch, in seconds. A silently broken connection is noticed five seconds later.
const WATCH_SECONDS: u32 = 55;
/// The age up to which lists show the namespace as it is.
const FRESH: Duration = Duration::from_secs(1);

/// The length from which a gap with an error counts.
const HIDES_AFTER: Duration = Duration::from_secs(5);

/// A change of the snapshot that a watch reported.
pub(crate) type Update = Box<dyn FnOnce(&mut Snapshot) + Send>;

/// An event or error of a kind's watch.
struct WatchReport {
    kind: &'static str,
    update: Result<Update, Error>,
    /// Whether the kind's list is complete with it.
    listed: bool,
}

/// A time in which a kind is not observed: its list has not arrived, or its watch is in error. The snapshot may be older
/// than what happens in the namespace, so it is not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) since: Instant,
    /// The last error. `None` while the list is on its way.
    pub(crate) error: Option<String>,
}

impl Gap {
    fn starting() -> Self {
        Self { since: Instant::now(), error: None }
    }

    /// Describes the gap, for a person.
    pub(crate) fn reason(&self) -> String {
        let seconds = self.since.elapsed().as_secs();
        let error = self.error.as_deref().unwrap_or("the Kubernetes API does not answer");
        format!("nothing of the environment could be seen for {seconds} s: {error}")
    }

    /// The same gap, if it continues one that was seen before.
    pub(crate) fn continuing(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        Self { since: self.since.min(before.since), error: self.error.or(before.error) }
    }

    /// Whether the release may have changed in it unseen. An API server that is away for a moment hides nothing.
    pub(crate) fn hid_something(&self) -> bool {
        self.error.is_some() && self.since.elapsed() >= HIDES_AFTER
    }

    /// The failure of an activity that has not seen anything for too long.
    pub(crate) fn failure(&self) -> Failure {
        Failure::transient(FailureType::NotObserved, self.reason())
    }
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
        let start = Instant::now();
        Self { start, start_ms: unix_ms(start) }
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

/// Opens the watch of a kind.
type Open = Box<dyn Fn() -> BoxStream<'static, WatchReport> + Send + Sync>;

/// The watches of one namespace.
pub(crate) struct Watches {
    client: Client,
    namespace: String,
    opened: Vec<(&'static str, Open)>,
    reports: SelectAll<BoxStream<'static, WatchReport>>,
    /// The kinds that are not observed.
    gaps: BTreeMap<&'static str, Gap>,
    /// The time at which every list had arrived, after the watches were opened or refreshed.
    complete_at: Option<Instant>,
    events: bool,
}

impl Watches {
    /// Opens the watches that judging these workloads needs.
    pub(crate) fn for_workloads(client: &Client, namespace: &str, workloads: &[Workload]) -> Self {
        let mut watches = Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            opened: Vec::new(),
            reports: SelectAll::new(),
            gaps: BTreeMap::new(),
            complete_at: None,
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
        let config = config.timeout(WATCH_SECONDS);
        let open = move || {
            let reports = events(api.clone(), config.clone()).map(move |event| {
                let listed = matches!(event, Ok(watcher::Event::InitDone));
                let update = event.map(|event| Box::new(move |all: &mut Snapshot| store(all).apply(event)) as Update);
                WatchReport { kind, update, listed }
            });
            reports.boxed()
        };
        self.reports.push(open());
        self.gaps.insert(kind, Gap::starting());
        self.opened.push((kind, Box::new(open)));
    }

    /// Opens every watch anew: the gap that begins ends with fresh lists. A connection may be broken without an error, and
    /// then the snapshot only seems to be current.
    pub(crate) fn refresh(&mut self) {
        self.reports = self.opened.iter().map(|(_, open)| open()).collect();
        self.complete_at = None;
        for (kind, _) in &self.opened {
            self.gaps.entry(kind).or_insert_with(Gap::starting);
        }
    }

    /// Returns the gap, if something is not observed. It began with the kind that has not been observed for longest.
    pub(crate) fn gap(&self) -> Option<Gap> {
        let since = self.gaps.values().map(|gap| gap.since).min()?;
        Some(Gap { since, error: self.gaps.values().find_map(|gap| gap.error.clone()) })
    }

    /// Returns whether every list has arrived just now.
    pub(crate) fn are_fresh(&self) -> bool {
        self.gaps.is_empty() && self.complete_at.is_some_and(|at| at.elapsed() <= FRESH)
    }

    /// Waits for changes, at most until `until`, and returns all that there are. An error of a watch ends the wait too: it
    /// is part of the gap.
    pub(crate) async fn next_before(&mut self, until: Instant) -> Vec<Update> {
        let Ok(Some(report)) = tokio::time::timeout_at(until, self.reports.next()).await else { return Vec::new() };
        let mut updates = Vec::from_iter(self.take(report));
        while let Some(Some(report)) = self.reports.next().now_or_never() {
            updates.extend(self.take(report));
        }
        updates
    }

    /// Waits until there is no gap, and reports why there is one. Returns the gap that there was, with its last error.
    ///
    /// # Errors
    /// The gap, once it has lasted for `limit`.
    pub(crate) async fn close_gap(
        &mut self,
        snapshot: &mut Snapshot,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Option<Gap>, Gap> {
        let mut closed: Option<Gap> = None;
        while let Some(gap) = self.gap() {
            let gap = gap.continuing(closed);
            progress.sees_nothing_since(gap.since);
            if gap.since.elapsed() >= limit {
                return Err(gap);
            }
            if gap.error.is_some() {
                progress.report(gap.reason());
            }
            self.next_before(gap.since + limit).await.into_iter().for_each(|update| update(snapshot));
            closed = Some(gap);
        }
        progress.sees();
        Ok(closed)
    }

    fn take(&mut self, WatchReport { kind, update, listed }: WatchReport) -> Option<Update> {
        if listed {
            self.gaps.remove(kind);
            if self.gaps.is_empty() {
                self.complete_at.get_or_insert_with(Instant::now);
            }
        }
        update.map_err(|error| self.take_error(kind, error)).ok()
    }

    fn take_error(&mut self, kind: &'static str, error: Error) {
        let what = format!("watching {kind} in namespace {}", self.namespace);
        let failure = Failure::kubernetes(what, kube_error(error)).to_string();
        tracing::debug!(namespace = %self.namespace, "A watch was interrupted: {failure}");
        self.gaps.entry(kind).or_insert_with(Gap::starting).error = Some(failure);
    }
}

fn kube_error(error: Error) -> kube::Error {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::WatchError(status) => kube::Error::Api(status),
        other => kube::Error::Service(Box::new(other)),
    }
}

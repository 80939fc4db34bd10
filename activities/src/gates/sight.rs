//! The sight of the namespace while gates are checked: whether the snapshot is as the namespace is.

use std::time::Duration;

use berth_workflows::contract::checks::OBSERVED_SECONDS;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    heartbeat::Progress,
    rollout::{
        snapshot::Snapshot,
        watch::{Gap, Watches},
    },
};

/// The time for which a release is observed after a gap before it is judged.
pub(super) const OBSERVED_FOR: Duration = Duration::from_secs(OBSERVED_SECONDS);
/// The time between two looks while nothing changes.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The state of the watches.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// How often all lists have arrived after the watches were opened or refreshed.
    listings: u64,
    /// The last gap that may have hidden something.
    hidden: Option<Hidden>,
}

/// A gap that may have hidden something.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) reason: String,
}

/// The sender's side: what keeps the snapshot current.
pub(super) struct Keeper<'a> {
    pub(super) watches: Watches,
    pub(super) current: &'a watch::Sender<Snapshot>,
    pub(super) sight: &'a watch::Sender<Sight>,
    pub(super) refresh: &'a Notify,
}

impl Keeper<'_> {
    /// Keeps the snapshot current. Returns only a gap that has lasted for `limit`.
    pub(super) async fn keep_current(mut self, limit: Duration, progress: &Progress) -> Gap {
        let mut open: Option<Gap> = None;
        let mut listing = true;
        loop {
            let until = match self.watches.gap() {
                Some(gap) => {
                    let gap = gap.continuing(open.take());
                    progress.sees_nothing_since(gap.since);
                    if gap.since.elapsed() >= limit {
                        return gap;
                    }
                    if gap.error.is_some() {
                        progress.report(gap.reason());
                    }
                    open.insert(gap).since + limit
                }
                None => {
                    progress.sees();
                    self.close(open.take(), std::mem::take(&mut listing));
                    Instant::now() + LOOK_AGAIN
                }
            };
            tokio::select! {
                updates = self.watches.next_before(until) => {
                    if !updates.is_empty() {
                        self.current.send_modify(|snapshot| updates.into_iter().for_each(|update| update(snapshot)));
                    }
                }
                () = self.refresh.notified() => {
                    self.watches.refresh();
                    listing = true;
                }
            }
        }
    }

    fn close(&self, gap: Option<Gap>, listed: bool) {
        let hidden = gap.filter(Gap::hid_something).map(|gap| Hidden {
            since: gap.since,
            until: Instant::now(),
            reason: gap.reason(),
        });
        if listed || hidden.is_some() {
            self.sight.send_modify(|sight| {
                sight.listings += u64::from(listed);
                sight.hidden = hidden.or_else(|| sight.hidden.take());
            });
        }
    }
}

/// The receiver's side.
pub(super) struct Observer<'a> {
    pub(super) current: watch::Receiver<Snapshot>,
    pub(super) sight: watch::Receiver<Sight>,
    pub(super) refresh: &'a Notify,
}

impl Observer<'_> {
    /// Waits until all lists have arrived for the first time.
    pub(super) async fn listed(&self) {
        // An error means that the checks are over.
        let _ = self.sight.clone().wait_for(|sight| sight.listings > 0).await;
    }

    /// Waits for fresh lists: a connection may be broken for a minute before its watch ends. Returns the last gap that may
    /// have hidden something, which may be that minute.
    pub(super) async fn refreshed(&self) -> Option<Hidden> {
        let mut sight = self.sight.clone();
        let (before, seen) = (sight.borrow().listings, self.current.borrow().versions());
        self.refresh.notify_one();
        let fresh = sight.wait_for(|sight| sight.listings > before).await;
        let hidden = fresh.ok().and_then(|sight| sight.hidden.clone());
        if self.current.borrow().versions() == seen {
            return hidden;
        }
        let reason = "the watches were behind the Kubernetes API".to_owned();
        let now = Instant::now();
        Some(Hidden { since: now, until: now, reason })
    }
}

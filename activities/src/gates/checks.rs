//! What all gates of one check share: the release in its namespace as it is now, and how one fails.

use berth_workflows::contract::checks::CheckGatesInput;
use kube::Client;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{failure::Failure, kubernetes::log_tail::Log, rollout::snapshot::Snapshot};

/// Why a gate did not pass: words for a verdict, or that it could not be checked.
pub(super) enum NotPassed {
    Unmet(Box<Unmet>),
    Failure(Failure),
}

/// What a gate asked for and did not get.
pub(super) struct Unmet {
    pub(super) gate: String,
    pub(super) message: String,
    pub(super) workload: Option<String>,
    /// Pod and container whose log may tell more.
    pub(super) pod: Option<(String, Option<String>)>,
    pub(super) exit_code: Option<i32>,
    pub(super) log: Log,
    /// What a person may do; left out, what helps with any gate.
    pub(super) advice: Option<String>,
}

/// What all gates of one check share.
pub(super) struct Checks<'a> {
    pub(super) client: &'a Client,
    pub(super) check: &'a CheckGatesInput,
    pub(super) current: watch::Receiver<Snapshot>,
}

impl Checks<'_> {
    /// Waits until what `look` sees in the namespace is nothing, or returns what it saw last at the deadline.
    pub(super) async fn until_nothing<T>(&self, deadline: Instant, look: impl Fn(&Snapshot) -> Option<T>) -> Option<T> {
        let mut current = self.current.clone();
        loop {
            let seen = look(&current.borrow_and_update())?;
            match timeout_at(deadline, current.changed()).await {
                Ok(Ok(())) => {}
                _ => return Some(seen),
            }
        }
    }
}

//! The state that all gates of a check share, and the failure of one.

use std::time::Duration;

use berth_workflows::contract::checks::CheckGatesInput;
use kube::Client;
use tokio::{sync::watch, time::Instant};

use super::sight::Observer;
use crate::{
    failure::Failure, kubernetes::log_tail::Log, redaction::message::Message, release::stored_release::StoredRelease,
    rollout::snapshot::Snapshot, settings::IngressAddress,
};

/// The reason why a gate did not pass: a verdict, or a failure to check it.
pub(super) enum NotPassed {
    Unmet(Box<Unmet>),
    /// Nothing could be seen of the release since then.
    NotObserved {
        reason: String,
        since: Instant,
    },
    Failure(Failure),
}

/// A requirement of a gate that was not met.
pub(super) struct Unmet {
    pub(super) gate: String,
    pub(super) message: Message,
    pub(super) workload: Option<String>,
    /// The pod and container whose log may explain it.
    pub(super) pod: Option<(String, Option<String>)>,
    pub(super) exit_code: Option<i32>,
    pub(super) log: Log,
    /// Advice for a person. `None` means the advice that fits any gate.
    pub(super) advice: Option<String>,
}

impl Unmet {
    /// An unmet requirement without a pod or workload.
    pub(super) fn new(gate: &str, message: impl Into<Message>) -> Self {
        Self {
            gate: gate.to_owned(),
            message: message.into(),
            workload: None,
            pod: None,
            exit_code: None,
            log: Log::None,
            advice: None,
        }
    }
}

impl From<Unmet> for NotPassed {
    fn from(unmet: Unmet) -> Self {
        Self::Unmet(Box::new(unmet))
    }
}

/// The state that all gates of a check share.
pub(super) struct Checks<'a> {
    pub(super) client: &'a Client,
    pub(super) check: &'a CheckGatesInput,
    pub(super) release: &'a StoredRelease,
    /// The ingress controller's address, if the worker has it.
    pub(super) ingress_address: Option<&'a IngressAddress>,
    pub(super) current: watch::Receiver<Snapshot>,
    pub(super) observer: Observer<'a>,
}

impl Checks<'_> {
    /// The time that a gate gets to pass: its own, and more after nothing could be seen of the release.
    pub(super) fn patience(&self, own: Duration) -> Duration {
        own.max(Duration::from_secs(self.check.observe_seconds))
    }
}

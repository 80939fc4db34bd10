//! A reason why a workload is not done.

use std::time::Duration;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::ResourceExt;

use super::name_of;
use crate::kubernetes::log_tail::Log;

/// The time at which a cause becomes the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// This long after it was first seen.
    After(Duration),
    /// Like `After`, but ending pods still release quota. Their time counts twice, because the refused controller
    /// doubles its pauses meanwhile.
    AfterQuotaSettles(Duration),
    /// At this unix time in milliseconds.
    At(u64),
    /// At the deadline: it may end by itself until then.
    Deadline,
}

/// A pod of an earlier revision that its `StatefulSet` waits for and that will never be ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BrokenPod {
    pub(crate) metadata: ObjectMeta,
    /// What is the matter with it, in berth's own words.
    pub(crate) brief: String,
}

/// A reason why a workload is not done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub(crate) failure: FailureType,
    pub(crate) message: String,
    /// The workload, for example `Deployment/web`.
    pub(crate) workload: String,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) log: Log,
    pub(crate) due: Due,
    /// The text for progress reports: berth's own text, reasons, names and numbers. Heartbeats are not redacted, so
    /// messages of probes, webhooks and runtimes are in `message` alone. Empty for a state of every start.
    pub(crate) brief: String,
    /// The advice of this cause, if it is not the one of its type.
    pub(crate) advice: Option<String>,
    /// True if the cause was reported before this rollout began and has not been checked again since.
    pub(crate) from_earlier_rollout: bool,
    /// The pod to replace when it is due, in place of a verdict.
    pub(crate) replaces: Option<Box<BrokenPod>>,
}

impl Cause {
    pub(crate) fn new(failure: FailureType, workload: &Workload, message: impl Into<String>, due: Due) -> Self {
        Self {
            failure,
            workload: name_of(workload),
            pod: None,
            container: None,
            exit_code: None,
            log: Log::None,
            due,
            brief: failure.name().to_owned(),
            advice: None,
            message: message.into(),
            from_earlier_rollout: false,
            replaces: None,
        }
    }

    /// A state that may end by itself, so that it is `NotReady` at the deadline.
    pub(super) fn state(workload: &Workload, message: impl Into<String>) -> Self {
        Self { brief: String::new(), ..Self::new(FailureType::NotReady, workload, message, Due::Deadline) }
    }

    pub(super) fn of_pod(mut self, pod: &Pod) -> Self {
        self.pod = Some(pod.name_any());
        self
    }

    pub(super) fn in_container(mut self, container: &str) -> Self {
        self.container = Some(container.to_owned());
        self
    }

    pub(super) fn briefly(mut self, brief: impl Into<String>) -> Self {
        self.brief = brief.into();
        self
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The identity of a cause at a second look. The same problem of a replaced pod is the same cause.
    pub(crate) fn key(&self) -> (String, Option<String>, FailureType) {
        (self.workload.clone(), self.container.clone(), self.failure)
    }
}

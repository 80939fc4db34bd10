//! The number of replicas that a workload is applied with while an autoscaler targets it.

use std::ops::RangeInclusive;

use kube::api::DynamicObject;
use serde_json::{Value, json};

/// The numbers between which an autoscaler sets the replicas of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replicas(pub(super) RangeInclusive<i64>);

impl Replicas {
    /// Puts the live number into a document. The manifest's number counts where the workload is asleep, which also stops the
    /// autoscaler, and where the live number is out of the range.
    pub(super) fn keep(&self, document: &mut Value, live: &DynamicObject) {
        let number = live.data.pointer("/spec/replicas").and_then(Value::as_i64);
        if let Some(number) = number.filter(|number| *number > 0 && self.0.contains(number)) {
            document["spec"]["replicas"] = json!(number);
        }
    }
}

//! `CronJob`s of previews: suspended, unless the app file lets them run.
//!
//! A schedule in every preview would send its mails, and call its servers, once for each open pull request.

use serde_json::Value;

use super::PolicyInput;
use crate::render::{
    finding::{Finding, Severity},
    object::Object,
};

/// Suspends a `CronJob` where the environment lets none run. Returns a note if that changes the object.
pub(super) fn complete(object: &mut Object, input: &PolicyInput) -> Option<Finding> {
    if object.kind() != "CronJob" || !input.suspend_cron_jobs {
        return None;
    }
    let suspend = object.document.get_mut("spec")?.as_object_mut()?.insert("suspend".to_owned(), Value::Bool(true));
    if suspend == Some(Value::Bool(true)) {
        return None;
    }
    let message = "is set: CronJobs of previews run only by hand (`berth preview run APP PR --cron NAME`); \
                   `preview.cron_jobs: run` in the app file lets them run";
    Some(object.finding(Severity::Note, "spec.suspend", message))
}

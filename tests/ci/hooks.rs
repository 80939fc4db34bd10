//! `berth hooks`, which believes the tokens of the lab's GitHub.

use berth_lab::github::REPOSITORY;
use berth_test_support::{HooksProcess, HooksServed};

use crate::BERTH;

/// A line of the log once messages can be passed on.
const READY: &str = "Temporal has been reached";

/// Starts a process that serves `previews` or `production` of an app, and waits until it passes messages on.
pub(crate) async fn start(kind: &str, app: &str, temporal: &str, task_queue: &str, issuer: &str) -> HooksProcess {
    let hooks = begin(kind, app, temporal, task_queue, issuer).await;
    hooks.until("ready", async || hooks.log().contains(READY)).await;
    hooks
}

/// The same, but Temporal may be away.
pub(crate) async fn begin(kind: &str, app: &str, temporal: &str, task_queue: &str, issuer: &str) -> HooksProcess {
    let apps = [(app.to_owned(), REPOSITORY)];
    HooksProcess::start(BERTH, &HooksServed { kind, apps: &apps, temporal, task_queue, issuer }, |_, _| {}).await
}

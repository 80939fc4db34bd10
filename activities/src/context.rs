//! The context of an activity.

#[cfg(test)]
use berth_workflows::contract::heartbeat::Heartbeat;
use kube::Client;

use crate::{heartbeat::Progress, settings::Settings};

/// The cluster's client, the worker's settings, and the activity's progress report.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub client: &'a Client,
    pub settings: &'a Settings,
    pub progress: &'a Progress,
}

/// A client with example settings, for tests.
#[cfg(test)]
pub(crate) struct TestContext {
    client: Client,
    settings: Settings,
    progress: Progress,
}

#[cfg(test)]
impl TestContext {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, settings: crate::examples::settings(), progress: Progress::new() }
    }

    /// As of an attempt that follows another one, which saw something for the last time this long ago.
    pub(crate) fn seen_before(client: Client, ago: std::time::Duration) -> Self {
        let seen_ms = crate::unix_time::unix_ms(tokio::time::Instant::now()) - ago.as_millis() as u64;
        let last = Heartbeat { progress: "waiting".to_owned(), seen_ms };
        Self { progress: Progress::following(Some(last)), ..Self::new(client) }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { client: &self.client, settings: &self.settings, progress: &self.progress }
    }
}

//! The context of an activity.

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

    pub(crate) fn context(&self) -> Context<'_> {
        Context { client: &self.client, settings: &self.settings, progress: &self.progress }
    }
}

//! The app that an activity works for, read from the worker's folder.

use berth_manifests::app::App;
use berth_workflows::contract::verdict::FailureType;

use super::Activities;
use crate::{environment, failure::Failure};

impl Activities {
    /// Reads the app on a thread for blocking work, because it reads files.
    pub(super) async fn app(&self, name: &str) -> Result<App, Failure> {
        let (settings, name) = (self.settings.clone(), name.to_owned());
        blocking(move || environment::load_app::find_app(&settings, &name)).await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(Failure::transient(FailureType::UnknownApp, format!("reading the app: {e}"))))
}

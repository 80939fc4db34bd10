//! The bound of an update, and the reason why one has no answer.

use std::time::Duration;

use anyhow::anyhow;
use temporalio_client::errors::{WorkflowUpdateError, WorkflowUpdateWithStartError};

/// How long the worker may take to answer an update. A restarted worker takes work again within 11 seconds.
pub(crate) const UPDATE: Duration = Duration::from_secs(20);

/// The reason why an update has no answer.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The workflow has refused it.
    Refused(String),
    /// Temporal or the worker does not answer.
    Later(anyhow::Error),
}

/// The answer to an update, if it comes in time.
///
/// # Errors
/// See [`Unsent`].
pub(super) async fn within_bound<T>(
    sending: impl Future<Output = Result<T, WorkflowUpdateWithStartError>>,
) -> Result<T, Unsent> {
    match tokio::time::timeout(UPDATE, sending).await {
        Ok(Ok(answer)) => Ok(answer),
        // The message is the workflow's own, for the sender.
        Ok(Err(WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)))) => {
            Err(Unsent::Refused(failure.message))
        }
        Ok(Err(error)) => Err(Unsent::Later(error.into())),
        Err(_) => Err(Unsent::Later(anyhow!("no answer within {UPDATE:?}"))),
    }
}

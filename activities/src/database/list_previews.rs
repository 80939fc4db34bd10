//! The roles of an app's previews on a server.

use std::time::Duration;

use super::{Server, answer::unavailable, isolated::connect, list_roles};
use crate::{context::Context, failure::Failure};

/// How long a server may take for the list. A healthy one takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists the roles that belong to previews of an app, each with its pull request.
///
/// # Errors
/// The server is unavailable or refuses.
pub(crate) async fn list_previews(
    context: Context<'_>,
    server: &Server,
    app: &str,
) -> Result<Vec<(String, u64)>, Failure> {
    let listed = async {
        let admin = connect(context, server).await?;
        list_roles(&admin, app, &context.settings.installation).await
    };
    let listed = tokio::time::timeout(PATIENCE, listed).await;
    listed.unwrap_or_else(|_| Err(unavailable(format!("it lists no roles within {PATIENCE:?}"))))
}

//! The roles of an app's previews on a server, by the comment that names their owner.

use super::{Server, connection::unavailable, isolated::connect, sql::roles_with_comment};
use crate::{context::Context, failure::Failure};

/// Lists the roles that belong to previews of an app, each with its pull request.
///
/// # Errors
/// The server is unavailable or refuses.
pub(crate) async fn list_roles(
    context: Context<'_>,
    server: &Server,
    app: &str,
) -> Result<Vec<(String, u64)>, Failure> {
    let (prefix, suffix) = (format!("preview-{app}-"), format!(" of {}", context.settings.installation));
    let admin = connect(context, server).await?;
    let listed = tokio::time::timeout(PATIENCE, roles_with_comment(&admin, &prefix)).await;
    let listed = listed.unwrap_or_else(|_| Err(unavailable(format!("it lists no roles within {PATIENCE:?}"))))?;
    let owned = listed.into_iter().filter_map(|(role, comment)| {
        let pr = comment.strip_prefix(&prefix)?.strip_suffix(&suffix)?.parse().ok()?;
        Some((role, pr))
    });
    Ok(owned.collect())
}

/// How long a server may take for the list. A healthy one takes milliseconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

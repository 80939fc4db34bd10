//! The end of a look at a release of which nothing is seen.

use std::time::Duration;

use berth_workflows::contract::checks::Outcome;
use tokio::time::Instant;

use crate::{heartbeat::Progress, unix_time::unix_ms};

/// Returns the end of a look that begins long after the last sign of the attempt before it: no worker has looked for at
/// least `limit`. The workflow reports that, and looks again with more time.
pub(crate) fn unseen_before(progress: &Progress, limit: Duration) -> Option<Outcome> {
    let since_ms = progress.unseen_since_ms()?;
    let unseen = Duration::from_millis(unix_ms(Instant::now()).saturating_sub(since_ms));
    (unseen >= limit).then(|| Outcome::NotObserved { reason: "no worker looked at it".to_owned(), since_ms })
}

/// Returns the end of a look that has seen nothing since then, for this reason.
pub(crate) fn unseen(progress: &Progress, reason: String, since: Instant) -> Outcome {
    let since_ms = progress.unseen_since_ms().unwrap_or_else(|| unix_ms(since));
    Outcome::NotObserved { reason, since_ms }
}

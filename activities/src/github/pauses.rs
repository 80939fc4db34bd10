//! The pauses that GitHub has asked for. A limit is of an account, whatever the request: one refusal holds all its requests back.
//!
//! GitHub counts requests during a pause against the App, up to a ban.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// An account whose requests GitHub counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Account {
    /// The App itself.
    App,
    /// An installation of the App, by its id.
    Installation(u64),
}

/// The ends of the pauses.
#[derive(Default)]
pub(super) struct Pauses(Mutex<HashMap<Account, Instant>>);

impl Pauses {
    /// The rest of an account's pause. None: it may send requests.
    pub(super) fn rest(&self, account: Account) -> Option<Duration> {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = ends.get(&account)?.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            ends.remove(&account);
            return None;
        }
        Some(rest)
    }

    /// Begins a pause, or makes the one that lasts longer.
    pub(super) fn extend(&self, account: Account, pause: Duration) {
        let end = Instant::now() + pause;
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ends.entry(account).or_insert(end);
        *known = end.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn longest_pause_of_an_account_counts() {
        let (pauses, web, shop) = (Pauses::default(), Account::Installation(1), Account::Installation(2));
        pauses.extend(web, 60 * SECOND);
        pauses.extend(web, 5 * SECOND);
        assert_eq!((pauses.rest(web), pauses.rest(shop), pauses.rest(Account::App)), (Some(60 * SECOND), None, None));
        tokio::time::advance(59 * SECOND).await;
        assert_eq!(pauses.rest(web), Some(SECOND));
        tokio::time::advance(SECOND).await;
        assert_eq!(pauses.rest(web), None);
    }
}

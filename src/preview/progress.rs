//! What is shown while a command waits: each step once, on standard error, for people.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use berth_workflows::{contract::status::Status, preview_environment::PreviewEnvironment};
use temporalio_client::{Client, WorkflowHandle, WorkflowQueryOptions};

/// Often enough for a person who looks on, seldom enough for a hundred CI runs at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// What has been said already.
pub(super) struct Said {
    since: Instant,
    last: String,
    is_watched: bool,
}

impl Default for Said {
    /// Nothing yet; and nothing ever, unless somebody looks on.
    fn default() -> Self {
        Self { since: Instant::now(), last: String::new(), is_watched: std::io::stderr().is_terminal() }
    }
}

impl Said {
    /// Says what the environment waits for, if that is something new.
    pub(super) fn status(&mut self, status: Option<&Status>) {
        let now = status.map_or_else(|| "there is no environment yet".to_owned(), line);
        if self.is_watched && now != self.last {
            let seconds = self.since.elapsed().as_secs();
            // Progress that cannot be written is nobody's loss.
            let _ = writeln!(std::io::stderr(), "{seconds:>4} s  {now}");
            self.last = now;
        }
    }
}

/// Waits for `answer`, and says meanwhile what the environment waits for. Silent unless somebody looks on.
pub(super) async fn while_waiting<T>(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    answer: impl Future<Output = T>,
) -> T {
    let mut said = Said::default();
    let mut look = tokio::time::interval(INTERVAL);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = look.tick(), if said.is_watched => {
                let status = handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default());
                // An environment that cannot answer yet is asked again.
                if let Ok(status) = status.await {
                    said.status(Some(&status));
                }
            }
        }
    }
}

fn line(status: &Status) -> String {
    match &status.rolling_out {
        Some(rolling_out) => {
            let commit = rolling_out.release.commit.short();
            format!("{}: {commit} waits for {}", status.phase.name(), rolling_out.waiting_for)
        }
        None => status.phase.name().to_owned(),
    }
}

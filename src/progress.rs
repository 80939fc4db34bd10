//! Progress on a terminal while a command waits: each step once, on standard error.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use berth_workflows::{contract::status::Status, preview_environment::PreviewEnvironment};
use temporalio_client::{Client, WorkflowHandle, WorkflowQueryOptions};

/// Short enough for a person at the terminal, long enough for a hundred CI runs at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints what an environment waits for, each time that it changes.
pub(crate) struct Progress {
    since: Instant,
    last: String,
    is_terminal: bool,
}

impl Default for Progress {
    /// Prints only if standard error is a terminal.
    fn default() -> Self {
        Self { since: Instant::now(), last: String::new(), is_terminal: std::io::stderr().is_terminal() }
    }
}

impl Progress {
    /// Prints the status, if it differs from the last one.
    pub(crate) fn print(&mut self, status: Option<&Status>) {
        let now = status.map_or_else(|| "no environment yet".to_owned(), line);
        if self.is_terminal && now != self.last {
            let seconds = self.since.elapsed().as_secs();
            // A closed standard error changes nothing.
            let _ = writeln!(std::io::stderr(), "{seconds:>4} s  {now}");
            self.last = now;
        }
    }
}

/// Waits for `answer`, and meanwhile prints what the environment waits for.
pub(crate) async fn while_waiting<T>(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    answer: impl Future<Output = T>,
) -> T {
    let mut progress = Progress::default();
    let mut tick = tokio::time::interval(INTERVAL);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = tick.tick(), if progress.is_terminal => {
                let status = handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default());
                // An environment that does not answer yet is asked again.
                if let Ok(status) = status.await {
                    progress.print(Some(&status));
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

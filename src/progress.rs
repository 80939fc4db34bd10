//! Progress while a command waits: each change once, on standard error, also where that is no terminal. In the log of a CI job a
//! silent wait looks like one that hangs.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// Short enough for a person at the terminal, long enough for a hundred CI runs at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints what an environment waits for, each time that it changes.
pub(crate) struct Progress {
    since: Instant,
    last: String,
    is_shown: bool,
}

impl Progress {
    /// Prints on standard error.
    pub(crate) fn shown() -> Self {
        Self { since: Instant::now(), last: String::new(), is_shown: true }
    }

    /// Prints nothing: there is no person who waits.
    pub(crate) fn nowhere() -> Self {
        Self { is_shown: false, ..Self::shown() }
    }

    /// Prints the line, if it differs from the last one.
    pub(crate) fn print(&mut self, line: String) {
        if self.is_shown && line != self.last {
            let seconds = self.since.elapsed().as_secs();
            // A closed standard error changes nothing.
            let _ = writeln!(io::stderr(), "{seconds:>4} s  {line}");
            self.last = line;
        }
    }

    /// Waits for `answer`, and prints the line if that lasts.
    pub(crate) async fn while_slow<T>(&mut self, slow: Duration, line: &str, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        match tokio::time::timeout(slow, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.print(line.to_owned());
                answer.await
            }
        }
    }

    /// Waits for `answer`, and meanwhile prints what `ask` says. Nothing is printed while it says nothing.
    pub(crate) async fn while_waiting<T>(
        mut self,
        ask: impl AsyncFn() -> Option<String>,
        answer: impl Future<Output = T>,
    ) -> T {
        let mut tick = tokio::time::interval(INTERVAL);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                _ = tick.tick(), if self.is_shown => {
                    if let Some(line) = ask().await {
                        self.print(line);
                    }
                }
            }
        }
    }
}

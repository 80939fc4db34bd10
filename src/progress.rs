//! Progress while a command waits, on standard error: on a terminal in place, else each change in a line of its own. In the log of
//! a CI job a silent wait looks like one that hangs.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Short enough for a person at the terminal, long enough for a hundred CI runs at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints what an environment waits for, each time that it changes.
pub(crate) struct Progress {
    since: Instant,
    last: String,
    is_shown: bool,
    is_in_place: bool,
}

impl Progress {
    /// Prints on standard error.
    pub(crate) fn shown() -> Self {
        let is_in_place = io::stderr().is_terminal();
        Self { since: Instant::now(), last: String::new(), is_shown: true, is_in_place }
    }

    /// Prints nothing: there is no person who waits.
    pub(crate) fn nowhere() -> Self {
        let mut progress = Self::shown();
        progress.is_shown = false;
        progress
    }

    /// Prints the line, if it differs from the last one.
    pub(crate) fn print(&mut self, line: String) {
        if self.is_shown && line != self.last {
            let seconds = self.since.elapsed().as_secs();
            // A closed standard error changes nothing.
            let _ = write!(io::stderr(), "{}", rendered(self.is_in_place, seconds, &line));
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

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_in_place && !self.last.is_empty() {
            let _ = writeln!(io::stderr());
        }
    }
}

/// A line of its own, or one in place of the line before. There a long line is cut by the terminal: one that wraps could not be
/// replaced.
fn rendered(is_in_place: bool, seconds: u64, line: &str) -> String {
    let line = line.replace(char::is_control, " ");
    if is_in_place {
        format!("\r\x1b[K\x1b[?7l{seconds:>4} s  {line}\x1b[?7h")
    } else {
        format!("{seconds:>4} s  {line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_has_lines_and_a_terminal_one_line() {
        assert_eq!(rendered(false, 7, "Live"), "   7 s  Live\n");
        assert_eq!(rendered(false, 7, "a\r\x1b[2Jb\nc"), "   7 s  a  [2Jb c\n");
        let in_place = rendered(true, 7, "Live");
        assert!(in_place.starts_with('\r') && in_place.contains("   7 s  Live") && !in_place.contains('\n'));
    }
}

//! Progress of a long step, on stderr: one counting line on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A step in progress. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    begun: Instant,
    stop: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let begun = Instant::now();
        // Not with eprintln!, which a test harness captures: a test's first run takes minutes.
        let terminal = stderr().is_terminal();
        if !terminal {
            let _ = writeln!(stderr(), "lab: {what} …");
        }
        let (stop, stopped) = mpsc::channel();
        let line = what.clone();
        let ticker = thread::spawn(move || {
            let every = if terminal { Duration::from_millis(250) } else { Duration::from_secs(30) };
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let seconds = begun.elapsed().as_secs();
                let _ = match terminal {
                    true => write!(stderr(), "\r\x1b[Klab: {line} … {seconds} s"),
                    false => writeln!(stderr(), "lab: {line} … {seconds} s"),
                };
            }
        });
        Self { what, begun, stop: Some((stop, ticker)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, ticker)) = self.stop.take() {
            drop(stop);
            let _ = ticker.join();
        }
        let clear = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
        let _ = writeln!(stderr(), "{clear}lab: {}: {:.1} s", self.what, self.begun.elapsed().as_secs_f32());
    }
}

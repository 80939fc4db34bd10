//! The log of a step: what happens, each change once, as text that the runner does not obey.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use super::{
    commands::{self, Kind, plain},
    nonce::nonce,
};

/// The stream of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    /// Standard output has the JSON object alone.
    Stderr,
}

/// A log.
pub(super) struct Log {
    stream: Stream,
    since: Instant,
    last: String,
    /// The word that ends the text from outside.
    token: String,
}

impl Log {
    /// Begins a log.
    ///
    /// # Errors
    /// There are no random numbers.
    pub(super) fn new(stream: Stream) -> anyhow::Result<Self> {
        Ok(Self { stream, since: Instant::now(), last: String::new(), token: nonce()? })
    }

    /// Opens a group of changes.
    pub(super) fn open(&self, title: &str) {
        self.write(&commands::group(title));
        self.write(&commands::stop(&self.token));
    }

    /// Adds a change to the group, if it is one.
    pub(super) fn change(&mut self, line: &str) {
        if line != self.last {
            self.write(&format!("{:>4} s  {}", self.since.elapsed().as_secs(), plain(line)));
            line.clone_into(&mut self.last);
        }
    }

    /// Closes the group.
    pub(super) fn close(&self) {
        self.write(&commands::resume(&self.token));
        self.write(commands::END_OF_GROUP);
    }

    /// Shows a message on the page of the run.
    pub(super) fn message(&self, kind: Kind, title: &str, text: &str) {
        self.write(&commands::message(kind, &plain(title), &plain(text)));
    }

    /// Writes lines outside of a group.
    pub(super) fn text(&self, text: &str) {
        if !text.is_empty() {
            self.write(&commands::guarded(&self.token, text));
        }
    }

    fn write(&self, line: &str) {
        // A log that nobody reads changes nothing about the deployment.
        let _ = match self.stream {
            Stream::Stdout => writeln!(io::stdout(), "{line}"),
            Stream::Stderr => writeln!(io::stderr(), "{line}"),
        };
    }
}

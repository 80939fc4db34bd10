//! `berth hooks new-key`: makes the key that signs what `berth hooks` passes on.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf, process::ExitCode};

use anyhow::Context;
use berth_activities::proof::SigningKey;
use clap::Args;
use serde_json::json;

use crate::{
    envelope::{Envelope, Output},
    exit::{self, Exit},
};

/// Make the key that signs what hooks passes on: writes the private key to a new file, and prints the public key
///
/// The file is for `berth hooks --signing-key-file` alone. The public key is a line of the file that workers get
/// as `--proof-keys`. To replace a key, give the workers both public keys first.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::PLAIN))]
pub(super) struct NewKey {
    /// The new file, which only its owner may read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl NewKey {
    /// Writes the private key, and prints the public one.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.act().unwrap_or_else(|error| Envelope::error(&error)).print(self.output)
    }

    fn act(&self) -> anyhow::Result<Envelope> {
        let (key, text) = SigningKey::generate()?;
        let file = self.file.display();
        // A key that is there already is never overwritten: workers would no longer believe what it signs.
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file);
        let mut out = created.with_context(|| format!("making the file {file}"))?;
        writeln!(out, "{text}").with_context(|| format!("writing {file}"))?;
        let public_key = key.public_key();
        let envelope = Envelope::new("created", Exit::Done).with_text(|out| {
            out.push_str(&public_key);
            out.push('\n');
            Ok(())
        });
        envelope.with_data(&json!({ "public_key": public_key }))
    }
}

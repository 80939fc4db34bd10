//! Files that a step writes to: its outputs, which later steps read, and the summary of the run.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use anyhow::Context as _;

use super::{job::StepFiles, nonce::nonce};
use crate::envelope::Envelope;

/// Adds the outputs and the summary of a step.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(files: &StepFiles, envelope: &Envelope, summary: &str) -> anyhow::Result<()> {
    if let Some(path) = &files.output {
        let outputs = outputs(envelope).into_iter().map(|(name, value)| entry(name, value, &nonce()?));
        append(path, &outputs.collect::<anyhow::Result<String>>()?).context("writing the outputs (GITHUB_OUTPUT)")?;
    }
    match &files.summary {
        Some(path) => append(path, summary).context("writing the summary (GITHUB_STEP_SUMMARY)"),
        None => Ok(()),
    }
}

/// The outputs by their names. One that is not known is empty.
fn outputs(envelope: &Envelope) -> [(&'static str, &str); 4] {
    [
        ("outcome", envelope.outcome.as_str()),
        ("url", envelope.url.as_deref().unwrap_or_default()),
        ("temporal_dashboard_url", envelope.temporal_dashboard_url.as_deref().unwrap_or_default()),
        ("rollout", envelope.rollout.as_deref().unwrap_or_default()),
    ]
}

/// An entry of the file. A value of several lines ends with a word that it cannot contain.
fn entry(name: &str, value: &str, delimiter: &str) -> anyhow::Result<String> {
    anyhow::ensure!(!value.contains(delimiter), "the value of {name} contains a random word");
    Ok(match value.contains(['\n', '\r']) {
        false => format!("{name}={value}\n"),
        true => format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"),
    })
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_several_lines_cannot_add_an_output() {
        assert_eq!(entry("url", "https://pr-1.example.com", "d").unwrap(), "url=https://pr-1.example.com\n");
        assert_eq!(entry("url", "a\nrollout=x", "word").unwrap(), "url<<word\na\nrollout=x\nword\n");
        assert_eq!(entry("url", "a\r", "word").unwrap(), "url<<word\na\r\nword\n");
        assert!(entry("url", "a\nword\nrollout=x", "word").is_err());
    }
}

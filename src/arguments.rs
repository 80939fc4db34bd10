//! Arguments that several commands take, checked before a request is sent.

use std::time::Duration;

use berth_workflows::contract::{
    environment::PullRequest,
    release::{Commit, Name},
};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// How long to wait before exit code 5: 90s, 15m, 1h30m
    #[arg(long, value_parser = duration, default_value = "30m")]
    pub(crate) timeout: Duration,
}

pub(crate) fn app(text: &str) -> Result<String, String> {
    PullRequest::new(text, 1).check().map(|()| text.to_owned())
}

pub(crate) fn commit(text: &str) -> Result<Commit, String> {
    Commit::try_from(text.to_owned())
}

pub(crate) fn name(text: &str) -> Result<Name, String> {
    Name::try_from(text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: Result<berth_manifests::app::Span, _> = text.parse();
    span.map(berth_manifests::app::Span::as_duration)
}

//! Arguments that several commands take, checked before a request is sent.

use std::time::Duration;

use berth_workflows::{
    TASK_QUEUE,
    contract::{
        environment::PullRequest,
        release::{Commit, Image, Name},
    },
};
use clap::Args;

use crate::envelope::Output;

mod pushed;

pub(crate) use pushed::{Pushed, PushedArgs, split_name, variable};

/// The worker that a command asks, and how it shows the answer.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// Format of the answer
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// The Temporal task queue that the worker polls
    #[arg(long, global = true, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    pub(crate) task_queue: String,
    /// The address of temporal-ui with its scheme, which --output json needs for `temporal_ui_url`
    #[arg(long, global = true, env = "BERTH_TEMPORAL_UI")]
    temporal_ui: Option<String>,
}

impl ClientArgs {
    /// The page of a workflow in temporal-ui, if its address is known.
    pub(crate) fn workflow_page(&self, temporal_namespace: &str, workflow_id: &str) -> Option<String> {
        let address = self.temporal_ui.as_deref()?.trim_end_matches('/');
        (!address.is_empty()).then(|| format!("{address}/namespaces/{temporal_namespace}/workflows/{workflow_id}"))
    }
}

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

pub(crate) fn image(text: &str) -> Result<Image, String> {
    Image::try_from(text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: Result<berth_manifests::app::Span, _> = text.parse();
    span.map(berth_manifests::app::Span::as_duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_a_workflow_needs_the_address_of_temporal_ui() {
        let args = |temporal_ui: &str| ClientArgs {
            output: Output::Json,
            task_queue: TASK_QUEUE.to_owned(),
            temporal_ui: Some(temporal_ui.to_owned()),
        };
        let page = args("https://temporal.example.com/").workflow_page("ci", "preview-web-1");
        assert_eq!(page.unwrap(), "https://temporal.example.com/namespaces/ci/workflows/preview-web-1");
        assert_eq!(args("").workflow_page("ci", "preview-web-1"), None);
    }
}

//! `berth hooks`: takes GitHub's webhooks and requests of its jobs from the internet, and passes on what is admitted.
//!
//! It has a Temporal client, and neither rights in Kubernetes nor a key of GitHub. What it believes it decides by pure functions:
//! `webhook::decide` for webhooks, [`admit`] for tokens.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{
    envelope::{Envelope, Output},
    exit::{self, Exit, UsageError},
};

mod admit;
mod answer;
mod api;
mod apps;
mod body;
mod health;
mod kind;
mod metrics;
mod new_key;
mod outgoing;
mod send;
mod serve;
mod server;
mod signature;
mod state;
mod token;
mod webhook;

/// How `berth hooks` is reached, what it needs, and what it answers.
const LONG_ABOUT: &str = "\
Take GitHub's webhooks and requests of its jobs, and pass them on to Temporal, until SIGTERM or Ctrl-C.

Give GitHub the webhook URL <public URL>/hooks/github with the content type application/json, a secret, and the events \"Pull \
requests\", \"Issue comments\", \"Check runs\" and \"Check suites\". A job needs the permission id-token: write, and asks for a \
token whose audience is the public URL.

A process serves previews or production, and one Temporal namespace (TEMPORAL_NAMESPACE). It serves apps whose app file has \
github.repository_id. It reads the app files again every minute. It needs neither a kubeconfig nor a key of GitHub.

It answers with the JSON object that berth's commands print with --output json. Codes: 200 and 202 taken, or nothing to do; 400 \
not understood; 401 wrong signature or token; 403 the token may not do this; 404 no such app or path; 413 too long; 422 refused \
by the environment; 503 ask again after Retry-After.";

/// Take GitHub's webhooks and requests of its jobs, and pass them on to Temporal
#[derive(Debug, Args)]
#[command(
    long_about = LONG_ABOUT,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = exit::help(exit::PLAIN)
)]
pub(crate) struct Hooks {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    serve: Option<serve::Serve>,
}

#[derive(Debug, Subcommand)]
enum Action {
    NewKey(new_key::NewKey),
}

impl Hooks {
    /// Serves until it is told to stop, or makes a key.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match (self.action, self.serve) {
            (Some(Action::NewKey(new_key)), _) => new_key.run(),
            (None, Some(serve)) => Ok(match serve.run().await {
                Ok(()) => ExitCode::SUCCESS,
                // An error of a server is a line of its log, in the log's format.
                Err(error) => {
                    tracing::error!("berth hooks ends: {error:#}");
                    Exit::Error.into()
                }
            }),
            (None, None) => {
                let missing = UsageError("say what to serve with --serve, or make a key with new-key".to_owned());
                Envelope::error(&missing.into()).print(Output::Text)
            }
        }
    }
}

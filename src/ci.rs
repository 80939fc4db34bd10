//! `berth ci`: the deploy step of a job of GitHub Actions. It reads the event, sends a push, a close or a release, waits for its
//! end, and writes where GitHub shows it: the log, the step's outputs and the summary of the run.
//!
//! - `job`, `event`: the job's variables, and what its event asks for
//! - `image`, `pushed`: the images and variables of a push
//! - `deliver`: the message, and the questions until it has ended; by `hooks` and `token` through berth hooks, or by `direct`
//! - `judge`: the exit code
//! - `commands`, `log`, `files`, `summary`: the ways of GitHub to show something

use std::{process::ExitCode, time::Instant};

use clap::{Args, Subcommand};

use crate::{
    arguments::{ClientArgs, Patience, app},
    envelope::{Envelope, Output},
    exit,
};

mod answer;
mod commands;
mod deliver;
mod direct;
mod event;
mod files;
mod hooks;
mod image;
mod job;
mod judge;
mod log;
mod nonce;
mod pushed;
mod run;
mod summary;
mod task;
mod token;
mod unanswered;
mod way;

use judge::Require;
use run::Step;

/// The connection of a job, and what it writes.
const LONG_ABOUT: &str = "\
Deploy, close or release from a job of GitHub Actions.

With --hooks the job needs no credential: it shows berth hooks a token of GitHub's, for which it needs the permission id-token: \
write. Without --hooks it finds Temporal as every command does, by TEMPORAL_*.

It writes a line of the log for each change, the outputs outcome, url, temporal_dashboard_url and rollout (GITHUB_OUTPUT), and the \
verdict into the summary of the run (GITHUB_STEP_SUMMARY).";

/// Deploy, close or release from a job of GitHub Actions
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = exit::ci_help())]
pub(crate) struct Ci {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Roll out the head of the pull request that the job runs for, or close its environment if the event closes it
    #[command(after_help = exit::ci_help())]
    Preview(JobArgs),
    /// Hand the commit of the job in as a release of production
    #[command(after_help = exit::ci_help())]
    Release(JobArgs),
}

/// Arguments of a step. An empty text counts as none: an action passes its inputs on, whether they are given or not.
#[derive(Debug, Args)]
struct JobArgs {
    /// The app's name, as in its app file
    #[arg(value_parser = app)]
    app: String,
    /// The image, by digest: repository:tag@sha256:…, or a repository with --digest; once more for each image that the app file
    /// names: NAME=repository@sha256:…. One value may have several, on lines of their own. A close needs none
    #[arg(long = "image", value_name = "[NAME=]IMAGE")]
    images: Vec<String>,
    /// The image's tag, if --image has none
    #[arg(long, default_value = "", hide_default_value = true)]
    tag: String,
    /// The image's digest, if --image has none: sha256:…
    #[arg(long, default_value = "", hide_default_value = true)]
    digest: String,
    /// A variable that the app file leaves to pushes. A name alone takes the job's variable of that name, and through hooks those
    /// of GitHub come by themselves. One value may have several, on lines of their own. They are public
    #[arg(long = "set", value_name = "NAME[=VALUE]")]
    variables: Vec<String>,
    /// The public URL of berth hooks
    #[arg(long, env = "BERTH_HOOKS_URL", value_name = "URL", default_value = "", hide_default_value = true)]
    hooks: String,
    /// The public URL that berth hooks names itself by, if the job reaches it by another one
    #[arg(long, env = "BERTH_HOOKS_AUDIENCE", value_name = "URL", default_value = "", hide_default_value = true)]
    audience: String,
    /// The outcome without which the step fails
    #[arg(long, value_enum)]
    require: Option<Require>,
    #[command(flatten)]
    patience: Patience,
}

impl Ci {
    /// Runs the step, and prints its answer.
    ///
    /// # Errors
    /// Standard output, or a file of the step, cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (args, is_release) = match &self.action {
            Action::Preview(args) => (args, false),
            Action::Release(args) => (args, true),
        };
        let step = Step { args, is_release, client: &self.client, begun: Instant::now() };
        let envelope: Envelope = Box::pin(step.run()).await?;
        match self.client.output {
            // The log has said it.
            Output::Text => Ok(envelope.exit_code.into()),
            Output::Json => envelope.print(Output::Json),
        }
    }
}

//! What can be said to `berth preview`, checked before anybody is asked.

use std::time::Duration;

use berth_workflows::contract::{
    environment::{MAX_PR, PullRequest},
    release::{Commit, Image, Name},
    script::{Argument, RunScript, ScriptName},
    signals::Push,
};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Roll a commit out, and wait until it is live or it is clear why it will not be.
    Push(PushArgs),
    /// Roll the newest release out again, with today's secrets and manifests, and wait until it is live or it is clear why
    /// it will not be.
    Redeploy(RedeployArgs),
    /// Let one commit of a fork be rolled out, and wait as for a push.
    Approve(ApproveArgs),
    /// Close the environment, and wait until nothing of it is left.
    Close(CloseArgs),
    /// Wait until the environment is live, or gone, whoever asked for it.
    Wait(WaitArgs),
    /// Run one of the app's scripts by hand, with the image, secrets and rights of what serves, and show what it writes
    #[command(after_help = crate::exit::RUN_HELP)]
    Run(RunArgs),
    /// Show one environment.
    Status(PullRequestArgs),
    /// Show all environments.
    List {
        /// Only those of this app.
        #[arg(long, value_parser = app)]
        app: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct PullRequestArgs {
    /// The app, as the platform team has named it.
    #[arg(value_parser = app)]
    app: String,
    /// The pull request's number.
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MAX_PR))]
    pr: u64,
}

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The commit's hash.
    #[arg(long, value_parser = commit)]
    pub(super) commit: Commit,
    /// The image that was built from it, by digest: repository:tag@sha256:…
    #[arg(long, value_parser = |text: &str| Image::try_from(text.to_owned()))]
    image: Image,
    /// The CI run's number: a push with a lower one than already seen is skipped.
    #[arg(long)]
    sequence: Option<u64>,
    /// Who pushed.
    #[arg(long, value_parser = name)]
    author: Option<Name>,
    /// The branch.
    #[arg(long, value_parser = name)]
    branch: Option<Name>,
    /// The commit comes from a fork: it waits for an approval.
    #[arg(long)]
    fork: bool,
    /// The pull request is a draft: the push is skipped.
    #[arg(long)]
    draft: bool,
    /// Return as soon as Temporal has the push.
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct RedeployArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// Return as soon as Temporal has the redeploy.
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The commit's whole hash: only the one that waits can be approved, so that a later push cannot ride on it.
    #[arg(long, value_parser = commit)]
    pub(super) commit: Commit,
    /// Who approves. A claim, not a proof.
    #[arg(long, value_parser = name)]
    pub(super) by: Option<Name>,
    /// Return as soon as Temporal has the approval.
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct CloseArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The CI run's number: a close with a lower one than already seen is ignored.
    #[arg(long)]
    pub(super) sequence: Option<u64>,
    /// Return as soon as Temporal has the close.
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The commit that is to be live. With it, an environment that is not there yet is waited for, too.
    #[arg(long, value_parser = commit)]
    pub(super) commit: Option<Commit>,
    /// What to wait for.
    #[arg(long = "for", value_enum, default_value_t = Goal::Live)]
    pub(super) goal: Goal,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The script, as the app file allows it.
    #[arg(value_parser = |text: &str| ScriptName::try_from(text.to_owned()))]
    script: ScriptName,
    /// Its arguments, each one word for it; no shell reads them. What follows the script's name is the script's.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_parser = |text: &str| Argument::try_from(text.to_owned()))]
    args: Vec<Argument>,
    /// Show the end of its output at the end only.
    #[arg(long)]
    pub(super) no_follow: bool,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Goal {
    /// The commit, or else the newest push, serves
    Live,
    /// Nothing of the environment is left
    Gone,
}

#[derive(Debug, Args)]
pub(super) struct Patience {
    /// How long to wait before giving up with exit code 5: 90s, 15m, 1h30m.
    #[arg(long, value_parser = duration, default_value = "30m")]
    pub(super) timeout: Duration,
}

impl PullRequestArgs {
    pub(super) fn input(&self) -> PullRequest {
        PullRequest::new(&self.app, self.pr)
    }
}

impl RunArgs {
    /// What is asked of the environment.
    ///
    /// # Errors
    /// There are too many arguments.
    pub(super) fn script(&self) -> anyhow::Result<RunScript> {
        let args = self.args.clone().try_into().map_err(anyhow::Error::msg)?;
        Ok(RunScript { name: self.script.clone(), args })
    }
}

impl PushArgs {
    pub(super) fn payload(&self) -> Push {
        Push {
            commit: self.commit.clone(),
            image: self.image.clone(),
            sequence: self.sequence,
            author: self.author.clone(),
            branch: self.branch.clone(),
            fork: self.fork,
            draft: self.draft,
        }
    }
}

fn app(text: &str) -> Result<String, String> {
    PullRequest::new(text, 1).check().map(|()| text.to_owned())
}

fn commit(text: &str) -> Result<Commit, String> {
    Commit::try_from(text.to_owned())
}

fn name(text: &str) -> Result<Name, String> {
    Name::try_from(text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: Result<berth_manifests::app::Span, _> = text.parse();
    span.map(berth_manifests::app::Span::as_duration)
}

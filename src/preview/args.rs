//! Arguments of `berth preview`, checked before a request is sent.

use anyhow::anyhow;
use berth_workflows::contract::{
    cron_name::CronName,
    environment::{MAX_PR, PullRequest},
    release::{Commit, Image, Name},
    run_script::{Argument, RunScript, ScriptName},
    signals::Push,
};
use clap::{Args, Subcommand, ValueEnum};

use crate::{
    arguments::{Patience, PushedArgs, app, commit, image, name},
    exit::{self, UsageError},
};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Roll out a commit, and wait until it is live or it is clear why it will not be
    #[command(after_help = exit::help(exit::PUSH))]
    Push(PushArgs),
    /// Roll out the newest release again, with the current secrets and manifests, and wait as for a push
    #[command(after_help = exit::help(exit::STATUS))]
    Redeploy(RedeployArgs),
    /// Let one commit of a fork be rolled out, and wait as for a push
    #[command(after_help = exit::help(exit::PUSH))]
    Approve(ApproveArgs),
    /// Close the environment, and wait until nothing of it is left
    #[command(after_help = exit::help(exit::CLOSE))]
    Close(CloseArgs),
    /// Wait until the environment is live, or gone
    ///
    /// With --commit the wait ends with the outcome of that commit, whatever else is pushed meanwhile. An approval is waited for.
    /// A commit that waits for the end of a draft or for a label is skipped.
    #[command(after_help = exit::help(exit::PUSH))]
    Wait(WaitArgs),
    /// Run one of the app's scripts, or a `CronJob`, with image, secrets and rights of the serving release, and show its output
    #[command(after_help = exit::script_help())]
    Run(RunArgs),
    /// Show one environment
    #[command(after_help = exit::help(exit::STATUS))]
    Status(PullRequestArgs),
    /// Show all environments
    #[command(after_help = exit::help(exit::PLAIN))]
    List {
        /// Show environments of this app only
        #[arg(long, value_parser = app)]
        app: Option<String>,
    },
}

impl Action {
    /// The environment that the command is about, unless it is about all.
    pub(super) fn pull_request(&self) -> Option<&PullRequestArgs> {
        match self {
            Self::Push(push) => Some(&push.pull_request),
            Self::Redeploy(redeploy) => Some(&redeploy.pull_request),
            Self::Approve(approve) => Some(&approve.pull_request),
            Self::Close(close) => Some(&close.pull_request),
            Self::Wait(wait) => Some(&wait.pull_request),
            Self::Run(run) => Some(&run.pull_request),
            Self::Status(pull_request) => Some(pull_request),
            Self::List { .. } => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct PullRequestArgs {
    /// The app's name, as in its app file
    #[arg(value_parser = app)]
    app: String,
    /// The pull request's number
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MAX_PR))]
    pr: u64,
}

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The commit's hash
    #[arg(long, value_parser = commit)]
    pub(super) commit: Commit,
    #[command(flatten)]
    pushed: PushedArgs,
    /// The CI run's id, on GitHub `github.run_id`: a push with a lower one than already seen is skipped
    #[arg(long)]
    sequence: Option<u64>,
    /// The author of the push
    #[arg(long, value_parser = name)]
    author: Option<Name>,
    /// The branch
    #[arg(long, value_parser = name)]
    branch: Option<Name>,
    /// Mark the commit as a fork's: it waits for an approval
    #[arg(long)]
    fork: bool,
    /// Mark the pull request as a draft: the push waits until it is ready for review
    #[arg(long)]
    draft: bool,
    /// Return as soon as Temporal has the push
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct RedeployArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// Return as soon as Temporal has the redeploy
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The full hash of the commit that waits: an approval never covers a later push
    #[arg(long, value_parser = commit)]
    pub(super) commit: Commit,
    /// The image that waits with the commit, as it was pushed: needed if the commit was pushed with several
    #[arg(long, value_parser = image)]
    pub(super) image: Option<Image>,
    /// The name of the approver: a claim, not a proof
    #[arg(long, value_parser = name)]
    pub(super) by: Option<Name>,
    /// Return as soon as Temporal has the approval
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct CloseArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The CI run's id, on GitHub `github.run_id`: a close with a lower one than already seen is ignored
    #[arg(long)]
    pub(super) sequence: Option<u64>,
    /// Return as soon as Temporal has the close
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The commit to wait for, or its first digits, even if its environment does not exist yet
    #[arg(long, value_parser = commit)]
    pub(super) commit: Option<Commit>,
    /// The goal to wait for
    #[arg(long = "for", value_enum, default_value_t = Goal::Live)]
    pub(super) goal: Goal,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) pull_request: PullRequestArgs,
    /// The script's name, as in the app file
    #[arg(value_parser = |text: &str| ScriptName::try_from(text.to_owned()), required_unless_present = "cron")]
    script: Option<ScriptName>,
    /// Arguments for the script, one word each; no shell reads them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_parser = |text: &str| Argument::try_from(text.to_owned()))]
    args: Vec<Argument>,
    /// Run this `CronJob` of the manifests once, also while it is suspended: its name in the cluster, or without `$KUBE_APP-`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["script", "args"],
        value_parser = |text: &str| CronName::try_from(text.to_owned()))]
    cron: Option<CronName>,
    /// Show only the end of the output, when the script has ended
    #[arg(long)]
    pub(super) no_follow: bool,
}

/// The goal of `wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Goal {
    /// The commit, or without one the newest push, serves
    Live,
    /// Nothing of the environment is left
    Gone,
}

impl PullRequestArgs {
    pub(super) fn input(&self) -> PullRequest {
        PullRequest::new(&self.app, self.pr)
    }
}

impl RunArgs {
    /// The input of the update `run_script`.
    ///
    /// # Errors
    /// There are too many arguments, or neither a script nor a `CronJob`.
    pub(super) fn script(&self) -> anyhow::Result<RunScript> {
        let args = self.args.clone().try_into().map_err(anyhow::Error::msg)?;
        match (&self.cron, &self.script) {
            (Some(cron), _) => Ok(RunScript::CronJob { cron: cron.clone() }),
            (None, Some(name)) => Ok(RunScript::Script { name: name.clone(), args }),
            (None, None) => Err(anyhow!("name a script, or a CronJob with --cron")),
        }
    }
}

impl PushArgs {
    /// The message.
    ///
    /// # Errors
    /// The images or variables are wrong.
    pub(super) fn payload(&self) -> Result<Push, UsageError> {
        Ok(Push {
            sequence: self.sequence,
            author: self.author.clone(),
            branch: self.branch.clone(),
            fork: self.fork,
            draft: self.draft,
            ..self.pushed.read()?.into_push(self.commit.clone())
        })
    }
}

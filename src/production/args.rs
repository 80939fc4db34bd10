//! Arguments of `berth production`, checked before a request is sent.

use berth_workflows::contract::{
    production::Production,
    release::{Commit, Name},
};
use clap::{Args, Subcommand, ValueEnum};

use crate::{
    arguments::{Patience, PushedArgs, app, commit, name},
    exit,
};

mod payload;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Hand a release in, and wait until it is live or it is clear why it will not be
    #[command(after_help = exit::help(exit::RELEASE))]
    Release(ReleaseArgs),
    /// Let the release that waits be rolled out, as its plan says
    #[command(after_help = exit::help(exit::ANSWER))]
    Approve(ApproveArgs),
    /// Drop the release that waits
    #[command(after_help = exit::help(exit::ANSWER))]
    Reject(RejectArgs),
    /// Make an earlier release serve again, before everything else, and wait until it does
    #[command(after_help = exit::help(exit::RELEASE))]
    Rollback(RollbackArgs),
    /// Hold releases: they keep arriving, and none begins
    #[command(after_help = exit::help(exit::ANSWER))]
    Freeze(FreezeArgs),
    /// Let releases go on, with the newest one
    #[command(after_help = exit::help(exit::ANSWER))]
    Unfreeze(UnfreezeArgs),
    /// Roll out the release that serves again, with the current secrets and manifests, and wait as for a release
    #[command(after_help = exit::help(exit::RELEASE))]
    Redeploy(RedeployArgs),
    /// Show the plan of the release that is next: the changes that it would make
    #[command(after_help = exit::help(exit::PLAN))]
    Plan(PlanArgs),
    /// Show production
    #[command(after_help = exit::help(exit::STATUS))]
    Status(AppArgs),
    /// List the stored releases, newest first, as your kubeconfig may read them
    #[command(after_help = exit::help(exit::HISTORY))]
    History(HistoryArgs),
    /// Make a stored release serve while Temporal is away, with your kubeconfig
    ///
    /// Applies the release as it is stored in the namespace: its objects, its images and its secrets, but no Job. The
    /// record in the namespace says so, and production begins frozen when its workflow runs again.
    #[command(after_help = exit::help(exit::RESTORE))]
    Restore(RestoreArgs),
    /// Wait for a release, also through an approval or a freeze
    #[command(after_help = exit::help(exit::WAIT))]
    Wait(WaitArgs),
}

impl Action {
    /// The app that the command is about.
    pub(super) fn app(&self) -> &AppArgs {
        match self {
            Self::Release(ReleaseArgs { app, .. })
            | Self::Approve(ApproveArgs { app, .. })
            | Self::Reject(RejectArgs { app, .. })
            | Self::Rollback(RollbackArgs { app, .. })
            | Self::Freeze(FreezeArgs { app, .. })
            | Self::Unfreeze(UnfreezeArgs { app, .. })
            | Self::Redeploy(RedeployArgs { app, .. })
            | Self::Plan(PlanArgs { app, .. })
            | Self::Status(app)
            | Self::History(HistoryArgs { app, .. })
            | Self::Restore(RestoreArgs { app, .. })
            | Self::Wait(WaitArgs { app, .. }) => app,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct AppArgs {
    /// The app's name, as in its app file
    #[arg(value_parser = app)]
    pub(super) app: String,
}

#[derive(Debug, Args)]
pub(super) struct ByArgs {
    /// Your name: a claim, not a proof. Default: `$GITHUB_ACTOR`, then `$USER`
    #[arg(long, value_parser = name)]
    by: Option<Name>,
}

#[derive(Debug, Args)]
pub(super) struct WaitingArgs {
    /// Return as soon as production has answered
    #[arg(long)]
    pub(super) no_wait: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The commit's hash
    #[arg(long, value_parser = commit)]
    pub(super) commit: Commit,
    #[command(flatten)]
    pushed: PushedArgs,
    /// The CI run's id, on GitHub `github.run_id`: a release with a lower one than already seen is superseded
    #[arg(long)]
    sequence: Option<u64>,
    /// The author of the release
    #[arg(long, value_parser = name)]
    author: Option<Name>,
    /// The branch
    #[arg(long, value_parser = name)]
    branch: Option<Name>,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The release's number
    #[arg(long)]
    release: u64,
    /// The id of the plan: a plan that has changed meanwhile is not approved
    #[arg(long)]
    plan: String,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The release's number
    #[arg(long)]
    release: u64,
    /// The reason, for everybody who looks
    #[arg(long, value_parser = name)]
    reason: Option<Name>,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The number of a stored release. Default: the last one before what serves that was live and differs from it
    #[arg(long)]
    pub(super) to: Option<u64>,
    /// The reason, for everybody who looks
    #[arg(long, value_parser = name)]
    reason: Option<Name>,
    /// The secrets to run with. Default: the stored ones for the release that served directly before, else the current ones
    #[arg(long, value_enum)]
    secrets: Option<SecretsArg>,
    /// Let queued releases go on afterwards, instead of freezing them
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SecretsArg {
    /// Secrets that the release ran with
    Stored,
    /// Doppler's, as they are now
    Current,
}

#[derive(Debug, Args)]
pub(super) struct FreezeArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The reason, for everybody who looks
    #[arg(long, value_parser = name)]
    reason: Name,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
pub(super) struct UnfreezeArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
pub(super) struct RedeployArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The release's number. Default: the one that is next
    #[arg(long)]
    pub(super) release: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The Kubernetes namespace of production, if Temporal is not to be asked for it
    #[arg(long)]
    pub(super) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The release's number. Default: the last one that was proven
    #[arg(long)]
    pub(super) release: Option<u64>,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    pub(super) waiting: WaitingArgs,
}

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    #[command(flatten)]
    pub(super) app: AppArgs,
    /// The release's number. Default: the newest release
    #[arg(long, conflicts_with = "commit")]
    pub(super) release: Option<u64>,
    /// The commit to wait for, or its first digits, even if it has not been released yet
    #[arg(long, value_parser = commit)]
    pub(super) commit: Option<Commit>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

impl AppArgs {
    pub(super) fn input(&self) -> Production {
        Production::new(&self.app)
    }
}

//! Messages that the arguments become.

use std::env;

use berth_workflows::contract::{
    production::{ApproveRelease, Freeze, RejectRelease, Rollback, SecretsChoice, Unfreeze},
    release::Name,
    signals::{Push, Redeploy},
};

use super::{
    Action, ApproveArgs, ByArgs, FreezeArgs, RedeployArgs, RejectArgs, ReleaseArgs, RestoreArgs, RollbackArgs,
    SecretsArg, UnfreezeArgs,
};
use crate::exit::UsageError;

/// The variables with the caller's name, if `--by` is left out: CI's first, then a person's shell.
const CALLER: [&str; 2] = ["GITHUB_ACTOR", "USER"];

impl Action {
    /// Checks that the caller has a name where the message needs one.
    ///
    /// # Errors
    /// It is not known.
    pub(crate) fn check_caller(&self) -> anyhow::Result<()> {
        let by = match self {
            Self::Approve(ApproveArgs { by, .. })
            | Self::Reject(RejectArgs { by, .. })
            | Self::Rollback(RollbackArgs { by, .. })
            | Self::Freeze(FreezeArgs { by, .. })
            | Self::Unfreeze(UnfreezeArgs { by, .. })
            | Self::Restore(RestoreArgs { by, .. }) => by,
            _ => return Ok(()),
        };
        by.name().map(drop)
    }
}

impl ByArgs {
    /// The name of the caller.
    ///
    /// # Errors
    /// It is not known.
    fn name(&self) -> anyhow::Result<Name> {
        let said = self.by.clone();
        let from_environment = || {
            let mut values = CALLER.iter().filter_map(|name| env::var(name).ok()).filter(|value| !value.is_empty());
            values.find_map(|value| Name::try_from(value).ok())
        };
        let missing = || UsageError(format!("name yourself with --by NAME: {} are not set", CALLER.join(" and ")));
        Ok(said.or_else(from_environment).ok_or_else(missing)?)
    }
}

impl ReleaseArgs {
    pub(crate) fn payload(&self) -> Result<Push, UsageError> {
        Ok(Push {
            sequence: self.sequence,
            author: self.author.clone(),
            branch: self.branch.clone(),
            ..self.pushed.read()?.into_push(self.commit.clone())
        })
    }
}

impl ApproveArgs {
    pub(crate) fn payload(&self) -> anyhow::Result<ApproveRelease> {
        Ok(ApproveRelease { release: self.release, plan: self.plan.clone(), by: self.by.name()?, proof: None })
    }
}

impl RejectArgs {
    pub(crate) fn payload(&self) -> anyhow::Result<RejectRelease> {
        Ok(RejectRelease { release: self.release, by: self.by.name()?, reason: self.reason.clone(), proof: None })
    }
}

impl RollbackArgs {
    pub(crate) fn payload(&self) -> anyhow::Result<Rollback> {
        let secrets = self.secrets.map(|secrets| match secrets {
            SecretsArg::Stored => SecretsChoice::Stored,
            SecretsArg::Current => SecretsChoice::Current,
        });
        let Self { to, ref reason, keep_going, .. } = *self;
        Ok(Rollback { to, by: self.by.name()?, reason: reason.clone(), secrets, keep_going, proof: None })
    }
}

impl FreezeArgs {
    pub(crate) fn payload(&self) -> anyhow::Result<Freeze> {
        Ok(Freeze { reason: self.reason.clone(), by: self.by.name()?, proof: None })
    }
}

impl RestoreArgs {
    pub(crate) fn caller(&self) -> anyhow::Result<Name> {
        self.by.name()
    }
}

impl RedeployArgs {
    pub(crate) fn payload(&self) -> Redeploy {
        Redeploy { by: self.by.name().ok() }
    }
}

impl UnfreezeArgs {
    pub(crate) fn payload(&self) -> anyhow::Result<Unfreeze> {
        Ok(Unfreeze { by: self.by.name()?, proof: None })
    }
}

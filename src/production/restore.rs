//! `berth production restore`: a stored release serves again while Temporal is away.

use std::fmt::Write;

use anyhow::Context;
use berth_activities::production::{self, Restore};
use berth_workflows::contract::checks::Outcome;
use serde::Serialize;

use super::{args::RestoreArgs, observe::numbered};
use crate::{
    envelope::{Envelope, write_verdict},
    exit::Exit,
    kubeconfig,
};

/// The command's own object.
#[derive(Debug, Serialize)]
struct Restored<'a> {
    release: Option<u64>,
    namespace: &'a str,
    stored_release: &'a str,
    secret: &'a str,
    created: &'a [String],
    changed: &'a [String],
    unchanged: usize,
    notes: &'a [String],
}

/// Restores a release, and waits until it serves.
pub(super) async fn restore(args: &RestoreArgs) -> anyhow::Result<Envelope> {
    let client = kubeconfig::client().await.context("restoring needs a kubeconfig (KUBECONFIG)")?;
    let by = args.caller()?;
    let restored = production::restore(&client, &args.app.app, args.release, &by).await?;
    let patience = args.waiting.patience.timeout;
    if args.waiting.no_wait {
        return shown(&restored, Envelope::new("applied", Exit::Done));
    }
    let envelope = match production::await_restore(&client, &restored, patience).await? {
        Outcome::Complete => Envelope::new("live", Exit::Done),
        Outcome::Failed { verdict } => {
            let failed = Envelope::new("failed", Exit::Failed).complain(verdict.headline());
            let failed = failed.with_text(|out| write_verdict(out, &verdict));
            Envelope { verdict: Some(verdict), ..failed }
        }
        Outcome::NotObserved { reason, .. } => Envelope::new("not_observed", Exit::Waiting).complain(reason),
    };
    shown(&restored, envelope)
}

fn shown(restored: &Restore, envelope: Envelope) -> anyhow::Result<Envelope> {
    let Restore { environment, version, created, changed, unchanged, notes, .. } = restored;
    let envelope = Envelope { commit: Some(version.release.commit.to_string()), ..envelope };
    let envelope = envelope.with_text(|out| {
        writeln!(out, "restored {} in namespace {}", numbered(&version.release), environment.namespace)?;
        writeln!(out, "- {} created, {} changed, {unchanged} unchanged", created.len(), changed.len())?;
        notes.iter().try_for_each(|note| writeln!(out, "- {note}"))
    });
    let envelope = envelope.with_data(&Restored {
        release: version.release.number,
        namespace: &environment.namespace,
        stored_release: &version.stored_release,
        secret: &version.secrets.secret,
        created,
        changed,
        unchanged: *unchanged,
        notes,
    })?;
    Ok(envelope.with_remark("production is frozen when its workflow runs again: berth production unfreeze"))
}

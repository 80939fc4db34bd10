//! A rollback by hand: its target is found first, then what is rolling out is stopped for it.

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use super::{ProductionEnvironment, inbox::Receipt};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        preparation::SyncedSecrets,
        production::{Rollback, SecretsChoice},
        production_answer::ProductionAnswer,
        production_record::{FindRollbackInput, FoundRollback},
        verdict::FailureType,
    },
    failure::{self, Unfinished},
};

impl ProductionEnvironment {
    /// Takes a rollback in, and answers it. What is rolling out goes on until the target is known.
    pub(super) async fn take_rollback(ctx: &WorkflowContext<Self>, rollback: Rollback) -> ProductionAnswer {
        let is_early = !ctx.state(|s| s.state.is_recalled());
        if is_early && !Self::await_recall(ctx).await {
            let why = ctx.state(Self::why_not_recalled);
            return ProductionAnswer::refused(format!("{why}; with a kubeconfig: berth production restore"));
        }
        let receipt = if is_early { Receipt::Early } else { Receipt::Usual };
        if let Some(refusal) = ctx.state(|s| s.state.refuse_repeated(&rollback, receipt)) {
            return refusal;
        }
        match Self::find_rollback(ctx, &rollback).await {
            Ok(FoundRollback::Found { version, secrets, changed_keys }) => {
                let now = now_ms(ctx);
                let answer = ctx.state_mut(|s| {
                    s.has_news = true;
                    s.state.request_rollback(&rollback, *version, now)
                });
                ProductionAnswer { secrets: Some(secrets), changed_secrets: changed_keys, ..answer }
            }
            Ok(FoundRollback::None { reason }) => ProductionAnswer::refused(reason),
            Ok(FoundRollback::NeedsCurrentSecrets) => ProductionAnswer::refused("its secrets could not be chosen"),
            Err(Unfinished::Failed(verdict)) if verdict.failure == FailureType::SecretsUnavailable => {
                let why = verdict.headline();
                ProductionAnswer::refused(format!(
                    "{why}; with the secrets that the release ran with: secrets \"stored\""
                ))
            }
            Err(Unfinished::Failed(verdict)) => ProductionAnswer::refused(verdict.headline()),
            Err(Unfinished::Cancelled) => ProductionAnswer::refused("it was cancelled"),
        }
    }

    /// Finds the target, and the secrets that it is to run with.
    async fn find_rollback(ctx: &WorkflowContext<Self>, rollback: &Rollback) -> Result<FoundRollback, Unfinished> {
        let found = Self::look_for_rollback(ctx, rollback, rollback.secrets, None).await?;
        if found != FoundRollback::NeedsCurrentSecrets {
            return Ok(found);
        }
        let Some(environment) = ctx.state(|s| s.state.book.environment.clone()) else { return Ok(found) };
        let current = Self::sync_secrets(ctx, &environment, &WorkflowCancellationToken::new()).await?;
        Self::look_for_rollback(ctx, rollback, Some(SecretsChoice::Current), Some(current)).await
    }

    async fn look_for_rollback(
        ctx: &WorkflowContext<Self>,
        rollback: &Rollback,
        secrets: Option<SecretsChoice>,
        current: Option<SyncedSecrets>,
    ) -> Result<FoundRollback, Unfinished> {
        let find = ctx.state(|s| {
            let record = &s.state.record;
            Some(FindRollbackInput {
                environment: s.state.book.environment.clone()?,
                to: rollback.to,
                serving: record.live.clone(),
                served_before: record.served_before.as_ref().map(|before| before.stored_release.clone()),
                secrets,
                current,
            })
        });
        let Some(find) = find else {
            return Ok(FoundRollback::None { reason: "nothing has been released yet".to_owned() });
        };
        let to = rollback.to.map_or_else(|| "the last proven release".to_owned(), |to| format!("release {to}"));
        let options = options::record(&WorkflowCancellationToken::new(), format!("find {to}"));
        let found = ctx.execute_activity(activities::FindRollback, find, options).await;
        found.map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))
    }
}

//! A rollback by hand: its target is found first, then what is rolling out is stopped for it.

use std::pin::pin;

use futures::FutureExt;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::{
    ProductionEnvironment,
    inbox::Receipt,
    mailbox::{Letter, Message},
    state::State,
};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        preparation::SyncedSecrets,
        production::{Rollback, SecretsChoice},
        production_answer::{ProductionAnswer, ProductionOutcome},
        production_record::{FindRollbackInput, FoundRollback, ProductionRecord, StoredVersion},
        verdict::FailureType,
    },
    environment::{answers::detached, publish::publish},
    failure::{self, Unfinished},
};

/// How long a rollback waits for the record of the namespace. Later it might come on top of a restore by hand.
const PATIENCE_MS: u64 = 10_000;

/// The answer to a rollback whose target was still being looked for.
const REPLACED: &str = "a newer rollback has taken its place";

impl ProductionEnvironment {
    /// Lives production's life, and looks for the targets of rollbacks beside it: they wait for no step of it.
    pub(super) async fn finding_targets<T>(ctx: &WorkflowContext<Self>, life: impl Future<Output = T>) -> T {
        let (mut life, mut targets) = (pin!(life.fuse()), pin!(Self::find_targets(ctx).fuse()));
        select! {
            () = targets => {}
            ended = life => return ended,
        }
        life.await
    }

    /// Judges each rollback when its target is known, for ever. What is rolling out goes on until then, and no release begins.
    async fn find_targets(ctx: &WorkflowContext<Self>) {
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| s.next_rollback().is_some(), detached()).await;
            let Some(rollback) = ctx.state(Self::next_rollback) else { continue };
            let found = Self::find_unless_replaced(ctx, &rollback).await;
            let now = now_ms(ctx);
            ctx.state_mut(|s| {
                let answer = match found {
                    Some(found) => s.state.take_rollback(&rollback, found, now),
                    None => ProductionAnswer::new(ProductionOutcome::Superseded).because(REPLACED),
                };
                s.conclude_message(&answer);
                s.judge(now);
            });
            publish(ctx);
        }
    }

    /// Finds the target of a rollback, as [`ProductionEnvironment::find_rollback`]. None: a newer rollback has come.
    async fn find_unless_replaced(
        ctx: &WorkflowContext<Self>,
        rollback: &Rollback,
    ) -> Option<Result<FoundRollback, Unfinished>> {
        let token = WorkflowCancellationToken::new();
        let mut finding = pin!(Self::find_rollback(ctx, rollback, &token).fuse());
        select! {
            found = finding => Some(found),
            _ = ctx.wait_condition_with_options(|s| s.is_rollback_replaced(now_ms(ctx)), detached()) => {
                token.cancel();
                None
            }
        }
    }

    /// Whether a rollback waits behind the one that is looked for, and is not one that is refused unseen.
    fn is_rollback_replaced(&self, now_ms: u64) -> bool {
        let mut later = self.mailbox.later_rollbacks();
        later.any(|(rollback, letter)| self.state.refuse_late(rollback, letter, now_ms).is_none())
    }

    /// The rollback whose target is to be looked for.
    fn next_rollback(&self) -> Option<Rollback> {
        let next = self.mailbox.next().filter(|_| self.state.is_recalled())?;
        if let Message::Rollback(rollback) = &next.message { Some(rollback.clone()) } else { None }
    }

    /// Finds the target, and the secrets that it is to run with.
    async fn find_rollback(
        ctx: &WorkflowContext<Self>,
        rollback: &Rollback,
        token: &WorkflowCancellationToken,
    ) -> Result<FoundRollback, Unfinished> {
        let found = Self::look_for_rollback(ctx, rollback, (rollback.secrets, None), token).await?;
        if found != FoundRollback::NeedsCurrentSecrets {
            return Ok(found);
        }
        let Some(environment) = ctx.state(|s| s.state.book.environment.clone()) else { return Ok(found) };
        let current = Self::sync_secrets(ctx, &environment, token).await?;
        Self::look_for_rollback(ctx, rollback, (Some(SecretsChoice::Current), Some(current)), token).await
    }

    async fn look_for_rollback(
        ctx: &WorkflowContext<Self>,
        rollback: &Rollback,
        (secrets, current): (Option<SecretsChoice>, Option<SyncedSecrets>),
        token: &WorkflowCancellationToken,
    ) -> Result<FoundRollback, Unfinished> {
        let search = ctx.state(|s| s.state.search(rollback.to));
        let Some(search) = search else {
            return Ok(FoundRollback::None { reason: "nothing has been released yet".to_owned() });
        };
        let find = FindRollbackInput { secrets, current, ..search };
        let to = rollback.to.map_or_else(|| "the last proven release".to_owned(), |to| format!("release {to}"));
        let options = options::record(token, format!("find {to}"));
        let found = ctx.execute_activity(activities::FindRollback, find, options).await;
        found.map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))
    }
}

impl State {
    /// The search for the target of a rollback. A release that has begun is the one to go back from, and the one that is
    /// live served directly before it.
    fn search(&self, to: Option<u64>) -> Option<FindRollbackInput> {
        let ProductionRecord { begun, live, served_before, .. } = &self.record;
        let begun = begun.as_ref().filter(|begun| begun.rollback.is_none()).map(|begun| &begun.version);
        let number = |version: &StoredVersion| version.release.number;
        // A redeploy has the number of what is live: the same release served before it.
        let is_another = begun.is_some_and(|begun| live.as_ref().is_none_or(|live| number(live) != number(begun)));
        let before = if is_another { live } else { served_before };
        Some(FindRollbackInput {
            environment: self.book.environment.clone()?,
            to,
            serving: begun.or(live.as_ref()).cloned(),
            served_before: before.as_ref().map(|before| before.stored_release.clone()),
            secrets: None,
            current: None,
        })
    }

    /// The refusal of a rollback that is not looked at: it has waited for too long, or a reset has delivered it again.
    pub(super) fn refuse_late(&self, rollback: &Rollback, letter: &Letter, now_ms: u64) -> Option<ProductionAnswer> {
        let waited_ms = now_ms.saturating_sub(letter.at_ms);
        if letter.receipt == Receipt::Early && waited_ms > PATIENCE_MS {
            let why = format!("the record of the namespace could not be read for {} s", waited_ms / 1000);
            return Some(ProductionAnswer::refused(format!("{why}; roll back again if it is still meant")));
        }
        self.refuse_repeated(rollback, letter.receipt)
    }

    /// Takes a rollback in, as far as its target was found.
    fn take_rollback(
        &mut self,
        rollback: &Rollback,
        found: Result<FoundRollback, Unfinished>,
        now_ms: u64,
    ) -> ProductionAnswer {
        match found {
            Ok(FoundRollback::Found { version, secrets, changed_keys }) => {
                let answer = self.request_rollback(rollback, *version, now_ms);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        environment::arrival::Arrival,
        production_environment::harness::{Production, name},
    };

    /// The release that a rollback without a target goes back from, and the one that served before it.
    fn search(production: &Production) -> (Option<u64>, Option<String>) {
        let find = production.state.search(None).unwrap();
        (find.serving.and_then(|serving| serving.release.number), find.served_before)
    }

    #[test]
    fn rollback_during_a_rollout_goes_back_from_the_release_in_flight() {
        let mut production = Production::new();
        for (digit, sequence) in [('a', 1), ('b', 2)] {
            production.release(digit, sequence);
            production.live();
        }
        assert_eq!(search(&production), (Some(2), Some("stored-1".into())));
        production.release('c', 3);
        production.start();
        assert_eq!(search(&production), (Some(3), Some("stored-2".into())));
        production.break_down(true);
        assert_eq!(search(&production), (Some(3), Some("stored-2".into())), "its rollback is due");
        production.fail(true);
        assert_eq!(search(&production), (Some(2), Some("stored-1".into())), "the way back is in flight");
    }

    #[test]
    fn redeploy_keeps_the_release_that_served_before() {
        let mut production = Production::new();
        for (digit, sequence) in [('a', 1), ('b', 2)] {
            production.release(digit, sequence);
            production.live();
        }
        production.content = "-again";
        production.state.redeploy(Receipt::Usual);
        production.start();
        assert_eq!(search(&production), (Some(2), Some("stored-1".into())));
        production.succeed();
        assert_eq!(search(&production), (Some(2), Some("stored-1".into())));
    }

    #[test]
    fn rollback_that_waited_too_long_for_the_record_is_refused() {
        let rollback =
            Rollback { to: None, by: name("ops"), reason: None, secrets: None, keep_going: false, proof: None };
        let refused = |receipt, waited_ms| {
            let message = Message::Rollback(rollback.clone());
            let letter = Letter::new(message, Arrival::signal(1), receipt, 1000);
            State::default().refuse_late(&rollback, &letter, 1000 + waited_ms).is_some()
        };
        assert!(!refused(Receipt::Early, PATIENCE_MS) && refused(Receipt::Early, PATIENCE_MS + 1));
        assert!(!refused(Receipt::Usual, 10 * PATIENCE_MS), "behind another rollback it may wait");
    }
}

//! Waiting: for a message, or for the time of the next try.

use std::{pin::pin, time::Duration};

use futures::FutureExt;
use temporalio_workflow::{
    ContinueAsNewOptions, TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination,
    workflows::select,
};

use super::ProductionEnvironment;
use crate::{
    clock::now_ms,
    contract::production::Production,
    environment::{answers::detached, carry, publish::publish, reporting::resume_reporting},
};

impl ProductionEnvironment {
    /// Waits for a message, or until a time. The error is a continue-as-new: for a long history, or after a cancel, since
    /// a cancelled run is told so at every wait.
    pub(super) async fn wait(
        ctx: &WorkflowContext<Self>,
        production: &Production,
        until_ms: Option<u64>,
    ) -> Result<(), WorkflowTermination> {
        let is_due = || carry::is_due(ctx, &production.timings);
        if ctx.cancellation_token().is_cancelled() {
            if !ctx.state(|s| s.is_cancel_recorded) {
                Self::wait_until(ctx, until_ms.unwrap_or_default(), |s| s.has_news).await;
                return Ok(());
            }
            return Self::continue_when_idle(ctx, production).await;
        }
        // An error is a cancel, which is looked for next.
        let news = async {
            let _ =
                ctx.wait_condition(|s| s.has_news || (is_due() && s.mailbox.is_empty() && s.reporting.is_idle())).await;
        };
        match until_ms {
            None => news.await,
            Some(until_ms) => Self::race(ctx, until_ms, news).await,
        }
        Self::continue_if_due(ctx, production)
    }

    /// Continues as new once every message is judged and answered, unless there is news before.
    async fn continue_when_idle(
        ctx: &WorkflowContext<Self>,
        production: &Production,
    ) -> Result<(), WorkflowTermination> {
        // A write to GitHub would hold this up for as long as GitHub is away.
        ctx.state_mut(|s| s.reporting.end());
        let is_idle = |s: &Self| ctx.all_handlers_finished() && s.mailbox.is_empty() && s.reporting.is_idle();
        let _ = ctx.wait_condition_with_options(|s| s.has_news || is_idle(s), detached()).await;
        if ctx.state(|s| s.has_news) {
            resume_reporting(ctx);
            return Ok(());
        }
        Self::continue_as_new(ctx, production)
    }

    /// Continues as new if the history is long. Messages are not carried: they are judged first.
    ///
    /// It is due before a plan as well as in a wait: releases that follow each other closely never let a run wait.
    pub(super) fn continue_if_due(
        ctx: &WorkflowContext<Self>,
        production: &Production,
    ) -> Result<(), WorkflowTermination> {
        if carry::is_due(ctx, &production.timings)
            && ctx.state(|s| !s.has_news && s.mailbox.is_empty() && s.reporting.is_idle())
        {
            return Self::continue_as_new(ctx, production);
        }
        Ok(())
    }

    /// Lives production's life, and records a cancel at once, whatever the life waits for: what is rolling out may take hours.
    pub(super) async fn freezing_when_cancelled<T>(ctx: &WorkflowContext<Self>, life: impl Future<Output = T>) -> T {
        let mut life = pin!(life.fuse());
        select! {
            _ = ctx.cancelled() => {
                let now = now_ms(ctx);
                ctx.state_mut(|s| s.record_cancel_as_freeze(now));
                publish(ctx);
            }
            ended = life => return ended,
        }
        life.await
    }

    /// Waits until a time, or until something holds.
    pub(super) async fn wait_until(ctx: &WorkflowContext<Self>, until_ms: u64, holds: impl Fn(&Self) -> bool) {
        let held = async {
            let _ = ctx.wait_condition_with_options(holds, detached()).await;
        };
        Self::race(ctx, until_ms, held).await;
    }

    /// Waits for something, at most until a time.
    async fn race(ctx: &WorkflowContext<Self>, until_ms: u64, something: impl Future<Output = ()>) {
        let until = WorkflowCancellationToken::new();
        let pause = Duration::from_millis(until_ms.saturating_sub(now_ms(ctx)));
        let timer = TimerOptions::builder(pause).cancellation_token(until.clone());
        let mut something = pin!(something.fuse());
        select! {
            () = something => until.cancel(),
            _ = ctx.timer(timer.summary("before the next try".to_owned()).build()) => {}
        }
    }

    /// Continues with a fresh history and the same state.
    fn continue_as_new(ctx: &WorkflowContext<Self>, production: &Production) -> Result<(), WorkflowTermination> {
        let carried = carry::write(&ctx.state(|s| s.state.to_carry()))?;
        let next = Production { carried: Some(carried), ..production.clone() };
        ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())?;
        Ok(())
    }
}

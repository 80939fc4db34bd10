//! Proofs of production's messages. Each is checked before its message is judged.

use std::{convert::Infallible, pin::pin};

use futures::FutureExt;
use temporalio_workflow::{WorkflowContext, workflows::select};

use super::ProductionEnvironment;
use crate::{
    clock::now_ms,
    contract::production::Production,
    environment::{answers::detached, proofs::check_proof, publish::publish},
};

impl ProductionEnvironment {
    /// Lives production's life, and checks proofs beside it.
    pub(super) async fn checking_proofs<T>(
        ctx: &WorkflowContext<Self>,
        production: &Production,
        life: impl Future<Output = T>,
    ) -> T {
        let (mut life, mut checks) = (pin!(life.fuse()), pin!(Self::check_proofs(ctx, production).fuse()));
        select! {
            ended = life => ended,
            never = checks => match never {},
        }
    }

    /// Checks one proof after the other, for ever. Messages that wait for it are judged then.
    async fn check_proofs(ctx: &WorkflowContext<Self>, production: &Production) -> Infallible {
        let environment = production.workflow_id();
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| s.mailbox.awaits_check(), detached()).await;
            let Some(check) = ctx.state(|s| s.mailbox.next_check(&environment)) else { continue };
            let doubt = check_proof(ctx, check.clone()).await;
            let now = now_ms(ctx);
            ctx.state_mut(|s| {
                let name = s.mailbox.conclude_check(&check.proof, doubt.clone());
                if let (Some(name), Some(why)) = (name, doubt) {
                    s.state.notes.add(format!("{name}: its proof does not hold, so it is a claim: {why}"));
                }
                s.judge(now);
            });
            publish(ctx);
        }
    }
}

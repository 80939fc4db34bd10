//! The preview's database. It is made before the secrets, which contain its password.

use std::time::Duration;

use temporalio_workflow::WorkflowContext;

use super::Rollout;
use crate::{
    activity_options as options,
    clock::{now_ms, sleep},
    contract::{
        activity_definitions as activities,
        rollout_input::RolloutInput,
        verdict::{FailureType, Verdict},
    },
    failure::{self, Unfinished},
};

/// The first pause before an unavailable server is tried again. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Rollout {
    /// Makes the role and the isolated databases, if the environment has such. Waits while their server is unreachable,
    /// full or refuses, and reports why.
    pub(super) async fn ensure_database(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) -> Result<(), Unfinished> {
        let Some((name, server)) = rollout.environment.isolated_database() else { return Ok(()) };
        let seconds = Self::timings(ctx, rollout).database_seconds;
        let deadline_ms = now_ms(ctx) + seconds * 1000;
        let mut pause = FIRST_PAUSE;
        let mut has_waited = false;
        loop {
            let summary = format!("database {name} on {server}");
            let ready = ctx
                .execute_activity(
                    activities::EnsureDatabase,
                    rollout.environment.clone(),
                    options::ensure_database(&ctx.cancellation_token(), summary),
                )
                .await
                .map_err(|e| failure::from_activity(&e, FailureType::DatabaseUnavailable))?;
            let Some(why) = ready.unavailable else { break };
            if now_ms(ctx) >= deadline_ms {
                return Err(unavailable(&why, seconds));
            }
            Self::wait_for(ctx, rollout, Some(format!("the database server {server}: {why}"))).await;
            sleep(ctx, pause, &ctx.cancellation_token(), format!("before {server} is tried again")).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            has_waited = true;
        }
        if has_waited {
            Self::wait_for(ctx, rollout, None).await;
        }
        Ok(())
    }
}

fn unavailable(why: &str, seconds: u64) -> Unfinished {
    Verdict::new(FailureType::DatabaseUnavailable, format!("{why}; after {seconds} s of trying"))
        .advise("check the database server; then push again, or signal redeploy")
        .into()
}

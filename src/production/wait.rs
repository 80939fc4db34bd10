//! `release`, `redeploy`, `rollback` and `wait`: commands that wait until something has ended. Every answer of production
//! comes at once, and the wait is by query.

use std::time::{Duration, Instant};

use berth_workflows::{
    contract::{
        production_answer::{ProductionAnswer, ProductionOutcome},
        production_status::ProductionStatus,
    },
    production_environment::ProductionEnvironment,
};
use temporalio_client::Client;

use super::{
    Production,
    args::{AppArgs, RedeployArgs, ReleaseArgs, RollbackArgs, WaitArgs, WaitingArgs},
    decide::{self, People, Target},
    environment, observe, output, send,
};
use crate::{envelope::Envelope, exit::Exit, poll::Waited, seen::Seen};

impl Production {
    /// Hands a release in, and waits for its end.
    pub(super) async fn release(&self, client: &Client, release: &ReleaseArgs) -> anyhow::Result<Envelope> {
        let ReleaseArgs { app, waiting, commit, .. } = release;
        let begun = Instant::now();
        let message = ("release", ProductionEnvironment::answer_release, release.payload()?.into());
        let Some(answer) = self.send(client, app.input(), message, waiting.patience.timeout).await? else {
            let late = send::unanswered(&app.app, waiting.patience.timeout);
            return Ok(Envelope { commit: Some(commit.to_string()), ..late });
        };
        let target = answer.release.map_or_else(|| Target::Commit(commit.clone()), Target::Release);
        follow(client, app, waiting, begun, ("release", &answer, target)).await
    }

    /// Rolls the release that serves out again, and waits for its end.
    pub(super) async fn redeploy(&self, client: &Client, redeploy: &RedeployArgs) -> anyhow::Result<Envelope> {
        let RedeployArgs { app, waiting, .. } = redeploy;
        let begun = Instant::now();
        let message = ("redeploy", ProductionEnvironment::answer_redeploy, redeploy.payload().into());
        let Some(answer) = self.send(client, app.input(), message, waiting.patience.timeout).await? else {
            return Ok(send::unanswered(&app.app, waiting.patience.timeout));
        };
        let target = answer.release.map_or(Target::Newest, Target::Release);
        follow(client, app, waiting, begun, ("redeploy", &answer, target)).await
    }

    /// Rolls back, and waits until the earlier release serves.
    pub(super) async fn rollback(&self, client: &Client, rollback: &RollbackArgs) -> anyhow::Result<Envelope> {
        let RollbackArgs { app, waiting, .. } = rollback;
        let (id, handle) = environment(client, app);
        let (begun, timeout) = (Instant::now(), waiting.patience.timeout);
        let message = ("rollback", ProductionEnvironment::answer_rollback, rollback.payload()?.into());
        // A rollback must not wait for a status that cannot be had. Without one an earlier rollback may be taken for this.
        let before =
            tokio::time::timeout(timeout, observe::once(&handle, &id)).await.ok().and_then(Result::ok).flatten();
        let since = before.as_ref().map_or(0, |before| decide::newest_rollout(before));
        let Some(answer) = self.send(client, app.input(), message, left(timeout, begun)).await? else {
            return Ok(send::unanswered(&app.app, timeout));
        };
        let (false, ProductionOutcome::RollingBack, Some(to)) = (waiting.no_wait, answer.outcome, answer.release)
        else {
            return output::from_answer(&app.app, "rollback", &answer);
        };
        let decide = |status: Option<&ProductionStatus>| decide::rollback(status, to, since);
        let waited = observe::until(&handle, &id, left(timeout, begun), decide).await?;
        let is_frozen = waited.status.as_ref().is_some_and(|status| status.frozen.is_some());
        let mut shown = shown(app, &Target::Release(to), waited, timeout)?;
        if let Some(secrets) = output::secrets(&answer) {
            shown = shown.with_remark(&secrets);
        }
        if is_frozen {
            shown = shown.with_remark(&format!("berth production unfreeze {} lets queued releases go on", app.app));
        }
        Ok(shown)
    }
}

/// Waits for a release that was handed in elsewhere.
pub(super) async fn wait(client: &Client, wait: &WaitArgs) -> anyhow::Result<Envelope> {
    let (id, handle) = environment(client, &wait.app);
    let target = match (wait.release, &wait.commit) {
        (Some(release), _) => Target::Release(release),
        (None, Some(commit)) => Target::Commit(commit.clone()),
        (None, None) => Target::Newest,
    };
    let timeout = wait.patience.timeout;
    let decide = |status: Option<&ProductionStatus>| decide::release(status, &target, People::AreWaitedFor);
    let waited = observe::until(&handle, &id, timeout, decide).await?;
    shown(&wait.app, &target, waited, timeout)
}

/// Waits for the release of an answer, if it is on its way.
async fn follow(
    client: &Client,
    app: &AppArgs,
    waiting: &WaitingArgs,
    begun: Instant,
    (verb, answer, target): (&str, &ProductionAnswer, Target),
) -> anyhow::Result<Envelope> {
    use ProductionOutcome as Outcome;
    let is_on_its_way = matches!(answer.outcome, Outcome::Queued | Outcome::AwaitingApproval | Outcome::RollingOut);
    if waiting.no_wait || !is_on_its_way {
        return output::from_answer(&app.app, verb, answer);
    }
    let (id, handle) = environment(client, app);
    let timeout = waiting.patience.timeout;
    let decide = |status: Option<&ProductionStatus>| decide::release(status, &target, People::EndTheWait);
    let waited = observe::until(&handle, &id, left(timeout, begun), decide).await?;
    shown(app, &target, waited, timeout)
}

fn left(timeout: Duration, begun: Instant) -> Duration {
    timeout.saturating_sub(begun.elapsed())
}

/// The answer of a command that waited.
fn shown(
    app: &AppArgs,
    target: &Target,
    waited: Waited<Seen<ProductionStatus>>,
    timeout: Duration,
) -> anyhow::Result<Envelope> {
    let number = waited.status.as_ref().and_then(|status| decide::number_of(status, target));
    let trouble = waited.trouble.as_ref();
    match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, number, ending),
        (None, Some(_)) => Ok(output::not_found(&app.app)),
        (status, None) => {
            let shown = match &status {
                Some(status) => output::about(output::from_status(status)?, status, number),
                None => Envelope::new("", Exit::Waiting),
            };
            let release = number.map_or_else(String::new, |number| format!(" --release {number}"));
            let next = format!("berth production wait {}{release} waits on", app.app);
            Ok(shown.timed_out(timeout).with_trouble(trouble).with_remark(&next))
        }
    }
}

//! The first two steps of a rollout: reading the app, then making the namespace and fetching the secrets.

use std::iter::once;

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::join};

use super::Rollout;
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        environment::ClusterObject,
        load_app::LoadAppInput,
        preparation::{AwaitGoneInput, NamespaceReady, SyncedSecrets},
        rollout_input::RolloutInput,
        verdict::{FailureType, Verdict},
    },
    failure::{self, Unfinished},
};

/// How an attempt to prepare the environment ended.
enum Prepared {
    Ready(SyncedSecrets),
    /// A namespace of that name is still being deleted, for that reason.
    Terminating {
        uid: String,
        reason: String,
    },
}

impl Rollout {
    /// Reads the app, and has the environment record the cluster-scoped objects that will be made.
    pub(super) async fn load_app(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
    ) -> Result<Vec<ClusterObject>, Unfinished> {
        let environment = &rollout.environment;
        let load = LoadAppInput::rollout(rollout);
        let release = &rollout.release;
        let images = once(&release.image).chain(release.images.iter().map(|(_, image)| image));
        let repositories: Vec<_> = images.map(|image| image.repository.as_str()).collect();
        let summary = format!("read app {}; is {} allowed?", environment.app, repositories.join(", "));
        let loaded = Self::until_observed(ctx, rollout, async |_| {
            let options = options::load_app(&ctx.cancellation_token(), summary.as_str());
            let loaded = ctx.execute_activity(activities::LoadApp, load.clone(), options).await;
            loaded.map_err(|e| failure::from_activity(&e, FailureType::UnknownApp))
        })
        .await?;
        ctx.state_mut(|s| {
            s.app_timings = loaded.timings;
            s.notes.extend(loaded.timings.iter().flat_map(|app| rollout.timings.not_in_force(app)));
        });
        Self::record_cluster_objects(ctx, rollout, &loaded.cluster_objects).await?;
        Ok(loaded.cluster_objects)
    }

    /// Makes the namespace and fetches the secrets. Waits until an older namespace of that name is gone, and reports it.
    pub(super) async fn prepare(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
    ) -> Result<SyncedSecrets, Unfinished> {
        let deadline_ms = now_ms(ctx) + options::NAMESPACE_GONE_SECONDS * 1000;
        loop {
            match Self::until_observed(ctx, rollout, async |_| Self::prepare_once(ctx, rollout).await).await? {
                Prepared::Ready(secrets) => return Ok(secrets),
                Prepared::Terminating { uid, reason } => {
                    Self::await_namespace_gone(ctx, rollout, uid, reason, deadline_ms).await?;
                }
            }
        }
    }

    async fn prepare_once(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) -> Result<Prepared, Unfinished> {
        // A failure of either stops the other, so that the verdict comes at once.
        let token = ctx.cancellation_token().child_token();
        if rollout.environment.isolated_database().is_some() {
            // In sequence: the secrets contain the database's password, which is stored in the namespace.
            let ready = Self::ensure_namespace(ctx, rollout, &token).await;
            let synced = match &ready {
                Ok(ready) if ready.terminating.is_none() => match Self::ensure_database(ctx, rollout).await {
                    Ok(()) => Self::sync_secrets(ctx, rollout, &token).await,
                    Err(stop) => Err(stop),
                },
                _ => Err(Unfinished::Cancelled),
            };
            return Self::combine(ctx, ready, synced);
        }
        let namespace = async {
            let ready = Self::ensure_namespace(ctx, rollout, &token).await;
            if ready.as_ref().map_or(true, |ready| ready.terminating.is_some()) {
                token.cancel();
            }
            ready
        };
        let secrets = async {
            let synced = Self::sync_secrets(ctx, rollout, &token).await;
            if synced.is_err() {
                token.cancel();
            }
            synced
        };
        let (ready, synced) = join!(namespace, secrets);
        Self::combine(ctx, ready, synced)
    }

    async fn ensure_namespace(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        token: &WorkflowCancellationToken,
    ) -> Result<NamespaceReady, Unfinished> {
        let environment = &rollout.environment;
        let options = options::ensure_namespace(token, format!("namespace {}", environment.namespace));
        let ready = ctx.execute_activity(activities::EnsureNamespace, environment.clone(), options).await;
        ready.map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))
    }

    async fn sync_secrets(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        token: &WorkflowCancellationToken,
    ) -> Result<SyncedSecrets, Unfinished> {
        let environment = &rollout.environment;
        let options = options::sync_secrets(token, format!("secrets of {} from Doppler", environment.app));
        let synced = ctx.execute_activity(activities::SyncSecrets, environment.clone(), options).await;
        synced.map_err(|e| failure::from_activity(&e, FailureType::SecretsUnavailable))
    }

    fn combine(
        ctx: &WorkflowContext<Self>,
        ready: Result<NamespaceReady, Unfinished>,
        synced: Result<SyncedSecrets, Unfinished>,
    ) -> Result<Prepared, Unfinished> {
        if let Ok(NamespaceReady { uid, terminating: Some(reason), .. }) = &ready {
            return match synced {
                // The secrets failed by themselves, not because they were stopped.
                Err(Unfinished::Failed(verdict)) => Err(Unfinished::Failed(verdict)),
                // The rollout was cancelled meanwhile.
                Err(Unfinished::Cancelled) if ctx.cancellation_token().is_cancelled() => Err(Unfinished::Cancelled),
                _ => Ok(Prepared::Terminating { uid: uid.clone(), reason: reason.clone() }),
            };
        }
        if let Ok(ready) = &ready {
            ctx.state_mut(|s| {
                s.made.namespace_uid = Some(ready.uid.clone());
                s.namespace_is_new |= ready.created;
            });
        }
        if let Ok(synced) = &synced {
            ctx.state_mut(|s| s.made.secrets = Some(synced.clone()));
        }
        match (ready, synced) {
            (Ok(_), synced) => synced.map(Prepared::Ready),
            // The failure, not the activity that was stopped because of it.
            (Err(Unfinished::Cancelled), Err(other)) => Err(other),
            (Err(stop), _) => Err(stop),
        }
    }

    /// Waits until a namespace under deletion is gone, and reports meanwhile why it is not.
    async fn await_namespace_gone(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        uid: String,
        mut reason: String,
        deadline_ms: u64,
    ) -> Result<(), Unfinished> {
        let namespace = &rollout.environment.namespace;
        loop {
            Self::wait_for(ctx, rollout, Some(format!("the old namespace {namespace} to be gone: {reason}"))).await;
            let wait = AwaitGoneInput { namespace: namespace.clone(), uid: uid.clone(), said: reason.clone() };
            let summary = format!("wait for the old namespace {namespace} to be gone");
            let seen = ctx
                .execute_activity(
                    activities::AwaitNamespaceGone,
                    wait,
                    options::await_namespace_gone(&ctx.cancellation_token(), summary),
                )
                .await
                .map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))?;
            match seen.terminating {
                None => break,
                Some(still) if now_ms(ctx) >= deadline_ms => return Err(never_gone(namespace, &still)),
                Some(still) => reason = still,
            }
        }
        Self::wait_for(ctx, rollout, None).await;
        Ok(())
    }
}

fn never_gone(namespace: &str, reason: &str) -> Unfinished {
    let seconds = options::NAMESPACE_GONE_SECONDS;
    Verdict::new(
        FailureType::KubernetesDenied,
        format!("namespace {namespace} is still being deleted after {seconds} s: {reason}"),
    )
    .advise(format!(
        "find the blocking finalizer: kubectl get namespace {namespace} -o yaml; then push again, or signal redeploy"
    ))
    .into()
}

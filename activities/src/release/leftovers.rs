//! What earlier rollouts have left behind under names of their own: stored releases, Secrets with values, plans, and
//! `PriorityClass`es. After a rollout that succeeds, prune removes them. A sweep removes them also where no rollout does: it
//! takes place beside the apply of the next release.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{
    StreamExt, TryStreamExt,
    future::{self, Either},
    stream,
};
use k8s_openapi::{
    api::core::v1::Secret,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, PartialObjectMeta},
};
use serde_json::Value;

use berth_manifests::render::KINDS;
use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{fence::Fence, guarded_delete::delete, kind_api::api_for_kind, labels, references::References},
    release::proven::newest,
};

/// Deletes in flight. Beyond this number the API server's own fairness begins to queue them.
const CONCURRENCY: usize = 16;
/// The most objects that one sweep removes. An apply leaves fewer, so that their number falls.
const MAX_SWEPT: usize = 100;
/// Beyond this number earlier sweeps were cut off: a rollout leaves fewer objects.
const BACKLOG: usize = 10;
/// The time that a sweep has after the work beside it, where there is such a backlog.
const BACKLOG_TIME: Duration = Duration::from_millis(500);
/// The age from which a Secret of production is swept. There a plan, or the search for a release to go back to, may store one
/// beside a rollout.
const PRODUCTION_AGE: SignedDuration = SignedDuration::from_mins(10);
/// The age from which a part without its head is a leftover. Before, the head may still come.
const PART_AGE: SignedDuration = SignedDuration::from_mins(10);

type Listed = PartialObjectMeta<Secret>;
type Class = PartialObjectMeta<DynamicObject>;

/// Stored releases that stay.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Their names.
    pub names: BTreeSet<String>,
    /// How many proven ones stay besides, newest first.
    pub proven: usize,
}

/// The content-named Secrets of a namespace.
pub(super) struct Contents {
    listed: Vec<Listed>,
    /// The stored releases that stay, and the Secrets that they need.
    kept: BTreeSet<String>,
}

impl Contents {
    /// Lists the Secrets, and decides which ones stay.
    ///
    /// # Errors
    /// The API server's.
    pub(super) async fn list(client: &Client, namespace: &str, kept: &Kept) -> Result<Self, Failure> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let listed = secrets.list_metadata(&ListParams::default().labels(labels::CONTENT)).await;
        let listed = listed.map_err(|e| Failure::kubernetes("listing Secrets", e))?.items;
        let mut names = kept.names.clone();
        names.extend(newest(&listed, kept.proven));
        let releases = listed.iter().filter(|secret| names.contains(&secret.name_any()));
        let needed: Vec<_> =
            releases.filter_map(|release| release.annotations().get(labels::SECRET_OF_RELEASE).cloned()).collect();
        names.extend(needed);
        Ok(Self { listed, kept: names })
    }

    /// Returns the Secrets that are left over. Pods may still need those with values ([`needs_look`]).
    fn leftovers(self, now: Timestamp) -> Vec<Listed> {
        let Self { listed, kept } = self;
        let names: BTreeSet<String> = listed.iter().map(ResourceExt::name_any).collect();
        let is_left = |secret: &Listed| {
            let of = |key: &str| secret.annotations().get(key);
            match content(secret) {
                Some(labels::RELEASE_PART) => of(labels::PART_OF).is_none_or(|head| {
                    !kept.contains(head) && (names.contains(head) || is_older(secret, PART_AGE, now))
                }),
                Some(labels::PLAN) => of(labels::PLAN_OF).is_none_or(|release| !kept.contains(release)),
                _ => !kept.contains(&secret.name_any()),
            }
        };
        listed.into_iter().filter(|secret| secret.metadata.deletion_timestamp.is_none() && is_left(secret)).collect()
    }
}

fn content(secret: &Listed) -> Option<&str> {
    secret.labels().get(labels::CONTENT).map(String::as_str)
}

/// Returns whether pods read the Secret.
fn needs_look(secret: &Listed) -> bool {
    !matches!(content(secret), Some(labels::RELEASE | labels::RELEASE_PART | labels::PLAN))
}

fn is_older(secret: &Listed, age: SignedDuration, now: Timestamp) -> bool {
    secret.metadata.creation_timestamp.as_ref().is_some_and(|created| now.duration_since(created.0) > age)
}

/// Removes the Secrets that no release and no pod needs. Returns their names.
///
/// Idempotent: removed ones are not listed again.
///
/// # Errors
/// The API server's.
pub(super) async fn remove_contents(
    client: &Client,
    namespace: &str,
    contents: Contents,
) -> Result<Vec<String>, Failure> {
    let mut left = contents.leftovers(Timestamp::now());
    if left.iter().any(needs_look) {
        let references = References::find(client, namespace).await?;
        left.retain(|secret| !needs_look(secret) || !references.secrets.contains(&secret.name_any()));
    }
    delete_secrets(client, namespace, left).await
}

async fn delete_secrets(client: &Client, namespace: &str, left: Vec<Listed>) -> Result<Vec<String>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secrets = &secrets;
    let deletes = left.into_iter().map(async |secret| {
        delete(secrets, &secret.metadata, "Secret").await?;
        Ok(format!("Secret/{}", secret.name_any()))
    });
    let deletes: Vec<_> = deletes.collect();
    stream::iter(deletes).buffered(CONCURRENCY).try_collect().await
}

/// A sweep beside the apply of a release.
pub(crate) struct Sweep<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) kept: Kept,
    /// Objects of the release that is applied, and of the one that serves. Their classes and Secrets stay.
    pub(crate) objects: Vec<&'a Value>,
    pub(crate) secrets: [&'a str; 2],
    /// The fence of the rollout. Objects of a newer one stay.
    pub(crate) fence: Option<Fence>,
    /// Set if more is left than one rollout leaves.
    pub(crate) backlog: &'a AtomicBool,
}

/// Does the work, and a sweep beside it. Nothing waits for a sweep, unless earlier ones did not get as far as they had to:
/// then it has a moment more.
pub(crate) async fn beside<T>(
    work: impl Future<Output = T>,
    sweep: impl Future<Output = ()>,
    backlog: &AtomicBool,
) -> T {
    futures::pin_mut!(work, sweep);
    match future::select(sweep, work).await {
        Either::Left(((), work)) => work.await,
        Either::Right((done, sweep)) => {
            if backlog.load(Ordering::Relaxed) {
                // A sweep that is cut off goes on with the next apply.
                _ = tokio::time::timeout(BACKLOG_TIME, sweep).await;
            }
            done
        }
    }
}

/// Removes what no release needs, and no pod, pod template or `ReplicaSet` with replicas. A failure is logged: the next sweep
/// goes on.
///
/// Safe to drop at any moment.
pub(crate) async fn sweep(context: Context<'_>, sweep: Sweep<'_>) {
    if let Err(failure) = try_sweep(context, &sweep).await {
        tracing::warn!("leftovers of {} were not removed: {failure}", sweep.environment.namespace);
    }
}

async fn try_sweep(context: Context<'_>, sweep: &Sweep<'_>) -> Result<(), Failure> {
    let (client, environment, now) = (context.client, sweep.environment, Timestamp::now());
    let contents = Contents::list(client, &environment.namespace, &sweep.kept);
    let (contents, mut classes) = future::try_join(contents, classes(context, sweep)).await?;
    let mut left = contents.leftovers(now);
    left.retain(|secret| !sweep.secrets.contains(&&*secret.name_any()));
    if environment.kind == EnvironmentKind::Production {
        left.retain(|secret| is_older(secret, PRODUCTION_AGE, now));
    }
    if left.iter().any(needs_look) || !classes.is_empty() {
        let references = References::find(client, &environment.namespace).await?;
        left.retain(|secret| !needs_look(secret) || !references.secrets.contains(&secret.name_any()));
        classes.retain(|class| !references.priority_classes.contains(&class.name_any()));
    }
    sweep.backlog.store(left.len() + classes.len() > BACKLOG, Ordering::Relaxed);
    left.truncate(MAX_SWEPT);
    classes.truncate(MAX_SWEPT);
    let secrets = delete_secrets(client, &environment.namespace, left);
    future::try_join(secrets, delete_classes(client, &classes)).await.map(drop)
}

async fn delete_classes(client: &Client, classes: &[Class]) -> Result<(), Failure> {
    let Some(kind) = class_kind() else { return Ok(()) };
    let api = api_for_kind(client, kind, "");
    let deletes: Vec<_> = classes.iter().map(|class| delete(&api, &class.metadata, &kind.kind)).collect();
    stream::iter(deletes).buffered(CONCURRENCY).try_collect().await
}

fn class_kind() -> Option<&'static berth_manifests::render::Kind> {
    KINDS.iter().find(|kind| kind.kind == "PriorityClass")
}

/// Returns the environment's `PriorityClass`es that neither release has. An environment without a record of one has none.
async fn classes(context: Context<'_>, sweep: &Sweep<'_>) -> Result<Vec<Class>, Failure> {
    let Some(kind) = class_kind().filter(|_| !sweep.environment.cluster_objects.is_empty()) else {
        return Ok(Vec::new());
    };
    let api = api_for_kind(context.client, kind, "");
    let own = labels::owner_selector(sweep.environment, &context.settings.installation);
    let listed = api.list_metadata(&ListParams::default().labels(&own)).await;
    let mut classes = listed.map_err(|e| Failure::kubernetes(format!("listing {}", kind.plural), e))?.items;
    classes.retain(|class| {
        let is_kept = sweep
            .objects
            .iter()
            .any(|object| object["kind"] == *kind.kind && object["metadata"]["name"] == *class.name_any());
        let is_newer = sweep.fence.is_some_and(|fence| fence.is_behind(class.labels()));
        !is_kept && !is_newer && class.metadata.deletion_timestamp.is_none()
    });
    Ok(classes)
}

#[cfg(test)]
mod tests;

//! The activity `find_rollback`: the stored release that a rollback by hand leads to.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PartialObjectMeta},
};
use serde_json::Value;

use berth_workflows::contract::{
    environment::Environment,
    production::SecretsChoice,
    production_record::{FindRollbackInput, FoundRollback, StoredVersion},
};

use super::plan_release::changed_keys;
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::labels,
    release::{apply_release::difference::content, proven::proven_at, stored_release::StoredRelease},
};

/// A stored release that a rollback may lead to.
type Stored = PartialObjectMeta<Secret>;

/// Finds the release, and the secrets that it is to run with.
///
/// Idempotent: it writes nothing but a content-named Secret, if the release is to run with the current secrets.
///
/// # Errors
/// The stored releases cannot be read, or the one is damaged.
pub async fn find_rollback(context: Context<'_>, find: &FindRollbackInput) -> Result<FoundRollback, Failure> {
    let environment = &find.environment;
    let stored = proven(context, environment).await?;
    let serving = match &find.serving {
        Some(serving) => StoredRelease::find(context.client, &environment.namespace, &serving.stored_release).await?,
        None => None,
    };
    let Some((name, release)) = choose(context, find, &stored, serving.as_ref()).await? else {
        return Ok(FoundRollback::None { reason: nothing(find, &stored) });
    };
    let is_before = find.served_before.as_deref() == Some(name.as_str());
    let secrets = find.secrets.unwrap_or(if is_before { SecretsChoice::Stored } else { SecretsChoice::Current });
    let (name, release) = match (secrets, &find.current) {
        (SecretsChoice::Stored, _) => (name, release),
        (SecretsChoice::Current, None) => return Ok(FoundRollback::NeedsCurrentSecrets),
        (SecretsChoice::Current, Some(current)) => {
            let renewed = release.with_secrets(current);
            let stored = renewed.to_secrets(environment, &context.settings.installation).await?;
            stored.create(context.client).await?;
            (stored.name(), renewed)
        }
    };
    let changed_keys = changed_keys(context.client, environment, serving.as_ref(), &release).await?;
    let Some(version) = release.version else {
        return Ok(FoundRollback::None { reason: format!("stored release {name} is not one of production") });
    };
    let version = StoredVersion { release: version.release, stored_release: name, secrets: version.secrets };
    Ok(FoundRollback::Found { version: Box::new(version), secrets, changed_keys })
}

/// Returns the stored releases of production that were proven, the last proven one first. Others are plans, which may have
/// been rejected, or have failed.
pub(super) async fn proven(context: Context<'_>, environment: &Environment) -> Result<Vec<Stored>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &environment.namespace);
    let selector = format!("{}={}", labels::CONTENT, labels::RELEASE);
    let listed = secrets
        .list_metadata(&ListParams::default().labels(&selector))
        .await
        .map_err(|e| Failure::kubernetes("listing stored releases", e))?;
    let own = |stored: &Stored| labels::belongs_to(stored.labels(), environment, &context.settings.installation);
    let mut stored: Vec<_> = (listed.items.into_iter().filter(own))
        .filter_map(|one| Some(((proven_at(&one)?, number(&one)?), one)))
        .collect();
    stored.sort_by_key(|(proven, _)| std::cmp::Reverse(*proven));
    Ok(stored.into_iter().map(|(_, one)| one).collect())
}

pub(super) fn number(stored: &Stored) -> Option<u64> {
    stored.annotations().get(labels::RELEASE_NUMBER)?.parse().ok()
}

/// Returns the release of the number that is asked for, or the last proven one before what serves that differs from it. A
/// rollback never leads forward by itself: what it has left behind was proven as well.
async fn choose(
    context: Context<'_>,
    find: &FindRollbackInput,
    stored: &[Stored],
    serving: Option<&StoredRelease>,
) -> Result<Option<(String, StoredRelease)>, Failure> {
    let is_serving =
        |one: &Stored| find.serving.as_ref().is_some_and(|serving| serving.stored_release == one.name_any());
    let newest = find.serving.as_ref().and_then(|serving| serving.release.number).unwrap_or(u64::MAX);
    for one in stored {
        let fits = match find.to {
            Some(to) => number(one) == Some(to),
            None => number(one).is_some_and(|number| number <= newest) && !is_serving(one),
        };
        if !fits {
            continue;
        }
        let release = StoredRelease::load(context.client, &find.environment.namespace, &one.name_any()).await?;
        if find.to.is_some() || serving.is_none_or(|serving| differs(serving, &release)) {
            return Ok(Some((one.name_any(), release)));
        }
    }
    Ok(None)
}

/// Returns whether images or manifests differ. Neither secrets count, which may be what is broken, nor the number that each
/// rollout renders into them.
fn differs(serving: &StoredRelease, other: &StoredRelease) -> bool {
    let contents = |release: &StoredRelease| -> Vec<_> {
        let comparable = release.comparable();
        comparable.objects.iter().filter(|object| !is_pull_secret(object)).map(content).collect()
    };
    contents(serving) != contents(other) || serving.pod_security != other.pod_security
}

/// Returns whether an object has the credentials of a registry. They are no manifest, and change by themselves.
fn is_pull_secret(object: &Value) -> bool {
    let kind = object["type"].as_str().unwrap_or_default();
    object["kind"] == "Secret" && kind.starts_with("kubernetes.io/dockerc")
}

fn nothing(find: &FindRollbackInput, stored: &[Stored]) -> String {
    let mut numbers: Vec<u64> = stored.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    let there = if numbers.is_empty() { "none was".to_owned() } else { format!("these were: {}", numbers.join(", ")) };
    match find.to {
        Some(to) => format!("no stored release {to} was ever live; {there}"),
        None => format!("no release before the one that serves was live and differs from it; {there}"),
    }
}

//! Kinds outside berth's table, which an app file allows: the cluster describes them.

use berth_manifests::render::{ENVIRONMENT_ROLE_NAME, Kind, Object, group_and_version, rule_for};
use berth_workflows::contract::verdict::FailureType;
use kube::{
    Client,
    core::GroupVersionKind,
    discovery::{ApiCapabilities, ApiResource, Scope, oneshot},
    error::DiscoveryError,
};

use crate::failure::Failure;

/// Returns the kind of an object: from berth's table, else as the cluster describes it.
///
/// # Errors
/// Permanent: `ManifestInvalid` if the cluster has no such kind, `PolicyDenied` if it is cluster-scoped.
pub(crate) async fn kind_of(client: &Client, object: &Object) -> Result<Kind, Failure> {
    if let Some(kind) = object.known_kind() {
        return Ok(kind.clone());
    }
    let (api_version, kind) = (object.api_version(), object.kind());
    let Some(found) = look_up_kind(client, api_version, kind).await? else {
        let message = format!("{kind}/{}: the cluster has no kind {kind} of {api_version}", object.name());
        return Err(Failure::permanent(FailureType::ManifestInvalid, message));
    };
    if !found.namespaced {
        let message =
            format!("{kind}/{}: the kind is cluster-scoped, and `kinds` allows namespaced ones", object.name());
        return Err(Failure::permanent(FailureType::PolicyDenied, message));
    }
    Ok(found)
}

/// Returns the kind as the cluster describes it, or `None` if the cluster has no such kind.
///
/// # Errors
/// The API server's.
pub async fn look_up_kind(client: &Client, api_version: &str, kind: &str) -> Result<Option<Kind>, Failure> {
    let (group, version) = group_and_version(api_version);
    let gvk = GroupVersionKind::gvk(group, version, kind);
    // Boxed, because few objects need it and every object carries its size.
    let found = Box::pin(oneshot::pinned_kind(client, &gvk)).await;
    Ok(known(found, api_version)?.map(|found| described(&found)))
}

/// Returns a kind by its name in an `ApplySet`, `Kind.group`, in the version that the cluster prefers. `None` if it has no such
/// kind any more: its objects are gone as well.
pub(crate) async fn find(client: &Client, group_kind: &str) -> Result<Option<Kind>, Failure> {
    let (kind, group) = group_kind.split_once('.').unwrap_or((group_kind, ""));
    let described_group = known(Box::pin(oneshot::group(client, group)).await, group)?;
    Ok(described_group.and_then(|group| group.recommended_kind(kind)).map(|found| described(&found)))
}

/// Adds to a refusal the rule that berth lacks, if the kind is not one that its role has from the start.
pub(crate) fn explain_refusal(failure: Failure, kind: &Kind) -> Failure {
    let is_known = Kind::find(&kind.api_version(), &kind.kind).is_some();
    match failure {
        Failure::Transient { failure: FailureType::KubernetesDenied, message, retry_after, source } if !is_known => {
            let rule = rule_for(kind);
            let message = format!(
                "{message}. An administrator gives the ClusterRole `{ENVIRONMENT_ROLE_NAME}` this rule: {rule}"
            );
            Failure::Transient { failure: FailureType::KubernetesDenied, message, retry_after, source }
        }
        other => other,
    }
}

fn described((resource, capabilities): &(ApiResource, ApiCapabilities)) -> Kind {
    let namespaced = capabilities.scope == Scope::Namespaced;
    Kind::described(&resource.group, &resource.version, &resource.kind, &resource.plural, namespaced)
}

/// Returns `None` for what the cluster does not have.
fn known<T>(answer: kube::Result<T>, what: &str) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Discovery(
            DiscoveryError::MissingKind(_) | DiscoveryError::MissingApiGroup(_) | DiscoveryError::MissingResource(_),
        )) => Ok(None),
        Err(e) => Err(Failure::kubernetes(format!("looking {what} up"), e)),
    }
}

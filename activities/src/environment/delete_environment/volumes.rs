//! Volumes that outlive the claims of a removed namespace.

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, Client, ResourceExt, api::ListParams};

use berth_workflows::contract::teardown::Remaining;

use super::objects::is_plain;
use crate::{failure::Failure, kubernetes::permitted::permitted};

/// Returns an entry for each volume with the reclaim policy `Retain` that was bound to a claim of the namespace. Volumes
/// are read after the claims are gone, so that every attempt names them. Returns none if berth may not list volumes.
pub(super) async fn retained(client: &Client, namespace: &str) -> Result<Vec<Remaining>, Failure> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let listed = permitted(volumes.list(&ListParams::default()).await, || "listing persistentvolumes".to_owned())?;
    Ok(listed.into_iter().flat_map(|listed| listed.items).filter_map(|volume| entry(&volume, namespace)).collect())
}

fn entry(volume: &PersistentVolume, namespace: &str) -> Option<Remaining> {
    let spec = volume.spec.as_ref()?;
    let claim = spec.claim_ref.as_ref()?;
    // A claim without a UID was never bound: an administrator keeps the volume for it.
    let was_bound = claim.namespace.as_deref() == Some(namespace) && claim.uid.is_some();
    if !was_bound || spec.persistent_volume_reclaim_policy.as_deref() != Some("Retain") {
        return None;
    }
    let (name, claim) = (volume.name_any(), claim.name.as_deref().unwrap_or_default());
    Some(Remaining {
        object: format!("PersistentVolume/{name}"),
        reason: format!("is kept with its data by its reclaim policy Retain; it was bound to the claim {claim}"),
        command: if is_plain(&name) { format!("kubectl delete persistentvolume {name}") } else { String::new() },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn named(policy: &str, claim: &Value) -> Option<String> {
        let volume = json!({"metadata": {"name": "data-1"},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}});
        entry(&serde_json::from_value(volume).unwrap(), "pr-1").map(|entry| entry.object)
    }

    #[test]
    fn volume_is_named_if_it_was_bound_in_the_namespace_and_is_retained() {
        let claim = json!({"namespace": "pr-1", "name": "data", "uid": "u-1"});
        assert_eq!(named("Retain", &claim).unwrap(), "PersistentVolume/data-1");
        assert_eq!(named("Delete", &claim), None);
        assert_eq!(named("Retain", &json!({"namespace": "pr-2", "name": "data", "uid": "u-1"})), None);
        assert_eq!(named("Retain", &json!({"namespace": "pr-1", "name": "data"})), None, "it was never bound");
        assert_eq!(named("Retain", &Value::Null), None);
    }
}

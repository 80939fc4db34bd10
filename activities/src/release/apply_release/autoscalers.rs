//! Numbers of replicas that a `HorizontalPodAutoscaler` sets. The live number is applied while it targets the workload: the
//! manifest's would scale it back at each push.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Value, json};

use super::{Scope, replicas::Replicas, target::Target};
use crate::{failure::Failure, kubernetes::labels, release::stored_release::StoredRelease};

/// Kinds of workloads that an autoscaler may target.
const SCALABLE: [&str; 2] = ["Deployment", "StatefulSet"];

/// The ranges, by kind and name of the workload.
type Ranges = BTreeMap<(String, String), Replicas>;

/// Finds the autoscalers of objects: those of the release, and those that somebody else made. One of an earlier release goes
/// with the prune, and does not count.
///
/// The API server is asked only if the apply would change a number of replicas.
pub(super) async fn find(scope: Scope<'_>, targets: &mut [Target], release: &StoredRelease) -> Result<(), Failure> {
    if !targets.iter().any(changes_replicas) {
        return Ok(());
    }
    let mut ranges = Ranges::new();
    for document in release.objects.iter().filter(|document| document["kind"] == "HorizontalPodAutoscaler") {
        ranges.extend(range(document));
    }
    let autoscalers: Api<HorizontalPodAutoscaler> =
        Api::namespaced(scope.context.client.clone(), &scope.environment.namespace);
    let listed = autoscalers.list(&ListParams::default()).await;
    let listed = listed.map_err(|e| Failure::kubernetes("listing horizontalpodautoscalers", e))?;
    let installation = &scope.context.settings.installation;
    let foreign =
        listed.items.iter().filter(|found| !labels::belongs_to(found.labels(), scope.environment, installation));
    for found in foreign {
        ranges.extend(range(&json!(found)));
    }
    for target in targets {
        let key = (target.object.kind().to_owned(), target.object.name().to_owned());
        target.replicas = ranges.get(&key).cloned();
    }
    Ok(())
}

/// Returns whether the apply would change the replicas of a workload.
fn changes_replicas(target: &Target) -> bool {
    let Some(live) = target.live.as_ref().filter(|_| SCALABLE.contains(&target.object.kind())) else { return false };
    match target.object.document.pointer("/spec/replicas") {
        Some(wanted) => live.data.pointer("/spec/replicas") != Some(wanted),
        // A number that an earlier apply has set goes to 1.
        None => live.managed_fields().iter().any(|entry| {
            let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
            entry.manager.as_deref() == Some(labels::FIELD_MANAGER)
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
                && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
        }),
    }
}

/// Returns the workload that an autoscaler targets, with its range.
fn range(autoscaler: &Value) -> Option<((String, String), Replicas)> {
    let spec = &autoscaler["spec"];
    let target = |field: &str| spec["scaleTargetRef"][field].as_str().map(str::to_owned);
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    Some(((target("kind")?, target("name")?), Replicas(least..=spec["maxReplicas"].as_i64()?)))
}

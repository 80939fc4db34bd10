//! The default requests of a preview's containers, beside the `LimitRange`s of its manifests.
//!
//! Kubernetes goes through the `LimitRange`s of a namespace in any order, and the first default that it meets counts. berth's
//! request could come before a smaller limit, a larger minimum, or a ratio of the manifests'. So berth has a default only
//! where no other `LimitRange` has one.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::LimitRange;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::{Map, Value, json};

use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use super::ensure_namespace::{apply, object};
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac},
};

/// The default request of each resource. A quota on requests refuses pods without any. There are no default limits: they
/// would refuse a container with larger requests, and kill one that needs more.
const REQUESTS: [(&str, &str); 2] = [("cpu", "50m"), ("memory", "64Mi")];
/// Fields of a limit from which Kubernetes takes a default request, by itself or in turn.
const GIVING: [&str; 4] = ["default", "defaultRequest", "max", "min"];

/// Applies berth's `LimitRange` to a namespace. `created` says that the namespace is new: it has no other one.
///
/// Idempotent. A `LimitRange` that is being deleted counts until it is gone.
///
/// # Errors
/// The API server's.
pub(super) async fn ensure(
    context: Context<'_>,
    environment: &Environment,
    rbac: Rbac,
    created: bool,
) -> Result<(), Failure> {
    let others = if created { Vec::new() } else { find_others(context, environment, rbac).await? };
    apply(context.client, rbac, &limit_range(context, environment, &others)).await.map(drop)
}

/// Changes berth's `LimitRange` so that it fits those of the namespace and those that are `coming`. Does nothing in
/// production, which has none of berth's.
///
/// Idempotent, as [`ensure`].
///
/// # Errors
/// The API server's.
pub(crate) async fn adapt(context: Context<'_>, environment: &Environment, coming: &[Value]) -> Result<(), Failure> {
    if environment.kind == EnvironmentKind::Production {
        return Ok(());
    }
    let mut others = find_others(context, environment, Rbac::InForce).await?;
    others.extend(coming.iter().filter(|document| is_limit_range(document)).cloned());
    apply(context.client, Rbac::InForce, &limit_range(context, environment, &others)).await.map(drop)
}

/// Returns the `LimitRange`s of the namespace besides berth's.
async fn find_others(context: Context<'_>, environment: &Environment, rbac: Rbac) -> Result<Vec<Value>, Failure> {
    let ranges: Api<LimitRange> = Api::namespaced(context.client.clone(), &environment.namespace);
    let params = ListParams::default();
    let listed = rbac.request(|| ranges.list(&params)).await;
    let listed = listed.map_err(|e| Failure::kubernetes("listing limitranges", e))?.items;
    let others = listed.iter().filter(|range| range.name_any() != labels::OWN_OBJECT);
    Ok(others.map(|range| json!(range)).collect())
}

/// Returns whether a document is a `LimitRange`.
pub(crate) fn is_limit_range(document: &Value) -> bool {
    document["kind"] == "LimitRange"
}

fn limit_range(context: Context<'_>, environment: &Environment, others: &[Value]) -> DynamicObject {
    object(context.settings, environment, "v1", "LimitRange", labels::OWN_OBJECT, spec(others))
}

/// Returns the body of berth's `LimitRange` beside others.
fn spec(others: &[Value]) -> Value {
    let covered: BTreeSet<String> = others.iter().flat_map(covered).collect();
    let requests = REQUESTS.iter().filter(|(resource, _)| !covered.contains(*resource));
    let requests: Map<String, Value> = requests.map(|(resource, amount)| ((*resource).into(), json!(amount))).collect();
    let mut limit = json!({"type": "Container"});
    if !requests.is_empty() {
        limit["defaultRequest"] = Value::Object(requests);
    }
    json!({"spec": {"limits": [limit]}})
}

/// Returns the resources for which a `LimitRange` has a default request.
fn covered(range: &Value) -> Vec<String> {
    let limits = range["spec"]["limits"].as_array().into_iter().flatten().filter(|limit| limit["type"] == "Container");
    let fields = limits.flat_map(|limit| GIVING.iter().filter_map(|field| limit[*field].as_object()));
    fields.flat_map(|resources| resources.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limits: Value) -> Value {
        json!({"kind": "LimitRange", "metadata": {"name": "web"}, "spec": {"limits": limits}})
    }

    #[test]
    fn request_is_left_to_a_limit_range_that_has_a_default() {
        let both = json!({"cpu": "50m", "memory": "64Mi"});
        for (limit, expected) in [
            (json!({"type": "Container", "default": {"memory": "48Mi"}}), json!({"cpu": "50m"})),
            (json!({"type": "Container", "defaultRequest": {"memory": "48Mi"}}), json!({"cpu": "50m"})),
            (json!({"type": "Container", "max": {"cpu": "1"}}), json!({"memory": "64Mi"})),
            (json!({"type": "Container", "min": {"memory": "1Gi", "cpu": "1"}}), Value::Null),
            (json!({"type": "Container", "maxLimitRequestRatio": {"memory": "2"}}), both.clone()),
            (json!({"type": "Pod", "max": {"memory": "48Mi"}}), both.clone()),
            (json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}), both.clone()),
        ] {
            assert_eq!(spec(&[range(json!([limit]))])["spec"]["limits"][0]["defaultRequest"], expected, "{limit}");
        }
        assert_eq!(spec(&[])["spec"]["limits"], json!([{"type": "Container", "defaultRequest": both}]));
    }
}

//! The `ConfigMap` that holds the record of production.

use std::collections::BTreeMap;

use berth_workflows::contract::{
    environment::Environment,
    exact,
    production_record::{ProductionRecord, Recalled},
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::Value;

use crate::{failure::Failure, kubernetes::labels};

/// The name of the `ConfigMap`.
pub(crate) const NAME: &str = "berth-production";
/// The key of the record, as JSON.
const KEY: &str = "record";

/// The API for the record of an environment.
pub(super) fn api(client: &Client, environment: &Environment) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &environment.namespace)
}

/// The record as it is in the namespace, with every part that another version of berth has written.
pub(super) struct Found {
    /// None if there is none yet.
    pub(super) record: Option<Value>,
    /// Its resourceVersion.
    pub(super) version: Option<String>,
}

/// Reads the record.
///
/// # Errors
/// As [`find`]. `KubernetesDenied`, permanent, if this version of berth does not know all of it: what is not known
/// would be lost with the next write.
pub(super) async fn read(api: &Api<ConfigMap>, owner: &BTreeMap<String, String>) -> Result<Recalled, Failure> {
    let Found { record, version } = find(api, owner).await?;
    let record = record.map(exact::decode::<ProductionRecord>).transpose().map_err(|why| {
        let message = format!("the record in ConfigMap/{NAME} was written by a newer berth, or by hand: {why}");
        Verdict::new(FailureType::KubernetesDenied, message)
            .advise("run that version of the worker again; an older one would lose a part of the record")
    })?;
    Ok(Recalled { record, version })
}

/// Finds the record.
///
/// # Errors
/// `KubernetesDenied`: retried if it cannot be read, permanent if its content is not JSON, or is not berth's.
pub(super) async fn find(api: &Api<ConfigMap>, owner: &BTreeMap<String, String>) -> Result<Found, Failure> {
    let found = api.get_opt(NAME).await.map_err(|e| Failure::kubernetes(format!("reading ConfigMap/{NAME}"), e))?;
    let Some(found) = found else { return Ok(Found { record: None, version: None }) };
    let damaged = |why: String| {
        let namespace = found.namespace().unwrap_or_default();
        Failure::from(
            Verdict::new(FailureType::KubernetesDenied, format!("ConfigMap/{NAME} of namespace {namespace}: {why}"))
                .advise(format!("look at it: kubectl get configmap {NAME} -n {namespace} -o yaml")),
        )
    };
    if !labels::is_same_owner(found.labels(), owner) {
        return Err(damaged("it does not belong to this production".to_owned()));
    }
    let json =
        found.data.as_ref().and_then(|data| data.get(KEY)).ok_or_else(|| damaged(format!("it has no key {KEY}")))?;
    let record = serde_json::from_str(json).map_err(|e| damaged(format!("its record is damaged: {e}")))?;
    Ok(Found { record: Some(record), version: found.resource_version() })
}

/// Builds the `ConfigMap` of a record. `version` is the resourceVersion that it replaces.
pub(super) fn build(
    record: &impl Serialize,
    owner: BTreeMap<String, String>,
    version: Option<&str>,
) -> Result<ConfigMap, Failure> {
    let json = serde_json::to_string_pretty(record)
        .map_err(|e| Failure::permanent(FailureType::KubernetesDenied, format!("the record is not JSON: {e}")))?;
    let mut map = ConfigMap { data: Some(BTreeMap::from([(KEY.to_owned(), json)])), ..ConfigMap::default() };
    map.metadata.name = Some(NAME.to_owned());
    map.metadata.labels = Some(owner);
    map.metadata.resource_version = version.map(str::to_owned);
    Ok(map)
}

/// Creates the record, or changes the version that was read. The API server refuses any other.
///
/// A patch, because the worker's role in an environment has no verb `update`.
pub(super) async fn write(api: &Api<ConfigMap>, map: &ConfigMap) -> kube::Result<ConfigMap> {
    let manager = Some(labels::FIELD_MANAGER.to_owned());
    if map.metadata.resource_version.is_none() {
        api.create(&PostParams { field_manager: manager, ..PostParams::default() }, map).await
    } else {
        let params = PatchParams { field_manager: manager, ..PatchParams::default() };
        api.patch(NAME, &params, &Patch::Merge(map)).await
    }
}

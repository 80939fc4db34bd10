//! The pull secrets of a release's `ServiceAccount`s. What others have put there stays.
//!
//! The list is one field for the API server: the last writer owns all of it. So an annotation has the names that are the
//! release's.

use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::target::Target;
use crate::kubernetes::labels;

/// Adds the entries of others to the document of a `ServiceAccount`, and notes those of the release.
pub(super) fn keep(document: &mut Value, target: &Target) {
    if target.object.kind() != "ServiceAccount" || !document.get("imagePullSecrets").is_none_or(Value::is_array) {
        return;
    }
    let own = names(&document["imagePullSecrets"]);
    if !own.is_empty() {
        document["metadata"]["annotations"][labels::PULL_SECRETS] = json!(own.join(","));
    }
    let theirs: Vec<_> = target.live.iter().flat_map(theirs).filter(|name| !own.contains(name)).collect();
    if theirs.is_empty() {
        return;
    }
    let all = own.into_iter().chain(theirs).map(|name| json!({"name": name}));
    document["imagePullSecrets"] = all.collect();
}

/// Returns the entries that are not of an earlier release. An account without a note is not berth's, or had none.
fn theirs(live: &DynamicObject) -> Vec<String> {
    let noted = live.annotations().get(labels::PULL_SECRETS).map(String::as_str).unwrap_or_default();
    let noted: Vec<_> = noted.split(',').collect();
    names(&live.data["imagePullSecrets"]).into_iter().filter(|name| !noted.contains(&name.as_str())).collect()
}

fn names(list: &Value) -> Vec<String> {
    let named = list.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    named.map(str::to_owned).collect()
}

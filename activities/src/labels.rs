//! How berth marks what is its own, and finds it again.

use std::collections::BTreeMap;

use berth_workflows::environment::Environment;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

/// The field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "berth";

/// The standard label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The app an object belongs to.
pub const APP: &str = "berth.dev/app";
/// The id of the one workflow that may write to a namespace and what is in it.
pub const WORKFLOW: &str = "berth.dev/workflow";
/// The installation of berth: several may share a cluster.
pub const INSTALLATION: &str = "berth.dev/installation";
/// What a content-named Secret holds: [`RELEASE`] or [`SECRETS`].
pub const CONTENT: &str = "berth.dev/content";
/// A Secret that holds a rendered release.
pub const RELEASE: &str = "release";
/// A Secret that holds an environment's secrets.
pub const SECRETS: &str = "secrets";
/// On a stored release: the Secret with the secrets that it runs with.
pub const SECRET_OF_RELEASE: &str = "berth.dev/secret";

/// kubectl's label on the parent of an `ApplySet`: its id.
pub const APPLYSET_ID: &str = "applyset.kubernetes.io/id";
/// kubectl's label on the members of an `ApplySet`: the parent's id.
pub const APPLYSET_PART_OF: &str = "applyset.kubernetes.io/part-of";
/// kubectl's annotation on the parent: which tool keeps the set.
pub const APPLYSET_TOOLING: &str = "applyset.kubernetes.io/tooling";
/// kubectl's annotation on the parent: the kinds of its members, `Kind.group`, sorted, with commas.
pub const APPLYSET_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The Secret that is the parent of an environment's `ApplySet`.
pub const APPLYSET_PARENT: &str = "berth-applyset";

/// The labels of everything in an environment: whose it is.
pub fn own(environment: &Environment, installation: &str) -> BTreeMap<String, String> {
    let Environment { app, workflow_id, .. } = environment;
    [(MANAGED_BY, "berth"), (APP, app), (WORKFLOW, workflow_id), (INSTALLATION, installation)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The same, on a content-named Secret: [`RELEASE`] or [`SECRETS`].
pub fn own_content(environment: &Environment, installation: &str, content: &str) -> BTreeMap<String, String> {
    let mut labels = own(environment, installation);
    labels.insert(CONTENT.to_owned(), content.to_owned());
    labels
}

/// The id of an environment's `ApplySet`, by kubectl's rule: from the parent's name, namespace, kind and group.
pub fn applyset_id(namespace: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let parent = format!("{APPLYSET_PARENT}.{namespace}.Secret.");
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(parent)))
}

/// Whether a namespace is that workflow's own.
pub fn is_owned_by(namespace: &Namespace, workflow_id: &str) -> bool {
    namespace.labels().get(MANAGED_BY).is_some_and(|by| by == "berth")
        && namespace.labels().get(WORKFLOW).is_some_and(|owner| owner == workflow_id)
}

/// The first `n` hexadecimal digits of a SHA-256: enough for a name, short enough to read.
pub fn short_hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_applyset_id_follows_kubectls_rule() {
        // kubectl's ID function: "applyset-" + base64url(sha256("name.namespace.kind.group")) + "-v1".
        let id = applyset_id("pr-123");
        assert!(id.starts_with("applyset-") && id.ends_with("-v1"));
        assert_eq!(id.len(), "applyset-".len() + 43 + "-v1".len());
        assert_ne!(id, applyset_id("pr-124"));
    }
}

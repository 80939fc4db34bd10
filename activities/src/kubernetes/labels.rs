//! Labels and annotations that mark berth's objects.

use std::collections::BTreeMap;

use berth_workflows::contract::environment::Environment;
use sha2::{Digest, Sha256};

/// The field manager of every server-side apply.
pub(crate) const FIELD_MANAGER: &str = "berth";

/// The standard label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The app of an object.
pub(crate) const APP: &str = "berth.dev/app";
/// The id of the only workflow that may write to a namespace and its objects.
pub(crate) const WORKFLOW: &str = "berth.dev/workflow";
/// The installation of berth. Several may share a cluster.
pub const INSTALLATION: &str = "berth.dev/installation";
/// The content of a content-named Secret: [`RELEASE`] or a part of one, [`SECRETS`], or a plan.
pub const CONTENT: &str = "berth.dev/content";
/// A Secret that holds a rendered release.
pub const RELEASE: &str = "release";
/// A Secret that holds further bytes of a large release.
pub(crate) const RELEASE_PART: &str = "release-part";
/// A Secret that holds an environment's secrets.
pub const SECRETS: &str = "secrets";
/// A Secret that holds the full difference of a plan.
pub(crate) const PLAN: &str = "plan";
/// The deploy id of the apply that wrote an object last. A label, see [`super::fence`].
pub(crate) const DEPLOY_ID: &str = "berth.dev/deploy-id";
/// An annotation of an applied object and of a stored release: the commit.
pub const COMMIT: &str = "berth.dev/commit";
/// An annotation of an applied object: the deploy id of the apply that created it.
pub(crate) const CREATED_BY: &str = "berth.dev/created-by";
/// An annotation of a Job: a hash of the parts of its spec that cannot be changed.
pub(crate) const TEMPLATE: &str = "berth.dev/template";
/// An annotation of a `ServiceAccount`: the pull secrets that its release names, separated by commas.
pub(crate) const PULL_SECRETS: &str = "berth.dev/pull-secrets";
/// The name of berth's own limits, policies and bindings in an environment.
pub(crate) const OWN_OBJECT: &str = "berth";
/// Kubernetes' label with the Pod Security level of a namespace.
pub(crate) const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// An annotation of production's namespace: the level from before a release set another one; empty for none.
pub(crate) const POD_SECURITY_BEFORE: &str = "berth.dev/pod-security-before";
/// An annotation of a stored release: the Secret that the release's pods read.
pub const SECRET_OF_RELEASE: &str = "berth.dev/secret";

/// An annotation of the text of a plan: the stored release that it is about.
pub(crate) const PLAN_OF: &str = "berth.dev/plan-of";
/// An annotation of a large stored release: how many parts it has besides the Secret of its name.
pub(crate) const PARTS: &str = "berth.dev/parts";
/// An annotation of a part: the name of its stored release.
pub(crate) const PART_OF: &str = "berth.dev/part-of";

/// Annotations of a stored release of production: what became of it, with names and RFC 3339 times.
pub const RELEASE_NUMBER: &str = "berth.dev/release";
pub const RELEASED_BY: &str = "berth.dev/released-by";
pub const RELEASED_AT: &str = "berth.dev/released-at";
pub const APPROVED_BY: &str = "berth.dev/approved-by";
pub const APPROVED_AT: &str = "berth.dev/approved-at";
pub const ROLLED_BACK_BY: &str = "berth.dev/rolled-back-by";
pub const ROLLED_BACK_AT: &str = "berth.dev/rolled-back-at";
pub const PROVEN_AT: &str = "berth.dev/proven-at";
pub const FAILED_AT: &str = "berth.dev/failed-at";

/// kubectl's label on the parent of an `ApplySet`: its id.
pub(crate) const APPLYSET_ID: &str = "applyset.kubernetes.io/id";
/// kubectl's label on the members of an `ApplySet`: the parent's id.
pub(crate) const APPLYSET_PART_OF: &str = "applyset.kubernetes.io/part-of";
/// kubectl's annotation on the parent: the tool that manages the set, as `name/version`.
pub(crate) const APPLYSET_TOOLING: &str = "applyset.kubernetes.io/tooling";
/// The value of [`APPLYSET_TOOLING`] for berth.
pub(crate) const TOOLING: &str = "berth/v1";
/// kubectl's annotation on the parent: the kinds of the members as `Kind.group`, sorted and separated by commas.
pub(crate) const APPLYSET_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The Secret that is the parent of an environment's `ApplySet`.
pub(crate) const APPLYSET_PARENT: &str = "berth-applyset";

/// The labels of every object in an environment: they name its owner.
pub(crate) fn owner_labels(environment: &Environment, installation: &str) -> BTreeMap<String, String> {
    let Environment { app, workflow_id, .. } = environment;
    [(MANAGED_BY, "berth"), (APP, app), (WORKFLOW, workflow_id), (INSTALLATION, installation)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The labels of a content-named Secret, see [`CONTENT`].
pub(crate) fn content_labels(environment: &Environment, installation: &str, content: &str) -> BTreeMap<String, String> {
    let mut labels = owner_labels(environment, installation);
    labels.insert(CONTENT.to_owned(), content.to_owned());
    labels
}

/// The id of an environment's `ApplySet`.
pub(crate) fn applyset_id(namespace: &str) -> String {
    applyset_id_of(APPLYSET_PARENT, namespace)
}

/// The id by KEP-3659's rule: a hash of the parent's name, namespace, kind and group. The parent here is a Secret of
/// the core group.
fn applyset_id_of(parent: &str, namespace: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let parent = format!("{parent}.{namespace}.Secret.");
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(parent)))
}

/// The labels that name an object's owner together. An object with only some of them belongs to somebody else.
const OWNER: [&str; 3] = [MANAGED_BY, WORKFLOW, INSTALLATION];

/// Returns whether an object with these labels belongs to the environment, in this installation.
pub(crate) fn belongs_to(found: &BTreeMap<String, String>, environment: &Environment, installation: &str) -> bool {
    is_same_owner(found, &owner_labels(environment, installation))
}

/// Returns whether both sets of labels name the same owner.
pub(crate) fn is_same_owner(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>) -> bool {
    OWNER.iter().all(|key| left.get(*key).is_some_and(|value| right.get(*key) == Some(value)))
}

/// A label selector for the objects of an environment.
pub(crate) fn owner_selector(environment: &Environment, installation: &str) -> String {
    let own = owner_labels(environment, installation);
    let term = |key: &&str| Some(format!("{key}={}", own.get(*key)?));
    OWNER.iter().filter_map(term).collect::<Vec<_>>().join(",")
}

/// The first 16 hexadecimal digits of the content's SHA-256: enough for a name, short enough to read.
pub(crate) fn short_hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_applyset_id_equals_kubectls_for_the_same_parent() {
        // The expected id is from kubectl's own tests (pkg/cmd/apply/apply_test.go): the Secret `my-set` in the
        // namespace `test`.
        let kubectls = "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1";
        assert_eq!(applyset_id_of("my-set", "test"), kubectls);
        assert_ne!(applyset_id("pr-123"), applyset_id("pr-124"));
    }

    #[test]
    fn an_object_with_only_some_owner_labels_belongs_to_somebody_else() {
        let environment = crate::examples::environment();
        let own = owner_labels(&environment, "berth");
        assert!(belongs_to(&own, &environment, "berth"));
        for key in OWNER {
            let mut other = own.clone();
            other.insert(key.into(), "another".into());
            assert!(!belongs_to(&other, &environment, "berth"), "{key}");
            other.remove(key);
            assert!(!belongs_to(&other, &environment, "berth"), "{key}");
        }
    }

    #[test]
    fn the_owner_selector_names_all_owner_labels() {
        let selector = owner_selector(&crate::examples::environment(), "berth");
        let expected =
            "app.kubernetes.io/managed-by=berth,berth.dev/workflow=preview-web-1,berth.dev/installation=berth";
        assert_eq!(selector, expected);
    }
}

//! Objects of others and of berth, on which the worker's account is tried.

use serde_json::{Value, json};

use super::installed::Installation;

/// The source of a refusal: the account's roles, or the policy where the roles would allow it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Roles,
    Policy,
}

impl By {
    fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Roles => {
                &["User \"system:serviceaccount:berth-system:berth\" cannot", "attempting to grant RBAC permissions"]
            }
            Self::Policy => &["ValidatingAdmissionPolicy 'berth-worker'"],
        }
    }
}

/// A foreign namespace and priority class, with rights of the account by mistake; and names for its own.
pub(crate) struct Ground<'a> {
    pub(crate) berth: &'a Installation,
    pub(crate) foreign: String,
    pub(crate) own: String,
}

impl<'a> Ground<'a> {
    pub(crate) fn prepare(berth: &'a Installation) -> Self {
        let id = std::process::id();
        let ground = Self { berth, foreign: format!("berth-402-foreign-{id}"), own: format!("berth-402-own-{id}") };
        for object in [
            namespace(&ground.foreign, json!({})),
            binding("berth", &ground.foreign, "berth-environment", "berth"),
            priority_class(&ground.foreign, json!({})),
        ] {
            berth.kubectl_with(&["create", "-f", "-"], &object);
        }
        ground
    }

    pub(crate) fn clear(&self) {
        self.berth.kubectl(&["delete", "namespace", &self.foreign, "--wait=false"]);
        self.berth.kubectl(&["delete", "priorityclass", &self.foreign]);
    }

    /// Asserts that it is allowed, and does it.
    pub(crate) fn allowed(&self, arguments: &[&str], object: Option<&Value>) {
        self.berth.as_worker(arguments, object).unwrap();
    }

    /// Asserts that a dry run is refused. Without a refusal nothing would be broken.
    pub(crate) fn refused(&self, by: By, arguments: &[&str], object: Option<&Value>) {
        let trial = [arguments, &["--dry-run=server"]].concat();
        self.told_no(by, &trial, object);
    }

    pub(crate) fn may_not_read(&self, arguments: &[&str]) {
        self.told_no(By::Roles, arguments, None);
    }

    fn told_no(&self, by: By, arguments: &[&str], object: Option<&Value>) {
        let about = || object.map(Value::to_string).unwrap_or_default();
        match self.berth.as_worker(arguments, object) {
            Ok(answer) => panic!("{arguments:?} {} was not refused: {answer}", about()),
            Err(refusal) if by.texts().iter().any(|known| refusal.contains(known)) => {}
            Err(refusal) => panic!("{arguments:?} {} was refused, but not by {by:?}: {refusal}", about()),
        }
    }
}

/// The labels of the worker's own objects.
pub(crate) fn berths() -> Value {
    json!({
        "app.kubernetes.io/managed-by": "berth",
        "berth.dev/installation": "berth",
        "pod-security.kubernetes.io/enforce": "baseline",
    })
}

pub(crate) fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

pub(crate) fn secret(name: &str, namespace: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "1"},
        "metadata": {"name": name, "namespace": namespace, "labels": labels}})
}

pub(crate) fn priority_class(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1,
        "metadata": {"name": name, "labels": labels}})
}

/// A `RoleBinding` of a cluster role to a service account of berth's namespace.
pub(crate) fn binding(name: &str, namespace: &str, role: &str, account: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "berth-system"}]})
}

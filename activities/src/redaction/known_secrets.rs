//! The Secrets whose values a pod may print.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};

use crate::{
    kubernetes::pod_secrets::secret_references,
    redaction::{redactor::Redactor, secret_keys::is_secret},
};

/// The time to wait for one Secret. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The Secrets whose values may appear in a pod's output.
#[derive(Debug)]
pub(crate) struct KnownSecrets {
    /// The release's own Secret. If it cannot be read, none of the output may be shown.
    own: String,
    others: BTreeSet<String>,
}

impl KnownSecrets {
    /// The release's Secret and those that the pod reads.
    pub(crate) fn new(own: &str, pod: Option<&Pod>) -> Self {
        let mut others = pod.map(read_by).unwrap_or_default();
        others.remove(own);
        Self { own: own.to_owned(), others }
    }

    /// Reads the values. Returns `None` if one of the Secrets could not be read.
    pub(crate) async fn redactor(&self, client: &Client, namespace: &str) -> Option<Redactor> {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        let own = (!self.own.is_empty()).then_some(&self.own);
        let mut read = Vec::new();
        for name in own.into_iter().chain(&self.others) {
            match tokio::time::timeout(PATIENCE, secrets.get_opt(name)).await {
                Ok(Ok(Some(secret))) => read.push(secret),
                // A Secret that does not exist has no value to hide. The release's own had one.
                Ok(Ok(None)) if *name != self.own => {}
                _ => return None,
            }
        }
        let entries = read.iter().flat_map(|secret| secret.data.iter().flatten()).filter(|(key, _)| is_secret(key));
        Some(Redactor::new(entries.map(|(_, value)| value.0.as_slice())))
    }

    /// The text in place of output that may not be shown.
    pub(crate) fn unknown(&self) -> String {
        format!("(details are omitted: the secrets to redact, such as {}, could not be read)", self.own)
    }
}

fn read_by(pod: &Pod) -> BTreeSet<String> {
    pod.spec.iter().flat_map(secret_references).map(|secret| secret.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_include_every_secret_that_a_pod_reads() {
        let pod: Pod = serde_json::from_value(serde_json::json!({"spec": {
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "whole"}}], "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key-of-init", "key": "a"}}}]}],
            "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "no-secret"}}], "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}},
                {"name": "B", "value": "plain"}]}],
            "volumes": [{"name": "v", "secret": {"secretName": "volume"}}, {"name": "p", "projected": {"sources": [
                {"secret": {"name": "projected"}}, {"configMap": {"name": "no-secret"}},
                {"secret": {"name": "projected-too"}}]}}],
        }}))
        .unwrap();
        let names: Vec<_> = read_by(&pod).into_iter().collect();
        assert_eq!(names, ["key", "key-of-init", "projected", "projected-too", "volume", "whole"]);
    }
}

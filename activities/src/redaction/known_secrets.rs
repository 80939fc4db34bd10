//! The Secrets whose values the pods of an environment may print.

use std::{collections::BTreeSet, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};

use crate::{
    kubernetes::pod_secrets::secret_references,
    redaction::{redactor::Redactor, secret_keys::is_secret},
};

/// The time to wait for one Secret. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The number of Secrets that are read at once.
const AT_ONCE: usize = 8;

/// The Secrets whose values may appear in the output of an environment's pods.
#[derive(Debug)]
pub(crate) struct KnownSecrets {
    /// The release's own Secret. If it cannot be read, none of the output may be shown.
    own: String,
    others: BTreeSet<String>,
}

impl KnownSecrets {
    /// The release's Secret and those that the pods read. One pod may print what another one has answered.
    pub(crate) fn new<'a>(own: &str, pods: impl IntoIterator<Item = &'a Pod>) -> Self {
        let mut others: BTreeSet<_> = pods.into_iter().flat_map(read_by).collect();
        others.remove(own);
        Self { own: own.to_owned(), others }
    }

    /// Reads the values. Returns `None` if one of the Secrets could not be read.
    pub(crate) async fn redactor(&self, client: &Client, namespace: &str) -> Option<Redactor> {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        let own = (!self.own.is_empty()).then_some(&self.own);
        let read = |name: &String| read(secrets.clone(), name.clone()).boxed();
        let reads: Vec<BoxFuture<'static, Read>> = own.into_iter().chain(&self.others).map(read).collect();
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        let mut values = Vec::new();
        while let Some((name, read)) = reads.next().await {
            match read {
                Some(Some(secret)) => {
                    let entries = secret.data.unwrap_or_default().into_iter();
                    values.extend(entries.filter(|(key, value)| is_secret(key, &value.0)).map(|(_, value)| value.0));
                }
                // A Secret that does not exist has no value to hide. The release's own had one.
                Some(None) if name != self.own => {}
                _ => return None,
            }
        }
        Redactor::build(values).await
    }

    /// The text in place of output that may not be shown.
    pub(crate) fn unknown(&self) -> String {
        format!("(details are omitted: the secrets to redact, such as {}, could not be read)", self.own)
    }
}

/// The name of a Secret, and the Secret if there is one. `None` if it could not be read.
type Read = (String, Option<Option<Secret>>);

async fn read(secrets: Api<Secret>, name: String) -> Read {
    let read = tokio::time::timeout(PATIENCE, secrets.get_opt(&name)).await;
    (name, read.ok().and_then(Result::ok))
}

fn read_by(pod: &Pod) -> impl Iterator<Item = String> {
    pod.spec.iter().flat_map(secret_references).map(|secret| secret.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_include_every_secret_that_the_pods_read() {
        let other: Pod = serde_json::from_value(serde_json::json!({"spec": {"containers": [
            {"name": "c", "envFrom": [{"secretRef": {"name": "of-another-pod"}}, {"secretRef": {"name": "own"}}]}]}}))
        .unwrap();
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
        let names: Vec<_> = KnownSecrets::new("own", [&pod, &other]).others.into_iter().collect();
        assert_eq!(names, ["key", "key-of-init", "of-another-pod", "projected", "projected-too", "volume", "whole"]);
    }
}

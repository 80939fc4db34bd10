//! The claim of an installation by a Temporal namespace. Workers of two namespaces would be two writers of each environment.
//!
//! The record is a Secret in berth's own namespace, because the worker may write nothing else there.

use std::time::Duration;

use anyhow::Context;
use berth_activities::labels;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use temporalio_client::{Client, tonic::Request};
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;

const NAME: &str = "temporal_namespace";
const ID: &str = "temporal_namespace_id";
/// The wait for Kubernetes at the start. Work that needs Kubernetes waits for it by itself.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// A Temporal namespace. Two servers may have namespaces of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace {
    name: String,
    id: String,
}

impl Namespace {
    /// Reads the client's namespace.
    ///
    /// # Errors
    /// Temporal does not describe it.
    pub(super) async fn of_client(client: &Client) -> anyhow::Result<Self> {
        let name = client.options().namespace.clone();
        let describe = DescribeNamespaceRequest { namespace: name.clone(), ..Default::default() };
        let described = client.connection().workflow_service().describe_namespace(Request::new(describe)).await;
        let described = described.with_context(|| format!("describing Temporal's namespace {name}"))?.into_inner();
        Ok(Self { name, id: described.namespace_info.unwrap_or_default().id })
    }
}

/// The claim of an installation.
pub(super) struct Claim {
    pub(super) kubernetes: kube::Client,
    /// berth's own Kubernetes namespace.
    pub(super) berth_namespace: String,
    pub(super) installation: String,
    pub(super) owner: Namespace,
}

impl Claim {
    /// Takes the installation, or finds it taken by the same Temporal namespace. Returns false if Kubernetes does not
    /// answer.
    ///
    /// # Errors
    /// Another Temporal namespace has it.
    pub(super) async fn take(&self) -> anyhow::Result<bool> {
        match tokio::time::timeout(FIRST_WAIT, self.look()).await {
            Ok(looked) => looked,
            Err(_) => Ok(false),
        }
    }

    /// Repeats [`Self::take`] until Kubernetes has answered, and ends only with its error.
    pub(super) async fn keep_trying(&self) -> anyhow::Error {
        loop {
            match self.take().await {
                Ok(true) => std::future::pending::<()>().await,
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(error) => return error,
            }
        }
    }

    async fn look(&self) -> anyhow::Result<bool> {
        let secrets: Api<Secret> = Api::namespaced(self.kubernetes.clone(), &self.berth_namespace);
        let name = self.secret_name();
        let found = match secrets.get_opt(&name).await {
            Ok(None) => match secrets.create(&PostParams::default(), &self.secret()).await {
                Ok(created) => Ok(Some(created)),
                // Another worker was first.
                Err(kube::Error::Api(status)) if status.code == 409 => secrets.get_opt(&name).await,
                Err(error) => Err(error),
            },
            found => found,
        };
        match found {
            Ok(Some(secret)) => self.check(&secret).map(|()| true).map_err(anyhow::Error::msg),
            Ok(None) => Ok(false),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                tracing::warn!(
                    "Kubernetes refuses the Secret {name} in {}, which keeps other Temporal namespaces from this \
                     installation: {}",
                    self.berth_namespace,
                    status.message
                );
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(%error, "Kubernetes does not say which Temporal namespace has this installation");
                Ok(false)
            }
        }
    }

    fn secret_name(&self) -> String {
        format!("berth-installation-{}", self.installation)
    }

    fn secret(&self) -> Secret {
        let value = |text: &str| ByteString(text.as_bytes().to_vec());
        let owner = [(labels::MANAGED_BY, "berth"), (labels::INSTALLATION, &self.installation)];
        Secret {
            metadata: ObjectMeta {
                name: Some(self.secret_name()),
                labels: Some(owner.map(|(label, value)| (label.to_owned(), value.to_owned())).into()),
                ..ObjectMeta::default()
            },
            data: Some(
                [(NAME, &self.owner.name), (ID, &self.owner.id)]
                    .map(|(key, text)| (key.to_owned(), value(text)))
                    .into(),
            ),
            ..Secret::default()
        }
    }

    /// Compares the record with this worker's Temporal namespace.
    fn check(&self, secret: &Secret) -> Result<(), String> {
        let text = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            value.map_or_else(String::new, |ByteString(bytes)| String::from_utf8_lossy(bytes).into_owned())
        };
        let recorded = Namespace { name: text(NAME), id: text(ID) };
        if recorded == self.owner {
            return Ok(());
        }
        let Self { berth_namespace, installation, owner, .. } = self;
        Err(format!(
            "the installation {installation} belongs to the Temporal namespace {:?} (id {}), and this worker works for {:?} \
             (id {}): two would write into each environment. Give this worker another --installation, or, once no worker of \
             the other namespace runs, hand the installation over and start again: \
             kubectl delete secret {} -n {berth_namespace}",
            recorded.name,
            recorded.id,
            owner.name,
            owner.id,
            secret.name_any(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, id: &str) -> Claim {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        Claim {
            kubernetes: kube::Client::try_from(config).unwrap(),
            berth_namespace: "berth-system".to_owned(),
            installation: "berth".to_owned(),
            owner: Namespace { name: name.to_owned(), id: id.to_owned() },
        }
    }

    #[tokio::test]
    async fn other_temporal_namespace_is_refused_with_both_names_and_a_command() {
        let first = claim("berth", "1");
        assert_eq!(first.check(&first.secret()), Ok(()));
        for (name, id) in [("staging", "2"), ("berth", "2")] {
            let refused = claim(name, id).check(&first.secret()).unwrap_err();
            assert!(
                refused.contains(r#""berth" (id 1)"#) && refused.contains(&format!("{name:?} (id 2)")),
                "{refused}"
            );
            assert!(refused.ends_with("kubectl delete secret berth-installation-berth -n berth-system"), "{refused}");
        }
    }

    #[tokio::test]
    async fn worker_starts_while_kubernetes_is_away() {
        assert!(!claim("berth", "1").take().await.unwrap());
    }
}

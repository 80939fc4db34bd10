//! Kubernetes with the caller's own rights.

use berth_activities::kubernetes_client;
use kube::{Client, Config, config::KubeConfigOptions};

/// A client with the caller's kubeconfig, never with a pod's service account: that one belongs to another cluster, or to no
/// person.
///
/// # Errors
/// There is no kubeconfig, or it cannot be used.
pub(crate) async fn client() -> anyhow::Result<Client> {
    let config = Config::from_kubeconfig(&KubeConfigOptions::default()).await?;
    Ok(kubernetes_client(config)?)
}

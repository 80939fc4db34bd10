//! A client and a worker's settings, for activities that a test calls in its own process.

use berth_activities::{Settings, kubernetes_client};
use berth_lab::Lab;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A client with the rights of the cluster's administrator.
pub(crate) async fn client(lab: &Lab) -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(lab.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Box::pin(Config::from_custom_kubeconfig(kubeconfig, &options)).await.unwrap();
    kubernetes_client(config).unwrap()
}

/// The settings of a worker for the lab's sample apps, without a database server.
pub(crate) fn settings(lab: &Lab) -> Settings {
    Settings { scheme: "http".into(), ..berth_test_support::settings(lab.apps_dir()) }
}

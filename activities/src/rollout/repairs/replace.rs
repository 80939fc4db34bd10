//! The replacement of broken pods that a `StatefulSet` waits for. `classify::replaced` decides which.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, Preconditions},
};

use crate::{heartbeat::Progress, rollout::classify::BrokenPod};

/// The replacements of one wait.
pub(super) struct Replacements<'a> {
    pods: Api<Pod>,
    progress: &'a Progress,
    noted: BTreeSet<String>,
}

impl<'a> Replacements<'a> {
    pub(super) fn new(client: &Client, namespace: &str, progress: &'a Progress) -> Self {
        Self { pods: Api::namespaced(client.clone(), namespace), progress, noted: BTreeSet::new() }
    }

    /// Deletes these pods, each exactly as it was judged: a pod that has changed since is judged again. A pod that cannot be
    /// deleted is named at the deadline.
    pub(super) async fn replace(&mut self, broken: &[BrokenPod]) {
        for BrokenPod { metadata, brief } in broken {
            let name = metadata.name.clone().unwrap_or_default();
            let exactly =
                Preconditions { uid: metadata.uid.clone(), resource_version: metadata.resource_version.clone() };
            let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
            match self.pods.delete(&name, &params).await {
                Ok(_) if self.noted.insert(metadata.uid.clone().unwrap_or_default()) => {
                    tracing::info!(pod = %name, "Replaced pod {name} of an earlier revision");
                    self.progress.note(format!(
                        "pod {name} of an earlier revision was replaced, because its StatefulSet waited for it: {brief}"
                    ));
                }
                Ok(_) => {}
                // 409: it has changed, or another pod has the name now.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => tracing::warn!(pod = %name, "Could not replace pod {name}: {error}"),
            }
        }
    }
}

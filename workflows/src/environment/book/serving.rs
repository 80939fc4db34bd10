//! The release that serves, the one that served before it, and the last one that is proven.

use serde::{Deserialize, Serialize};

use super::Book;
use crate::contract::{environment::Environment, preparation::SyncedSecrets, release::Release};

/// The release that answers now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    pub release: Release,
    pub rollout: String,
    pub since_ms: u64,
    pub stored_release: Option<String>,
    /// The secrets that it runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SyncedSecrets>,
}

impl Book {
    /// The environment that answers: one in which something serves.
    pub fn answering(&self) -> Option<&Environment> {
        self.environment.as_ref().filter(|_| self.serving.is_some())
    }

    /// The secrets of what serves, or else those of the newest rollout.
    pub fn shown_secrets(&self) -> Option<&SyncedSecrets> {
        self.serving.as_ref().and_then(|serving| serving.secrets.as_ref()).or(self.secrets.as_ref())
    }

    /// Records that a release that failed its gates, or was stopped at them, serves all the same: the old pods are gone.
    pub(super) fn serve_unproven(
        &mut self,
        release: &Release,
        rollout: Option<String>,
        stored: Option<String>,
        now_ms: u64,
    ) {
        if stored.is_some() {
            self.serve(release.clone(), rollout, stored, now_ms);
        }
    }

    pub(super) fn serve(
        &mut self,
        release: Release,
        rollout: Option<String>,
        stored_release: Option<String>,
        now_ms: u64,
    ) {
        let rollout = rollout.unwrap_or_default();
        let before = self.serving.take().and_then(|before| before.stored_release);
        // A redeploy of the same content replaces nothing: its stored release has the same name.
        let mut candidates = before.into_iter().chain(self.served_before.take());
        self.served_before = candidates.find(|before| stored_release.as_ref() != Some(before));
        let secrets = self.secrets.clone();
        self.serving = Some(Serving { release, rollout, since_ms: now_ms, stored_release, secrets });
    }

    /// Stored releases that a prune must leave: the one that serves, the one that served before, and the last proven one.
    pub(super) fn keep(&self) -> Vec<String> {
        let serving = self.serving.as_ref().and_then(|serving| serving.stored_release.as_ref());
        let mut keep: Vec<String> = Vec::new();
        for name in serving.into_iter().chain(&self.served_before).chain(&self.proven) {
            if !keep.contains(name) {
                keep.push(name.clone());
            }
        }
        keep
    }
}

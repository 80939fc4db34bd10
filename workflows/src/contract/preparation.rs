//! Inputs and results of the activities before a release is applied: app file, namespace, database, secrets.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment, EnvironmentKind},
    release::Image,
    rollout_input::RolloutInput,
};

/// Which environment to describe, and the image that is to run in it, if one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAppInput {
    pub app: String,
    /// `pr` on the wire.
    #[serde(rename = "pr")]
    pub kind: EnvironmentKind,
    pub workflow_id: String,
    /// Refused with `ImageNotAllowed` if its repository is not on the app's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The rollout, if it is one that asks: then the answer says what it will make outside the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Box<RolloutInput>>,
}

impl LoadAppInput {
    /// The question how an environment is named, without a release.
    pub fn names(app: &str, kind: EnvironmentKind, workflow_id: &str) -> Self {
        let (app, workflow_id) = (app.to_owned(), workflow_id.to_owned());
        Self { app, kind, workflow_id, image: None, deploy: None }
    }

    /// The question for a rollout: whether its image is allowed, and what it makes outside the namespace.
    pub fn rollout(rollout: &RolloutInput) -> Self {
        let Environment { app, kind, workflow_id, .. } = &rollout.environment;
        let image = Some(rollout.release.image.clone());
        Self { image, deploy: Some(Box::new(rollout.clone())), ..Self::names(app, *kind, workflow_id) }
    }
}

/// An app as its file describes it at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedApp {
    pub environment: Environment,
    /// The hash of the app file and its manifests.
    pub content_hash: String,
    /// What the rollout will make outside every namespace: recorded before it is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
}

/// What `ensure_namespace` made or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceReady {
    pub uid: String,
    pub created: bool,
    /// It is not ready at all: one of that name is still being deleted. What the namespace controller says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminating: Option<String>,
}

/// Which namespace `await_namespace_gone` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitGoneInput {
    pub namespace: String,
    pub uid: String,
    /// What is known to stand in its way: other words end the wait, so that `status` can say them.
    pub said: String,
}

/// What `await_namespace_gone` saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceGone {
    /// Not gone yet: what stands in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminating: Option<String>,
}

/// What `ensure_database` made or found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseReady {
    /// What was not there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// It is not ready at all: the server is away, full, or refuses. In its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// What `sync_secrets` left in the environment: names and a version, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedSecrets {
    /// The immutable Secret, named by its content.
    pub secret: String,
    /// The hash of its content, as in its name.
    pub version: String,
    /// The keys that berth set beside Doppler's, or in place of them.
    #[serde(default)]
    pub set_by_berth: Vec<String>,
    /// `TEMPORAL_SERVER_ADDRESS` as it is in force.
    pub temporal_server_address: String,
    /// Whether Doppler has a value for it; else it is the environment's own.
    pub temporal_server_address_from_doppler: bool,
}

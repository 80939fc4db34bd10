//! Input and result of `load_app`: an environment as its app file describes it.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment, EnvironmentKind},
    release::Image,
    rollout_input::RolloutInput,
};

/// The environment to describe, and the image to run in it, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAppInput {
    pub app: String,
    /// Named `pr` on the wire.
    #[serde(rename = "pr")]
    pub kind: EnvironmentKind,
    pub workflow_id: String,
    /// Refused with `ImageNotAllowed` if its repository is not on the app's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The rollout, if a rollout asks. The answer then lists the cluster-scoped objects that it will make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Box<RolloutInput>>,
}

impl LoadAppInput {
    /// Asks for the names of an environment, without a release.
    pub fn names(app: &str, kind: EnvironmentKind, workflow_id: &str) -> Self {
        let (app, workflow_id) = (app.to_owned(), workflow_id.to_owned());
        Self { app, kind, workflow_id, image: None, deploy: None }
    }

    /// Asks whether a rollout's image is allowed, and which cluster-scoped objects the rollout makes.
    pub fn rollout(rollout: &RolloutInput) -> Self {
        let Environment { app, kind, workflow_id, .. } = &rollout.environment;
        let image = Some(rollout.release.image.clone());
        Self { image, deploy: Some(Box::new(rollout.clone())), ..Self::names(app, *kind, workflow_id) }
    }
}

/// An app as its file describes it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedApp {
    pub environment: Environment,
    /// The hash of the app file and its manifests.
    pub content_hash: String,
    /// Cluster-scoped objects that the rollout will make, recorded before they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// The rules of the app file for production. None in a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<ProductionRules>,
    /// The rules of the app file for GitHub. None: berth does not speak with GitHub for this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubRules>,
}

/// The rules of an app file for GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GithubRules {
    /// The repository's id.
    pub repository_id: u64,
    /// Whether anything is reported: the worker has a GitHub App.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub reports: bool,
    /// Whether a comment is kept in each pull request.
    #[serde(default)]
    pub comment: bool,
    /// Whether comments may be commands.
    #[serde(default)]
    pub commands: bool,
    /// Whether the pushes of a draft are rolled out.
    #[serde(default)]
    pub drafts: bool,
    /// The label without which pushes wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The label with which pushes wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_label: Option<String>,
    /// GitHub's environment of production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_environment: Option<String>,
    /// The address of temporal-ui with its scheme, where people find the workflows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui: Option<String>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// The rules of an app file for production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductionRules {
    pub needs_approval: bool,
    /// Whether only a proved approval counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_proof: bool,
    /// How many proven releases are kept for a rollback.
    pub keep_releases: usize,
}

impl Default for ProductionRules {
    fn default() -> Self {
        Self { needs_approval: true, needs_proof: false, keep_releases: 10 }
    }
}

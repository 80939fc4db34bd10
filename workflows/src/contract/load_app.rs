//! Input and result of `load_app`: an environment as its app file describes it.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment, EnvironmentKind},
    named_images::NamedImages,
    push_variables::PushVariables,
    release::{Image, Release},
    rollout_input::RolloutInput,
    timings::AppTimings,
};

/// The environment to describe, and the images and variables to run in it, if any.
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
    /// Refused with `ImageNotAllowed` if the app file has another repository under a name, or none.
    #[serde(default, skip_serializing_if = "NamedImages::is_empty")]
    pub images: NamedImages,
    /// Refused with `ManifestInvalid` if a name is not one of the app file's `push_variables`.
    #[serde(default, skip_serializing_if = "PushVariables::is_empty")]
    pub variables: PushVariables,
    /// The rollout, if a rollout asks. The answer then lists the cluster-scoped objects that it will make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Box<RolloutInput>>,
}

impl LoadAppInput {
    /// Asks for the names of an environment, without a release.
    pub fn names(app: &str, kind: EnvironmentKind, workflow_id: &str) -> Self {
        let (app, workflow_id) = (app.to_owned(), workflow_id.to_owned());
        let (images, variables) = (NamedImages::default(), PushVariables::default());
        Self { app, kind, workflow_id, image: None, images, variables, deploy: None }
    }

    /// The same, and asks whether a release's images and variables are allowed.
    pub fn of_release(self, release: &Release) -> Self {
        let Release { image, images, variables, .. } = release.clone();
        Self { image: Some(image), images, variables, ..self }
    }

    /// Asks whether a rollout's images and variables are allowed, and which cluster-scoped objects the rollout makes.
    pub fn rollout(rollout: &RolloutInput) -> Self {
        let Environment { app, kind, workflow_id, .. } = &rollout.environment;
        let names = Self::names(app, *kind, workflow_id).of_release(&rollout.release);
        Self { deploy: Some(Box::new(rollout.clone())), ..names }
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
    /// The time limits of the app file. None: of a worker of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<AppTimings>,
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

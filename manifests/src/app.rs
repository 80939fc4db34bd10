//! The app file: the platform team describes each app in one YAML file, with its manifests beside it.

mod duration;
mod environment;
mod folder;
mod gate;
mod names;
mod pattern;
mod unique;
mod validate;

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use duration::Span;
pub use environment::EnvironmentNames;
pub use folder::{AppFolder, load_apps, read_apps};
pub use gate::{
    Gate, GateKind, HttpGate, TEMPORAL_WORKLOAD, TemporalPollerGate, TemporalServerGate, TemporalWorkflowGate,
};
pub use names::is_script_name;
pub use pattern::Pattern;

use crate::render::{line_of, template::Lines};

/// An app: one GitHub repository and its environments. Nothing is guessed; an unknown field is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The app's name: a DNS label of at most 30 characters, because environments and labels are named after it.
    #[schemars(length(max = 30), regex(pattern = names::pattern::DNS_LABEL))]
    pub app: String,
    /// `owner/name` on GitHub.
    #[schemars(regex(pattern = names::pattern::GITHUB_REPOSITORY))]
    pub repository: String,
    /// Image repositories that may run here, without tag. A push names one of them by digest.
    #[schemars(length(min = 1), inner(length(max = 255), regex(pattern = names::pattern::IMAGE_REPOSITORY)))]
    pub images: Vec<String>,
    /// A Secret in berth's namespace with the registry's credentials. It is copied into each environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = names::pattern::OBJECT_NAME))]
    pub image_pull_secret: Option<String>,
    /// A folder with `core/`, `shared/`, `preview/`, `production/`, relative to this file. Default: berth's built-in manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = names::pattern::FOLDER_BESIDE))]
    pub manifests: Option<String>,
    /// Isolation of the app's pods from the node and the network.
    #[serde(default)]
    pub isolation: Isolation,
    /// The source of the app's secrets. Default: none besides those that berth generates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSource>,
    /// Further variables for the manifests, for example `KUBE_NODE_POOL`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Cluster-scoped kinds that the manifests may have, for example `PriorityClass`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_kinds: Vec<String>,
    /// The environments of pull requests. Default: pull requests get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewSettings>,
    /// The production environment. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<ProductionSettings>,
    /// The file that the app was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// The line of each field in that file.
    #[serde(skip)]
    lines: Lines,
}

/// Isolation of an app's pods from the node and the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The namespace's Pod Security level. Default: `baseline` if the app has its own manifests, else `restricted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Destinations that pods may connect to.
    #[serde(default)]
    pub egress: Egress,
}

/// A Pod Security level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PodSecurity {
    /// Hardened: non-root, no capabilities, seccomp.
    Restricted,
    /// Prevents known privilege escalations; otherwise default pod settings.
    Baseline,
}

/// Destinations that pods may connect to. The cloud's metadata address is never one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The environment, DNS, and the internet.
    #[default]
    Internet,
    /// The environment, DNS, and the destinations that `NetworkPolicy` objects of the manifests list.
    Listed,
}

/// The source of an app's secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsSource {
    /// Doppler configs.
    pub doppler: DopplerSource,
}

/// Doppler configs, by kind of environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DopplerSource {
    /// The config of previews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<DopplerConfig>,
    /// The config of production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<DopplerConfig>,
}

/// A config of a Doppler project, and the token that reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DopplerConfig {
    /// The Doppler project.
    #[schemars(regex(pattern = names::pattern::DOPPLER_NAME))]
    pub project: String,
    /// The config in the project.
    #[schemars(regex(pattern = names::pattern::DOPPLER_NAME))]
    pub config: String,
    /// The service token that reads the config.
    pub token: TokenReference,
}

/// A reference to a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenReference {
    /// A Secret in berth's namespace, with the token under the key `serviceToken`.
    #[schemars(length(max = 253), regex(pattern = names::pattern::OBJECT_NAME))]
    pub secret: String,
}

/// The environments of pull requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewSettings {
    /// The namespace's name. `{pr}` is the pull request's number, `{app}` the app's name.
    #[serde(default = "default_preview_namespace")]
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub namespace: String,
    /// The host name of the web app, for example `pr-{pr}.example.com`.
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub host: String,
    /// The host name of temporal-ui. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub temporal_ui_host: Option<String>,
    /// The preview's database. Default: berth creates none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Lifetime of an environment after the last push. Default: until it is closed. Not in force yet: nothing expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Span>,
    /// Time between the warning and the expiry. Not in force yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_before: Option<Span>,
    /// Idle time after which an environment is scaled to zero. Default: never. Not in force yet: nothing sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_after: Option<Span>,
    /// Resource limits of one environment.
    #[serde(default)]
    pub quota: Quota,
    /// The most environments of the app at once; further ones wait. Default: no limit. Not in force yet: none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_live: Option<u32>,
    /// Checks that must pass before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Scripts that people may run by hand. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
}

/// The production environment. Not in force yet: nothing is released to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductionSettings {
    /// The namespace's name.
    pub namespace: String,
    /// The host name of the web app.
    pub host: String,
    /// The host name of temporal-ui. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui_host: Option<String>,
    /// Whether a release waits for a person's approval.
    #[serde(default)]
    pub approval: Approval,
    /// Checks that must pass before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// Whether a release waits for a person's approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The release rolls out at once.
    #[default]
    None,
    /// The release waits for the signal `approve`.
    Required,
}

/// A preview's database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The name of a server in the worker's `--database-servers` file.
    #[schemars(length(max = 253), regex(pattern = names::pattern::OBJECT_NAME))]
    pub server: String,
    /// Whether the environment gets separate databases.
    #[serde(default)]
    pub mode: DatabaseMode,
}

/// Whether an environment gets separate databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseMode {
    /// Databases and a role that are deleted with the environment.
    #[default]
    Isolated,
    /// The databases that Doppler's values name, unchanged.
    Shared,
}

/// Resource limits of one environment: the namespace's `ResourceQuota`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// CPU that the environment's pods may request together, as a Kubernetes quantity.
    #[serde(default = "default_cpu")]
    #[schemars(regex(pattern = names::pattern::QUANTITY))]
    pub cpu: String,
    /// Memory that the environment's pods may request together, as a Kubernetes quantity.
    #[serde(default = "default_memory")]
    #[schemars(regex(pattern = names::pattern::QUANTITY))]
    pub memory: String,
    /// The most pods of the environment, including those that a rollout is replacing.
    #[serde(default = "default_pods")]
    #[schemars(range(min = 1))]
    pub pods: u32,
}

/// Scripts that people may run by hand in a preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scripts {
    /// Text before a script's name, for example `npm run run:`. It is split at spaces; no shell reads it.
    #[schemars(length(min = 1))]
    pub prefix: String,
    /// The names of the scripts.
    #[schemars(inner(length(max = names::MAX_SCRIPT_NAME), regex(pattern = names::pattern::SCRIPT)))]
    pub allow: Vec<String>,
    /// The Deployment that a script's pod is modelled on; may have variables. Default: `$KUBE_APP-web`, or the only Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub workload: Option<String>,
}

impl App {
    /// The line of a field in the app file. If the file leaves the field out, the line of the nearest field around it.
    pub fn line_of(&self, field: &str) -> usize {
        line_of(&self.lines, field).unwrap_or(1)
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self { cpu: default_cpu(), memory: default_memory(), pods: default_pods() }
    }
}

fn default_preview_namespace() -> String {
    "{app}-pr-{pr}".to_owned()
}

// The need of one environment of two pods, doubled: during a rollout the old and the new release run side by side.

fn default_cpu() -> String {
    "2".to_owned()
}

fn default_memory() -> String {
    "4Gi".to_owned()
}

fn default_pods() -> u32 {
    20
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

//! An app, as the platform team describes it: one YAML file per app, with its manifests beside it.

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

/// One repository's description to berth. What is not in the file is not guessed; what is in it and unknown is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The app's name: a DNS label of at most 30 characters, since names of environments and their labels are made from it.
    #[schemars(length(max = 30), regex(pattern = names::pattern::DNS_LABEL))]
    pub app: String,
    /// `owner/name` on GitHub.
    #[schemars(regex(pattern = names::pattern::GITHUB_REPOSITORY))]
    pub repository: String,
    /// What may run here: image repositories without tag; a push names one of them by digest.
    #[schemars(length(min = 1), inner(length(max = 255), regex(pattern = names::pattern::IMAGE_REPOSITORY)))]
    pub images: Vec<String>,
    /// A Secret in berth's namespace that pulls the images; copied into each environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = names::pattern::OBJECT_NAME))]
    pub image_pull_secret: Option<String>,
    /// A folder with `core/`, `shared/`, `preview/`, `production/`, relative to this file. Left out: berth's own manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = names::pattern::FOLDER_BESIDE))]
    pub manifests: Option<String>,
    /// How far pods are kept from the node and the network.
    #[serde(default)]
    pub isolation: Isolation,
    /// Where the secrets come from. Left out: the app has none but berth's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSource>,
    /// Further variables for the manifests, as `KUBE_NODE_POOL`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Cluster-scoped kinds that the manifests may have, as `PriorityClass`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_kinds: Vec<String>,
    /// The environments of pull requests. Left out: pull requests get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewSettings>,
    /// The production environment. Left out: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<ProductionSettings>,
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// Where in that file each field is.
    #[serde(skip)]
    lines: Lines,
}

/// How far an app's pods are kept from the node and the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The namespace's Pod Security level. Left out: `baseline` where the app brings manifests, else `restricted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Where pods may connect to.
    #[serde(default)]
    pub egress: Egress,
}

/// A Pod Security level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurity {
    /// Hardened: non-root, no capabilities, seccomp.
    Restricted,
    /// Nothing that is known to escape.
    Baseline,
}

/// Where pods may connect to, the cloud's metadata address never among it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The environment, DNS, and the internet.
    #[default]
    Internet,
    /// The environment, DNS, and what `NetworkPolicy` objects of the manifests list.
    Listed,
}

/// Where an app's secrets come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsSource {
    /// Doppler.
    pub doppler: DopplerSource,
}

/// One Doppler config for each kind of environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DopplerSource {
    /// What previews get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<DopplerConfig>,
    /// What production gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<DopplerConfig>,
}

/// A config of a Doppler project, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DopplerConfig {
    /// Doppler's project.
    #[schemars(regex(pattern = names::pattern::DOPPLER_NAME))]
    pub project: String,
    /// Doppler's config in it.
    #[schemars(regex(pattern = names::pattern::DOPPLER_NAME))]
    pub config: String,
    /// The service token.
    pub token: TokenReference,
}

/// Where a token is kept.
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
    /// The namespace's name; `{pr}` is the number, `{app}` the app's name.
    #[serde(default = "default_preview_namespace")]
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub namespace: String,
    /// The host name of the web app, as `pr-{pr}.example.com`.
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub host: String,
    /// The host name of temporal-ui. Left out: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = names::pattern::NUMBERED))]
    pub temporal_ui_host: Option<String>,
    /// The database. Left out: berth sees to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// How long an environment stays after the last push. Left out: until it is closed. Not in force yet: nothing expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Span>,
    /// How long before that berth says so. Not in force yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_before: Option<Span>,
    /// How long until an idle environment is scaled to zero. Left out: never. Not in force yet: nothing sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_after: Option<Span>,
    /// What one environment may use.
    #[serde(default)]
    pub quota: Quota,
    /// How many environments of the app live at once; more wait. Left out: any number. Not in force yet: none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_live: Option<u32>,
    /// What must hold before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// The scripts that people may run by hand. Left out: none.
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
    /// The host name of temporal-ui. Left out: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui_host: Option<String>,
    /// Whether a release waits for a person.
    #[serde(default)]
    pub approval: Approval,
    /// What must hold before a rollout counts as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// Whether a release waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// It rolls out at once.
    #[default]
    None,
    /// It waits for `approve`.
    Required,
}

/// A preview's database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// A server of the worker's `--database-servers` file.
    #[schemars(length(max = 253), regex(pattern = names::pattern::OBJECT_NAME))]
    pub server: String,
    /// Whether the environment gets databases of its own.
    #[serde(default)]
    pub mode: DatabaseMode,
}

/// Whether an environment gets databases of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseMode {
    /// Databases and a role that go with it.
    #[default]
    Isolated,
    /// Doppler's, as they are.
    Shared,
}

/// What one environment may use: the namespace's `ResourceQuota`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// CPU that its pods may request, as Kubernetes writes it.
    #[serde(default = "default_cpu")]
    #[schemars(regex(pattern = names::pattern::QUANTITY))]
    pub cpu: String,
    /// Memory that its pods may request, as Kubernetes writes it.
    #[serde(default = "default_memory")]
    #[schemars(regex(pattern = names::pattern::QUANTITY))]
    pub memory: String,
    /// How many pods it may have, those of an ending rollout among them.
    #[serde(default = "default_pods")]
    #[schemars(range(min = 1))]
    pub pods: u32,
}

/// The scripts that people may run by hand in a preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scripts {
    /// What stands before a script's name, as `npm run run:`. Split where there is space; no shell reads it.
    #[schemars(length(min = 1))]
    pub prefix: String,
    /// The names.
    #[schemars(inner(length(max = names::MAX_SCRIPT_NAME), regex(pattern = names::pattern::SCRIPT)))]
    pub allow: Vec<String>,
    /// The Deployment whose pod a script's is like, with variables. Left out: `$KUBE_APP-web`, or the only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub workload: Option<String>,
}

impl App {
    /// The line of a field in the app file, or of the nearest field around it that was written.
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

// The quota of one environment of two pods, twice: for the time when the old and the new release run side by side.

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

//! The app file: the platform team describes each app in one YAML file, with its manifests beside it.

mod duration;
mod environment;
mod folder;
mod gate;
mod github;
mod names;
mod pattern;
mod preview;
mod production;
mod pull_secret;
mod pushed;
mod timings;
mod unique;
mod validate;

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use duration::Span;
pub use environment::EnvironmentNames;
pub use folder::{AppFolder, load_apps, read_apps};
pub use gate::{
    Gate, GateKind, HttpGate, TEMPORAL_WORKLOAD, TemporalPollerGate, TemporalServerGate, TemporalWorkflowGate, Through,
};
pub use github::GithubSettings;
pub use names::is_script_name;
pub use pattern::Pattern;
pub use preview::{CronJobs, Database, DatabaseMode, PreviewSettings, Quota, Scripts};
pub use production::{Approval, Approvers, ProductionSettings};
pub use pull_secret::PullSecret;
pub use pushed::PushVariable;
pub use timings::Timings;
pub use unique::KnownNames;

use crate::network::Network;
use crate::render::{FurtherKind, Provided, line_of, template::Lines};

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
    /// Repositories of further images, by name: `WORKER` gives `$WORKER_IMAGE`, `$WORKER_TAG` and `$WORKER_DIGEST`. A push names
    /// each of them by digest that the manifests use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = pushed::MAX_NAMED_IMAGES, "propertyNames" = {
        "pattern": names::pattern::NAMED_IMAGE, "maxLength": names::MAX_PUSHED_NAME
    }))]
    #[schemars(extend("additionalProperties" = {
        "type": "string", "maxLength": 255, "pattern": names::pattern::IMAGE_REPOSITORY
    }))]
    pub named_images: BTreeMap<String, String>,
    /// A Secret in berth's namespace with the registry's credentials. It is copied into each environment, and its pods use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secret: Option<PullSecret>,
    /// A folder with `core/`, `shared/`, `preview/`, `production/`, relative to this file. Default: berth's built-in manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = names::pattern::FOLDER_BESIDE))]
    pub manifests: Option<String>,
    /// Isolation of the previews' pods from the node and the network. Production has a setting of its own.
    #[serde(default)]
    pub isolation: Isolation,
    /// The source of the app's secrets. Default: none besides those that berth generates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSource>,
    /// Further variables for the manifests of all environments, for example `KUBE_NODE_POOL`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Variables whose values come with each push, by name. They are public, and no part of an image. `berth ci` fills those of
    /// GitHub.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = pushed::MAX_PUSH_VARIABLES, "propertyNames" = {
        "pattern": names::pattern::PUSH_VARIABLE, "maxLength": names::MAX_PUSHED_NAME
    }))]
    pub push_variables: BTreeMap<String, PushVariable>,
    /// Cluster-scoped kinds that the manifests may have, for example `PriorityClass`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_kinds: Vec<String>,
    /// Further namespaced kinds that the manifests may have, for example a `ServiceMonitor` of `monitoring.coreos.com/v1`. They
    /// are applied, pruned and removed; only the API server checks them, and no rollout waits for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<FurtherKind>,
    /// Objects that somebody else makes in the environments' namespaces. `berth check` does not miss them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub provided: Provided,
    /// Time limits of rollouts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timings: Timings,
    /// Time for a Secret, `ConfigMap`, key or claim that pods name and that somebody else makes, such as an operator. A rollout
    /// whose pods still miss it then fails with `ConfigMissing`.
    #[serde(
        default = "timings::default_wait_for_missing",
        skip_serializing_if = "timings::is_default_wait_for_missing"
    )]
    pub wait_for_missing: Span,
    /// The repository's id on GitHub, and berth's part there. Default: berth neither believes GitHub nor writes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubSettings>,
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
    /// The names of all apps of the folder.
    #[serde(skip)]
    known: KnownNames,
}

/// Isolation of an environment's pods from the node and the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The namespace's Pod Security level. Default: `baseline` if the app has its own manifests, else `restricted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Destinations that pods may connect to.
    #[serde(default)]
    pub egress: Egress,
    /// Networks that pods may connect to besides, for example of a database that all previews share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress_allow: Vec<EgressAllowed>,
}

/// A network that pods may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressAllowed {
    /// The network, or the address of one host.
    pub cidr: Network,
    /// The ports, by TCP and UDP. Default: every port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1)))]
    pub ports: Vec<u16>,
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

/// Destinations that pods may connect to. The clouds' metadata addresses are never among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The environment, DNS, and the internet. In previews that is neither a private network nor another environment.
    #[default]
    Internet,
    /// The environment, DNS, and the destinations that `NetworkPolicy` objects of the manifests list. In previews their private
    /// networks and other namespaces stay closed.
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl App {
    /// The line of a field in the app file. If the file leaves the field out, the line of the nearest field around it.
    pub fn line_of(&self, field: &str) -> usize {
        line_of(&self.lines, field).unwrap_or(1)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

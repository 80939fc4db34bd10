//! The app file's settings of previews.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gate, Span, names};

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
    /// Further variables of this environment. They win over the app's own `variables`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
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
    /// Whether `CronJob`s run on their schedule. Default: they are suspended.
    #[serde(default)]
    pub cron_jobs: CronJobs,
    /// Scripts that people may run by hand. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
}

/// Whether the `CronJob`s of previews run on their schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CronJobs {
    /// They are applied with `spec.suspend: true`.
    #[default]
    Suspend,
    /// They run as written.
    Run,
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

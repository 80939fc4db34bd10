//! The contract between what decides and what acts: every activity's name, input and result. No bodies.
//!
//! Names are in histories for ever: never rename one. New fields are optional or have a default.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use crate::contract::{
    environment::{ClusterObject, Deploy, Environment, Timings},
    release::Image,
    script::RunScript,
    verdict::Verdict,
};

/// Which environment to describe, and the image that is to run in it, if one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAppInput {
    pub app: String,
    /// The pull request, or nothing for production.
    pub pr: Option<u64>,
    pub workflow_id: String,
    /// Refused with `ImageNotAllowed` if its repository is not on the app's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The rollout, if it is one that asks: then the answer says what it will make outside the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Box<Deploy>>,
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

/// What `apply_manifests` is to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyInput {
    pub deploy: Deploy,
    pub secrets: SyncedSecrets,
}

/// What `apply_manifests` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The Secret `berth-release-<hash>` that holds the rendered release.
    pub stored_release: String,
    pub plan: Plan,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
}

/// What applying changed. Names only; at most [`Plan::MAX_NAMES`] of each, the rest counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    pub unchanged: usize,
    /// What the manifests have that berth does in its own way or leaves out, and what looked odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many names were left out of the lists.
    #[serde(default)]
    pub omitted: usize,
}

impl Plan {
    /// A plan travels in a history: a few KB at most.
    pub const MAX_NAMES: usize = 40;
}

/// A workload of a release, as it was just after it was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `DaemonSet` or `Job`.
    pub kind: String,
    pub name: String,
    /// `metadata.generation` after the apply: a status that has observed less speaks of an older release.
    pub generation: i64,
}

/// What `await_rollout` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Unix time in milliseconds at which waiting ends with `NotReady`: a retry does not begin anew.
    pub deadline_ms: u64,
    pub timings: Timings,
    /// The Secret with the values that must not be seen in a log line.
    pub secret: String,
}

/// How a wait ended: what a person must read is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    Failed { verdict: Verdict },
}

/// What `check_gates` checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckGatesInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Whose gates: the stored release has them.
    pub stored_release: String,
    /// The Secret with the values that must not be seen in an answer.
    pub secret: String,
    /// How long the workloads must stay up without a restart after the gates.
    #[serde(default)]
    pub stability_seconds: u64,
    /// `TEMPORAL_SERVER_ADDRESS` where it is not the environment's own: the gates of Temporal ask the server there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server_address: Option<String>,
    /// The rollout's own number, never used again: what a gate starts is started once in each rollout.
    #[serde(default)]
    pub deploy_id: u64,
}

/// What `check_gates` saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatesChecked {
    pub gates: Vec<GatePassed>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A gate that holds, and how long it took to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePassed {
    pub name: String,
    pub ms: u64,
}

/// What `prune` is to leave: the release that is live now, and those that are to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneInput {
    pub environment: Environment,
    pub stored_release: String,
    pub keep: Vec<String>,
}

/// What `prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    #[serde(default)]
    pub removed: Vec<String>,
    /// Cluster-scoped objects that the environment still owns.
    #[serde(default)]
    pub cluster_objects: Vec<ClusterObject>,
}

/// What `delete_environment` is to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteInput {
    pub environment: Environment,
    pub timings: Timings,
    /// What the attempt before found in the way: berth's rights inside a namespace end early in its deletion, so that a later
    /// attempt may not be able to see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Remaining>,
}

/// How a teardown ended: everything that was made, each verified gone or named with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LeakReport {
    /// Verified gone, or never there.
    #[serde(default)]
    pub gone: Vec<String>,
    /// Still there, each with the reason. Empty when the teardown is complete.
    #[serde(default)]
    pub remaining: Vec<Remaining>,
}

/// Something that a teardown could not remove yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remaining {
    pub object: String,
    pub reason: String,
    /// What a person with the right to it may run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}

/// What `start_script` is to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartScriptInput {
    pub environment: Environment,
    pub script: RunScript,
    /// The Job's name, which is the `ScriptRun`'s id.
    pub job: String,
    /// Which run of that id: a Job of an earlier one is not this one's.
    pub run_id: String,
}

/// What `start_script` started, or found started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStarted {
    pub job: String,
    pub container: String,
    /// The pod that it was made after: `Deployment/web`.
    pub workload: String,
    /// The Secrets that its pod cannot start without. Once they cannot be read, nothing that it says may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// What `await_script` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitScriptInput {
    pub environment: Environment,
    pub started: ScriptStarted,
    /// Unix time in milliseconds at which the script is over, whatever it does.
    pub deadline_ms: u64,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScriptOutcome {
    /// By itself, well or not.
    Ended { exit_code: i32, log_tail: String },
    /// Not by itself: it could not start, or was ended.
    Failed { verdict: Verdict },
}

/// What `remove_script` is to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveScriptInput {
    pub environment: Environment,
    pub job: String,
}

/// What `remove_script` saw gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRemoved {
    #[serde(default)]
    pub gone: Vec<String>,
}

/// The activities' contract. `berth_activities::Activities` has the bodies.
pub struct Activities;

#[activity_definitions]
impl Activities {
    /// Reads the app file: what the environment is called, and whether the image may run there.
    #[activity(name = "load_app")]
    pub fn load_app(load: LoadAppInput) -> LoadedApp {
        unimplemented!()
    }

    /// Makes the namespace with its labels, limits, policies and the worker's own role binding.
    #[activity(name = "ensure_namespace")]
    pub fn ensure_namespace(environment: Environment) -> NamespaceReady {
        unimplemented!()
    }

    /// Waits until a namespace that somebody is deleting is gone, or there is something new to say about it.
    #[activity(name = "await_namespace_gone")]
    pub fn await_namespace_gone(wait: AwaitGoneInput) -> NamespaceGone {
        unimplemented!()
    }

    /// Makes the preview's own role and databases, and keeps their password in the environment.
    #[activity(name = "ensure_database")]
    pub fn ensure_database(environment: Environment) -> DatabaseReady {
        unimplemented!()
    }

    /// Brings Doppler's secrets into the environment as an immutable Secret.
    #[activity(name = "sync_secrets")]
    pub fn sync_secrets(environment: Environment) -> SyncedSecrets {
        unimplemented!()
    }

    /// Renders the manifests, stores the release and applies it.
    #[activity(name = "apply_manifests")]
    pub fn apply_manifests(apply: ApplyInput) -> Applied {
        unimplemented!()
    }

    /// Waits until every workload serves the release, or until it is clear that it will not.
    #[activity(name = "await_rollout")]
    pub fn await_rollout(wait: AwaitInput) -> Outcome {
        unimplemented!()
    }

    /// Checks that the release does what it should.
    #[activity(name = "check_gates")]
    pub fn check_gates(check: CheckGatesInput) -> GatesChecked {
        unimplemented!()
    }

    /// Removes what the release before had and this one has not.
    #[activity(name = "prune")]
    pub fn prune(prune: PruneInput) -> Pruned {
        unimplemented!()
    }

    /// Ends the preview's pods, drops its role and databases and sees that they are gone.
    #[activity(name = "drop_database")]
    pub fn drop_database(environment: Environment) -> LeakReport {
        unimplemented!()
    }

    /// Removes the environment and sees that it is gone.
    #[activity(name = "delete_environment")]
    pub fn delete_environment(delete: DeleteInput) -> LeakReport {
        unimplemented!()
    }

    /// Starts a script as a Job made after the web pod that runs.
    #[activity(name = "start_script")]
    pub fn start_script(start: StartScriptInput) -> ScriptStarted {
        unimplemented!()
    }

    /// Waits until a script has ended, or until it is clear that it will not start.
    #[activity(name = "await_script")]
    pub fn await_script(wait: AwaitScriptInput) -> ScriptOutcome {
        unimplemented!()
    }

    /// Removes a script's Job and sees that it is gone.
    #[activity(name = "remove_script")]
    pub fn remove_script(remove: RemoveScriptInput) -> ScriptRemoved {
        unimplemented!()
    }
}

// The macro keeps its marker types in a private module; `definition = …` needs them.
pub use activities::*;

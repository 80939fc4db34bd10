//! Name, input and result of every activity, without bodies: the contract between workflows and activities.
//!
//! Names stay in histories: never rename one. New fields are optional or have a default.

use temporalio_macros::activity_definitions;

use crate::contract::{
    apply::{Applied, ApplyInput, ApplyStoredInput, PruneInput, Pruned},
    checks::{AwaitInput, Awaited, CheckGatesInput, GatesChecked},
    command::{AdmitCommandInput, AdmittedCommand},
    environment::Environment,
    janitor::{
        FindingsReported, ListEnvironmentsInput, ListedEnvironments, ReportFindingsInput, SendFactsInput, SentFacts,
    },
    load_app::{LoadAppInput, LoadedApp},
    look::{EnvironmentSeen, LookAtInput},
    memory::{RecallPreviewInput, RecalledPreview},
    plan::{PlanReleaseInput, PlannedRelease},
    preparation::{AwaitGoneInput, DatabaseReady, NamespaceGone, NamespaceReady, SyncedSecrets},
    production_record::{FindRollbackInput, FoundRollback, RecallInput, Recalled, RecordInput, Recorded},
    proof::{CheckProofInput, ProofChecked},
    pull_request_list::{ListPullRequestsInput, ListedPullRequests},
    report::{ReportInput, Reported},
    script::ScriptOutcome,
    script_job::{AwaitScriptInput, RemoveScriptInput, ScriptRemoved, ScriptStarted, StartScriptInput},
    stuck::{ReportStuckInput, StuckReported},
    teardown::{DeleteInput, LeakReport},
};

/// The activities' contract. `berth_activities::Activities` implements it.
pub struct Activities;

#[activity_definitions]
impl Activities {
    /// Reads the app file, names the environment and checks that the image is allowed in it.
    #[activity(name = "load_app")]
    pub fn load_app(load: LoadAppInput) -> LoadedApp {
        unimplemented!()
    }

    /// Reads what the earlier runs of a preview have left.
    #[activity(name = "recall_preview")]
    pub fn recall_preview(recall: RecallPreviewInput) -> RecalledPreview {
        unimplemented!()
    }

    /// Looks whether what was rolled out is still there.
    #[activity(name = "look_at_environment")]
    pub fn look_at_environment(look: LookAtInput) -> EnvironmentSeen {
        unimplemented!()
    }

    /// Makes the namespace with its labels, limits, policies and the worker's own role binding.
    #[activity(name = "ensure_namespace")]
    pub fn ensure_namespace(environment: Environment) -> NamespaceReady {
        unimplemented!()
    }

    /// Waits until a namespace under deletion is gone, its reason to remain changes, or the attempt's time is up.
    #[activity(name = "await_namespace_gone")]
    pub fn await_namespace_gone(wait: AwaitGoneInput) -> NamespaceGone {
        unimplemented!()
    }

    /// Makes the preview's role and databases, and stores their password in the environment.
    #[activity(name = "ensure_database")]
    pub fn ensure_database(environment: Environment) -> DatabaseReady {
        unimplemented!()
    }

    /// Copies Doppler's secrets into the environment as an immutable Secret.
    #[activity(name = "sync_secrets")]
    pub fn sync_secrets(environment: Environment) -> SyncedSecrets {
        unimplemented!()
    }

    /// Renders the manifests, stores the release and applies it.
    #[activity(name = "apply_manifests")]
    pub fn apply_manifests(apply: ApplyInput) -> Applied {
        unimplemented!()
    }

    /// Applies a release that is stored in the environment already.
    #[activity(name = "apply_release")]
    pub fn apply_release(apply: ApplyStoredInput) -> Applied {
        unimplemented!()
    }

    /// Renders and stores a release, and computes what it would change.
    #[activity(name = "plan_release")]
    pub fn plan_release(plan: PlanReleaseInput) -> PlannedRelease {
        unimplemented!()
    }

    /// Reads the record of production in its namespace.
    #[activity(name = "recall_production")]
    pub fn recall_production(recall: RecallInput) -> Recalled {
        unimplemented!()
    }

    /// Writes the record of production, unless somebody else has written it meanwhile.
    #[activity(name = "record_production")]
    pub fn record_production(record: RecordInput) -> Recorded {
        unimplemented!()
    }

    /// Finds the stored release that a rollback by hand leads to.
    #[activity(name = "find_rollback")]
    pub fn find_rollback(find: FindRollbackInput) -> FoundRollback {
        unimplemented!()
    }

    /// Compares a proof with the message that carried it.
    #[activity(name = "check_proof")]
    pub fn check_proof(check: CheckProofInput) -> ProofChecked {
        unimplemented!()
    }

    /// Waits until every workload serves the release, or until a verdict explains why it does not.
    #[activity(name = "await_rollout")]
    pub fn await_rollout(wait: AwaitInput) -> Awaited {
        unimplemented!()
    }

    /// Runs the release's gates.
    #[activity(name = "check_gates")]
    pub fn check_gates(check: CheckGatesInput) -> GatesChecked {
        unimplemented!()
    }

    /// Removes the objects that the previous release had and this one does not have.
    #[activity(name = "prune")]
    pub fn prune(prune: PruneInput) -> Pruned {
        unimplemented!()
    }

    /// Stops the preview's pods, drops its role and databases, and verifies that they are gone.
    #[activity(name = "drop_database")]
    pub fn drop_database(environment: Environment) -> LeakReport {
        unimplemented!()
    }

    /// Removes the environment and verifies that it is gone.
    #[activity(name = "delete_environment")]
    pub fn delete_environment(delete: DeleteInput) -> LeakReport {
        unimplemented!()
    }

    /// Starts a script as a Job that is modelled on the running web pod.
    #[activity(name = "start_script")]
    pub fn start_script(start: StartScriptInput) -> ScriptStarted {
        unimplemented!()
    }

    /// Waits until a script has ended, or until it cannot start.
    #[activity(name = "await_script")]
    pub fn await_script(wait: AwaitScriptInput) -> ScriptOutcome {
        unimplemented!()
    }

    /// Makes one write on GitHub. It runs on the task queue of [`github_task_queue`].
    #[activity(name = "report_to_github")]
    pub fn report_to_github(report: ReportInput) -> Reported {
        unimplemented!()
    }

    /// Reads a comment and its author's permission from GitHub, and reacts to a command with 👀. It runs on the task queue of
    /// [`github_task_queue`].
    #[activity(name = "admit_command")]
    pub fn admit_command(admit: AdmitCommandInput) -> AdmittedCommand {
        unimplemented!()
    }

    /// Lists open pull requests, and others by number. It runs on the task queue of [`github_task_queue`].
    #[activity(name = "list_pull_requests")]
    pub fn list_pull_requests(list: ListPullRequestsInput) -> ListedPullRequests {
        unimplemented!()
    }

    /// Lists the parts of an app's previews: workflows, namespaces and databases.
    #[activity(name = "list_environments")]
    pub fn list_environments(list: ListEnvironmentsInput) -> ListedEnvironments {
        unimplemented!()
    }

    /// Sends facts to the previews that do not have them.
    #[activity(name = "send_facts")]
    pub fn send_facts(send: SendFactsInput) -> SentFacts {
        unimplemented!()
    }

    /// Reports what a `Janitor` has done and found, to the worker's log and metrics.
    #[activity(name = "report_findings")]
    pub fn report_findings(report: ReportFindingsInput) -> FindingsReported {
        unimplemented!()
    }

    /// Reports a child that does not stop, to the worker's log and metrics.
    #[activity(name = "report_stuck")]
    pub fn report_stuck(report: ReportStuckInput) -> StuckReported {
        unimplemented!()
    }

    /// Removes a script's Job and verifies that it is gone.
    #[activity(name = "remove_script")]
    pub fn remove_script(remove: RemoveScriptInput) -> ScriptRemoved {
        unimplemented!()
    }
}

/// The task queue of the activities that speak with GitHub, beside the one of the workflows: its rate limit is a limit of
/// writes.
pub fn github_task_queue(task_queue: &str) -> String {
    format!("{task_queue}-github")
}

// The macro keeps its marker types in a private module; `definition = …` needs them.
pub use activities::*;

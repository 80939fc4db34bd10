//! Scripts and `CronJob`s of an app, run by hand in a preview: a Job, its end, and its removal.
//!
//! Decisions for a script: the pod is the web pod's main container with another command. It keeps image, environment,
//! volumes, account and security settings, so the same policies admit it. It has none of the web pod's labels, so no
//! Service sends it traffic. Its model is the `ReplicaSet` whose pods serve at that moment, so a rollout in flight does
//! not change it. No shell reads the command.
//!
//! Decisions for a `CronJob`: the Job is its `jobTemplate` in the stored release that serves. A rollout in flight, or one
//! that failed, has already changed the `CronJob` in the cluster. The pod keeps the template's labels, because network
//! policies may let it reach others by them, except those by which a Service would send it traffic.

mod access;
mod await_script;
mod cron_job;
mod cron_template;
mod end;
mod job;
mod model;
mod refusal;
mod remove_script;
mod start_script;
mod web_pod;

pub use await_script::await_script;
pub use remove_script::remove_script;
pub use start_script::start_script;

/// The label with the script's name, shortened to a valid value.
pub(crate) const SCRIPT: &str = "berth.dev/script";
/// The label with the name of a `CronJob` that is run by hand. A script may have the same name, so this is another key.
const CRON: &str = "berth.dev/cron";
/// The annotation with the run of the `ScriptRun` that created the Job.
const RUN: &str = "berth.dev/run-id";
/// The annotation with the workload that the pod is modelled on.
const WORKLOAD: &str = "berth.dev/made-after";
/// The Job controller's label on a pod.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

#[cfg(test)]
mod tests {
    use berth_manifests::app::is_script_name;
    use berth_workflows::contract::run_script::ScriptName;
    use proptest::prelude::*;

    fn is_accepted_by_both_or_neither(name: &str) -> bool {
        is_script_name(name) == ScriptName::try_from(name.to_owned()).is_ok()
    }

    #[test]
    fn app_files_and_requests_accept_the_same_script_names() {
        let (longest, too_long) = ("a".repeat(100), "a".repeat(101));
        for name in [longest.as_str(), "send-reminder", "db:migrate", "a.b", "_", ".", ":"] {
            assert!(is_script_name(name) && is_accepted_by_both_or_neither(name), "{name}");
        }
        for name in [too_long.as_str(), "", "-rf", "a b", "a;b", "a/b", "é", "a\n"] {
            assert!(!is_script_name(name) && is_accepted_by_both_or_neither(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_script_name_is_accepted_by_both_sides_or_neither(name in prop_oneof!["[a-zA-Z0-9_:.-]{0,103}", "\\PC{0,5}"]) {
            prop_assert!(is_accepted_by_both_or_neither(&name));
        }
    }
}

//! The decisions of berth: workflows, and the contract of the activities that they call.
//!
//! Nothing here has an effect. No tokio, no kube, no clock, no environment: the dependencies keep them out, and
//! `clippy.toml` what the standard library still offers. Every effect is an activity of `berth-activities`.

pub mod activity_options;
mod bounded;
mod clock;
pub mod contract;
pub mod environment;
pub mod failure;
pub mod final_report;
pub mod janitor;
pub mod preview_environment;
pub mod preview_memory;
pub mod production_environment;
#[cfg(test)]
mod properties;
pub mod report;
pub mod rollout;
pub mod script_run;

/// The default task queue of the worker.
pub const TASK_QUEUE: &str = "berth";

/// Registers every workflow of this crate.
///
/// Takes a worker's or a replayer's options by value, and gives them back in the `Result` of `register_workflow`.
/// A macro, since those types are the SDK's and this crate must not depend on it.
#[macro_export]
macro_rules! register_workflows {
    ($options:expr) => {
        $options
            .register_workflow::<$crate::preview_environment::PreviewEnvironment>()
            .and_then(|options| options.register_workflow::<$crate::production_environment::ProductionEnvironment>())
            .and_then(|options| options.register_workflow::<$crate::rollout::Rollout>())
            .and_then(|options| options.register_workflow::<$crate::script_run::ScriptRun>())
            .and_then(|options| options.register_workflow::<$crate::final_report::FinalReport>())
            .and_then(|options| options.register_workflow::<$crate::preview_memory::PreviewMemory>())
            .and_then(|options| options.register_workflow::<$crate::janitor::Janitor>())
    };
}

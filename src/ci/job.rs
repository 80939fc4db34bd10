//! The job, as GitHub describes it to its steps by variables.

use std::path::PathBuf;

use anyhow::Context as _;
use berth_workflows::contract::release::Name;

use crate::exit::UsageError;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// The name of the event: `pull_request`, `push`.
    pub(super) event: String,
    /// The file with the event.
    pub(super) event_path: PathBuf,
    /// The run's id, which rises within the repository. `GITHUB_RUN_NUMBER` counts per workflow file.
    pub(super) run_id: u64,
    /// The commit that the job runs on. For a pull request it is that of a merge, which nobody has pushed.
    pub(super) sha: String,
    /// The account that has started the run.
    pub(super) actor: Option<Name>,
    pub(super) branch: Option<Name>,
}

/// Files of a step. A variable that is not set has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StepFiles {
    pub(super) output: Option<PathBuf>,
    pub(super) summary: Option<PathBuf>,
}

impl Job {
    /// Reads the variables.
    ///
    /// # Errors
    /// One is missing: this is no job.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let needed = |name: &str| {
            let missing = || {
                UsageError(format!(
                    "{name} is not set: berth ci runs in a job of GitHub Actions, and elsewhere there are berth preview push \
                     and berth production release"
                ))
            };
            variable(name).ok_or_else(missing)
        };
        let run_id = needed("GITHUB_RUN_ID")?.parse().context("reading GITHUB_RUN_ID")?;
        let named = |name: &str| variable(name).and_then(|value| Name::try_from(value).ok());
        Ok(Self {
            event: needed("GITHUB_EVENT_NAME")?,
            event_path: needed("GITHUB_EVENT_PATH")?.into(),
            run_id,
            sha: needed("GITHUB_SHA")?,
            actor: named("GITHUB_ACTOR"),
            branch: named("GITHUB_REF_NAME"),
        })
    }
}

impl StepFiles {
    /// Reads the variables.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let file = |name: &str| variable(name).map(PathBuf::from);
        Self { output: file("GITHUB_OUTPUT"), summary: file("GITHUB_STEP_SUMMARY") }
    }
}

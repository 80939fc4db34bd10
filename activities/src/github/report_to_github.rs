//! The activity `report_to_github`: one write on GitHub.
//!
//! A write without an id first looks for what an earlier run has made, so a worker that dies after the write never leaves
//! two.

mod check;
mod comment;
mod deployment;

use berth_workflows::contract::report::{GithubWrite, ReportInput, Reported};
use serde::Deserialize;

use super::{client::GithubClient, repository::Repository};
use crate::failure::Failure;

/// Makes the write in the repository of that id. A comment that a person has deleted is reported as gone.
///
/// # Errors
/// `GithubDenied`, permanent, if a person must act. `GithubUnavailable`, retried after GitHub's own pause.
pub async fn report_to_github(
    github: &GithubClient,
    repository: u64,
    report: &ReportInput,
) -> Result<Reported, Failure> {
    let repository = github.repository(repository);
    match &report.write {
        GithubWrite::Comment { pull_request, marker, id, body } => {
            comment::write(repository, *pull_request, marker, *id, body).await
        }
        GithubWrite::Check { .. } => check::write(repository, report).await,
        GithubWrite::Deployment { .. } => deployment::create(repository, &report.write).await,
        GithubWrite::DeploymentStatus { .. } => deployment::set_status(repository, &report.write).await,
    }
}

/// Something that GitHub gave an id.
#[derive(Debug, Deserialize)]
struct Identified {
    id: u64,
}

impl From<Identified> for Reported {
    fn from(made: Identified) -> Self {
        Self { id: Some(made.id), gone: false }
    }
}

/// The App that made something.
#[derive(Debug, Deserialize)]
struct ByApp {
    id: u64,
}

impl Repository<'_> {
    fn is_own(&self, app: Option<&ByApp>) -> bool {
        app.is_some_and(|app| app.id == self.github.app.id)
    }
}

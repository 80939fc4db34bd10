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
        GithubWrite::Deployment { .. } => deployment::create(repository, report).await,
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

/// The account that made something: a person's, or that of an App.
#[derive(Debug, Deserialize)]
struct ByAccount {
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The App that berth is.
struct Myself<'a> {
    id: u64,
    login: &'a str,
}

impl Myself<'_> {
    /// Whether the App has made something by itself, and not for a person. GitHub names the App only in some answers, and the account
    /// in all.
    fn has_made(&self, app: Option<&ByApp>, account: Option<&ByAccount>) -> bool {
        let Some(account) = account.filter(|account| account.kind == "Bot") else { return false };
        app.map_or(account.login == self.login, |app| app.id == self.id)
    }
}

impl<'a> Repository<'a> {
    async fn myself(&self) -> Result<Myself<'a>, Failure> {
        Ok(Myself { id: self.github.app.id, login: self.github.login().await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_work_is_told_by_the_app_or_by_its_account() {
        let myself = Myself { id: 7, login: "berth[bot]" };
        let account = |login: &str, kind: &str| Some(ByAccount { login: login.to_owned(), kind: kind.to_owned() });
        for (app, account, expected) in [
            (Some(7), account("berth[bot]", "Bot"), true),
            // The App was renamed meanwhile.
            (Some(7), account("ferry[bot]", "Bot"), true),
            (None, account("berth[bot]", "Bot"), true),
            (None, account("ferry[bot]", "Bot"), false),
            (None, account("berth[bot]", "User"), false),
            (Some(8), account("berth[bot]", "Bot"), false),
            // A person, by way of the App.
            (Some(7), account("octocat", "User"), false),
            (None, account("octocat", "User"), false),
            (Some(7), None, false),
        ] {
            let app = app.map(|id| ByApp { id });
            assert_eq!(myself.has_made(app.as_ref(), account.as_ref()), expected, "{app:?} {account:?}");
        }
    }
}

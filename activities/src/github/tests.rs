//! The activities against the lab's GitHub, which checks requests as GitHub does.

use std::{io::Write as _, time::Duration};

use berth_lab::github::{Fault, GithubServer, NewPull, REPOSITORY};
use berth_workflows::contract::{
    release::Commit,
    report::{GithubWrite, ReportInput, Reported},
    verdict::FailureType,
};

use super::{GithubClient, report_to_github::report_to_github};
use crate::failure::Failure;

mod admits;
mod finds;
mod lists;
mod reports;

const MARKER: &str = "<!-- berth preview-web-1 -->";
const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";
const TOKENS: &str = "/app/installations/{installation_id}/access_tokens";

/// A GitHub with one open pull request, and a client of it.
struct Site {
    github: GithubServer,
    client: GithubClient,
}

impl Site {
    fn start() -> Self {
        Self::with_timeout(Duration::from_secs(15))
    }

    fn with_timeout(timeout: Duration) -> Self {
        // The process has one TLS provider; main installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let github = GithubServer::start().unwrap();
        assert_eq!(github.open(REPOSITORY, NewPull::new("web", head().as_str())).unwrap(), 1);
        let (app, pem) = github.app();
        let mut key = tempfile::NamedTempFile::new().unwrap();
        key.write_all(pem.as_bytes()).unwrap();
        let client = GithubClient::with_timeout(&github.url(), app, key.path(), timeout).unwrap();
        Self { github, client }
    }

    async fn report(&self, write: GithubWrite) -> Result<Reported, Failure> {
        let report = ReportInput { app: "web".to_owned(), environment: "preview-web-1".to_owned(), write };
        report_to_github(&self.client, REPOSITORY, &report).await
    }
}

fn head() -> Commit {
    Commit::try_from("4f2a9c1".repeat(6)[..40].to_owned()).unwrap()
}

fn comment(id: Option<u64>, text: &str) -> GithubWrite {
    GithubWrite::Comment { pull_request: 1, marker: MARKER.to_owned(), id, body: format!("{MARKER}\n{text}") }
}

fn denied<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Err(Failure::Permanent(verdict)) if verdict.failure == FailureType::GithubDenied => {
            format!("{} {}", verdict.message, verdict.advice)
        }
        other => panic!("{other:?}"),
    }
}

/// The pause of a failure that may pass.
fn pause<T: std::fmt::Debug>(result: Result<T, Failure>) -> Option<Duration> {
    match result {
        Err(Failure::Transient { failure: FailureType::GithubUnavailable, retry_after, .. }) => retry_after,
        other => panic!("{other:?}"),
    }
}

/// Lets time pass, as this process measures it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

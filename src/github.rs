//! `berth github`: the GitHub App that the worker reports as.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use berth_activities::github::{
    GithubClient,
    doctor::{Finding, check_app, check_repository},
};
use berth_manifests::app::{App, AppFolder, read_apps};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    envelope::{Envelope, Output},
    exit::{self, Exit, UsageError},
};

/// Check the GitHub App that the worker reports as
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::CHECK))]
pub(crate) struct Github {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Doctor(Doctor),
}

/// The GitHub App, its key, and where GitHub is.
#[derive(Debug, Clone, Args)]
pub(crate) struct GithubApp {
    /// The id of the GitHub App that berth reports as
    #[arg(long, env = "BERTH_GITHUB_APP_ID", value_name = "ID", requires = "github_key_file")]
    github_app_id: Option<u64>,
    /// The private key of the GitHub App, as GitHub hands it out: a PEM file
    #[arg(long, env = "BERTH_GITHUB_KEY_FILE", value_name = "FILE", requires = "github_app_id")]
    github_key_file: Option<PathBuf>,
    /// The URL of GitHub's API. GitHub Enterprise Server: `https://HOST/api/v3`
    #[arg(long, env = "BERTH_GITHUB_API_URL", default_value = "https://api.github.com", value_name = "URL")]
    github_api_url: String,
}

impl GithubApp {
    /// Whether an App is given.
    pub(crate) fn is_given(&self) -> bool {
        self.github_app_id.is_some() && self.github_key_file.is_some()
    }

    /// Makes the client, if an App is given.
    ///
    /// # Errors
    /// The key cannot be read, or the URL is wrong.
    pub(crate) fn client(&self) -> anyhow::Result<Option<GithubClient>> {
        let (Some(id), Some(key)) = (self.github_app_id, &self.github_key_file) else { return Ok(None) };
        GithubClient::new(&self.github_api_url, id, key).map(Some)
    }
}

/// Show what the GitHub App lacks, and where it is set: token, permissions, events, repositories
///
/// It only reads, unless a pull request is given.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::CHECK))]
struct Doctor {
    /// The folder with the app files
    #[arg(long, env = "BERTH_APPS", value_name = "DIR")]
    apps: PathBuf,
    /// Only this app
    #[arg(long, value_name = "APP", required_unless_present = "all", conflicts_with = "all")]
    app: Option<String>,
    /// All apps that have a repository
    #[arg(long)]
    all: bool,
    /// Write a comment in this pull request of the app, and delete it
    #[arg(long, value_name = "N", requires = "app", conflicts_with = "all")]
    pull_request: Option<u64>,
    #[command(flatten)]
    github: GithubApp,
    /// Format of the findings
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl Github {
    /// Checks the App.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Doctor(doctor) = self.action;
        let envelope = match doctor.findings().await {
            Ok(findings) => answer(&findings),
            Err(error) => Envelope::error(&error),
        };
        envelope.print(doctor.output)
    }
}

impl Doctor {
    async fn findings(&self) -> anyhow::Result<Vec<Finding>> {
        let client = self.github.client()?;
        let github = client.ok_or_else(|| UsageError("give --github-app-id and --github-key-file".to_owned()))?;
        let apps = self.apps()?;
        let mut findings = check_app(&github).await;
        for app in apps {
            findings.extend(match &app.github {
                Some(rules) => check_repository(&github, &app.app, rules.repository_id, self.pull_request).await,
                None => vec![Finding {
                    subject: format!("app {} has no github section", app.app),
                    advice: Some("set github.repository_id in the app file".to_owned()),
                }],
            });
        }
        Ok(findings)
    }

    /// The apps to look at: the one that is named, or all that have a repository.
    fn apps(&self) -> anyhow::Result<Vec<App>> {
        if !self.apps.is_dir() {
            return Err(UsageError(format!("{} is not a folder (--apps)", self.apps.display())).into());
        }
        let AppFolder { apps, .. } = read_apps(&self.apps);
        let is_wanted = |app: &App| self.app.as_ref().map_or_else(|| app.github.is_some(), |name| *name == app.app);
        let wanted: Vec<App> = apps.into_iter().filter(is_wanted).collect();
        match (&self.app, wanted.is_empty()) {
            (Some(name), true) => Err(UsageError(format!("there is no app {name} in {}", self.apps.display())).into()),
            _ => Ok(wanted),
        }
    }
}

fn answer(findings: &[Finding]) -> Envelope {
    let is_good = findings.iter().all(|finding| finding.advice.is_none());
    let (outcome, exit) = if is_good { ("ok", Exit::Done) } else { ("missing", Exit::Failed) };
    let rows: Vec<Value> = findings
        .iter()
        .map(|Finding { subject, advice }| json!({ "ok": advice.is_none(), "subject": subject, "advice": advice }))
        .collect();
    let envelope = Envelope { data: Some(Value::from(rows)), ..Envelope::new(outcome, exit) };
    envelope.with_text(|out| {
        findings.iter().try_for_each(|Finding { subject, advice }| match advice {
            None => writeln!(out, "ok       {subject}"),
            Some(advice) => writeln!(out, "missing  {subject}\n         {advice}"),
        })
    })
}

//! The list of GitHub's activities, for a task queue of their own. Each admits its caller first.

use std::sync::Arc;

use berth_workflows::contract::{
    activity_definitions as definitions,
    command::{AdmitCommandInput, AdmittedCommand},
    environment::EnvironmentKind,
    pull_request_list::{ListPullRequestsInput, ListedPullRequests},
    report::{ReportInput, Reported},
    verdict::{FailureType, Verdict},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{
    GithubClient,
    admission::{check_command, check_list, check_report},
    admit_command, list_pull_requests, report_to_github,
};
use crate::{
    activities::caller_of, admission::check_served, environment, failure::Failure, heartbeat::heartbeating,
    settings::Settings,
};

/// The client and the settings that GitHub's activities share.
pub struct GithubActivities {
    pub settings: Settings,
    pub github: GithubClient,
}

impl GithubActivities {
    /// The id of the app's repository, if its app file lets berth do this there.
    async fn repository(&self, app: &str) -> Result<u64, Failure> {
        let (settings, name) = (self.settings.clone(), app.to_owned());
        let found = tokio::task::spawn_blocking(move || environment::load_app::find_app(&settings, &name)).await;
        let app = found.map_err(|e| Failure::transient(FailureType::UnknownApp, format!("reading the app: {e}")))??;
        app.github.as_ref().map(|github| github.repository_id).ok_or_else(|| {
            let verdict = Verdict::new(FailureType::GithubDenied, format!("app {} has no github section", app.app));
            verdict.advise("set github.repository_id in the app file").into()
        })
    }
}

#[activities]
impl GithubActivities {
    /// See [`report_to_github()`].
    #[activity(definition = definitions::ReportToGithub)]
    pub async fn report_to_github(
        self: Arc<Self>,
        ctx: ActivityContext,
        report: ReportInput,
    ) -> Result<Reported, ActivityError> {
        heartbeating(&ctx, async |_| {
            let kind = check_report(&caller_of(&ctx), &report)?;
            check_served(&self.settings, kind)?;
            let repository = self.repository(&report.app).await?;
            report_to_github(&self.github, repository, &report).await
        })
        .await
    }

    /// See [`admit_command()`].
    #[activity(definition = definitions::AdmitCommand)]
    pub async fn admit_command(
        self: Arc<Self>,
        ctx: ActivityContext,
        admit: AdmitCommandInput,
    ) -> Result<AdmittedCommand, ActivityError> {
        heartbeating(&ctx, async |_| {
            check_command(&caller_of(&ctx), &admit.app, admit.pull_request)?;
            check_served(&self.settings, EnvironmentKind::Preview { pr: admit.pull_request })?;
            let repository = self.repository(&admit.app).await?;
            admit_command(&self.github, repository, &admit).await
        })
        .await
    }

    /// See [`list_pull_requests()`].
    #[activity(definition = definitions::ListPullRequests)]
    pub async fn list_pull_requests(
        self: Arc<Self>,
        ctx: ActivityContext,
        list: ListPullRequestsInput,
    ) -> Result<ListedPullRequests, ActivityError> {
        heartbeating(&ctx, async |_| {
            check_list(&caller_of(&ctx), &list.app)?;
            let repository = self.repository(&list.app).await?;
            list_pull_requests(&self.github, repository, &list).await
        })
        .await
    }
}

//! Fake activities that speak with GitHub: comments, checks and deployments in memory, on a task queue of their own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use berth_workflows::contract::{
    activity_definitions::{self as definitions, github_task_queue},
    command::{AdmitCommandInput, AdmittedCommand},
    load_app::GithubRules,
    pull_request::PullRequestFacts,
    pull_request_list::{ListPullRequestsInput, ListedPullRequest, ListedPullRequests},
    report::{GithubWrite, ReportInput, Reported},
};
use temporalio_client::Client;
use temporalio_common::error::ApplicationFailure;
use temporalio_macros::activities;
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityContext, ActivityError},
    runtime::RuntimeOptions,
};

use crate::{preview::PATIENCE, until::holds_within};

/// GitHub, as far as reports need it.
#[derive(Default)]
pub struct Github {
    /// Whether it answers no write.
    pub is_away: AtomicBool,
    /// Whether it refuses every check run for good.
    pub refuses_checks: AtomicBool,
    /// Pull requests, by their numbers.
    pub pull_requests: Mutex<BTreeMap<u64, PullRequestFacts>>,
    /// The numbers that were asked for, in each list.
    pub asked: Mutex<Vec<Vec<u64>>>,
    /// Whether it answers no question about a comment.
    pub is_slow_to_admit: AtomicBool,
    /// How many comments were read.
    pub read_comments: AtomicUsize,
    /// Comments that are commands, by their ids.
    pub commands: Mutex<BTreeMap<u64, AdmittedCommand>>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    last_id: u64,
    /// The marker, and the body after the last write.
    comments: BTreeMap<u64, (String, String)>,
    writes: Vec<GithubWrite>,
    attempts: usize,
}

/// Rules of an app file that names a repository.
pub fn github_rules() -> GithubRules {
    GithubRules {
        repository_id: 123_456_789,
        reports: true,
        comment: true,
        commands: true,
        drafts: false,
        label: None,
        skip_label: None,
        production_environment: None,
        temporal_ui: Some("https://temporal.example.com".into()),
    }
}

impl Github {
    /// Runs a test beside a worker of GitHub's activities.
    pub async fn serve(self: &Arc<Self>, client: &Client, task_queue: &str, test: impl Future<Output = ()>) {
        let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
        let options = WorkerOptions::new(github_task_queue(task_queue))
            .register_activities(FakeGithub(self.clone()))
            .max_heartbeat_throttle_interval(Duration::from_millis(100))
            .graceful_shutdown_period(Duration::from_millis(100));
        let mut worker = Worker::new(&runtime, client.clone(), options.build()).unwrap();
        tokio::select! {
            ended = worker.run() => panic!("the worker ended: {ended:?}"),
            () = Box::pin(test) => {}
        }
    }

    /// The bodies of the comments, in the order in which they were made.
    pub fn comments(&self) -> Vec<String> {
        self.made.lock().unwrap().comments.values().map(|(_, body)| body.clone()).collect()
    }

    /// Every write that was taken.
    pub fn writes(&self) -> Vec<GithubWrite> {
        self.made.lock().unwrap().writes.clone()
    }

    /// How many writes were tried.
    pub fn attempts(&self) -> usize {
        self.made.lock().unwrap().attempts
    }

    /// Waits until GitHub meets the condition.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        assert!(holds_within(PATIENCE, async || is_so(self)).await, "never {what}: {:#?}", self.writes());
    }

    /// Takes a write. What has no id yet is found again by its marker, as GitHub's own activity does.
    fn take(&self, write: GithubWrite) -> u64 {
        let mut made = self.made.lock().unwrap();
        let id = match &write {
            GithubWrite::Comment { marker, id, .. } => {
                let found = made.comments.iter().find(|(_, (of, _))| of == marker).map(|(id, _)| *id);
                id.or(found)
            }
            GithubWrite::Check { id, .. } => *id,
            GithubWrite::Deployment { .. } => None,
            GithubWrite::DeploymentStatus { deployment, .. } => Some(*deployment),
        };
        let id = id.unwrap_or_else(|| {
            made.last_id += 1;
            made.last_id
        });
        if let GithubWrite::Comment { marker, body, .. } = &write {
            made.comments.insert(id, (marker.clone(), body.clone()));
        }
        made.writes.push(write);
        id
    }
}

/// Fake activities of GitHub.
pub struct FakeGithub(pub Arc<Github>);

#[activities]
impl FakeGithub {
    #[activity(definition = definitions::ReportToGithub)]
    pub async fn report_to_github(
        self: Arc<Self>,
        _ctx: ActivityContext,
        report: ReportInput,
    ) -> Result<Reported, ActivityError> {
        self.0.made.lock().unwrap().attempts += 1;
        if self.0.is_away.load(Ordering::Relaxed) {
            return Err(anyhow::anyhow!("503 Service Unavailable").into());
        }
        if self.0.refuses_checks.load(Ordering::Relaxed) && matches!(report.write, GithubWrite::Check { .. }) {
            return Err(ApplicationFailure::builder(anyhow::anyhow!("the app lacks the permission checks: write"))
                .non_retryable(true) // A person has to grant it.
                .build()
                .into());
        }
        Ok(Reported { id: Some(self.0.take(report.write)), gone: false })
    }

    /// Lists as GitHub does: the open ones, and those that are asked for.
    #[activity(definition = definitions::ListPullRequests)]
    pub async fn list_pull_requests(
        self: Arc<Self>,
        _ctx: ActivityContext,
        list: ListPullRequestsInput,
    ) -> Result<ListedPullRequests, ActivityError> {
        self.0.asked.lock().unwrap().push(list.asked.clone());
        if self.0.is_away.load(Ordering::Relaxed) {
            return Err(anyhow::anyhow!("503 Service Unavailable").into());
        }
        let all = self.0.pull_requests.lock().unwrap();
        let is_shown = |number: &u64, facts: &PullRequestFacts| !facts.is_closed() || list.asked.contains(number);
        let shown = all.iter().filter(|(number, facts)| is_shown(number, facts));
        Ok(ListedPullRequests {
            pull_requests: shown
                .map(|(number, facts)| ListedPullRequest {
                    number: *number,
                    facts: PullRequestFacts { asked: true, ..facts.clone() },
                })
                .collect(),
            absent: list.asked.into_iter().filter(|number| !all.contains_key(number)).collect(),
        })
    }

    #[activity(definition = definitions::AdmitCommand)]
    pub async fn admit_command(
        self: Arc<Self>,
        ctx: ActivityContext,
        admit: AdmitCommandInput,
    ) -> Result<AdmittedCommand, ActivityError> {
        self.0.read_comments.fetch_add(1, Ordering::Relaxed);
        while self.0.is_slow_to_admit.load(Ordering::Relaxed) {
            ctx.record_heartbeat("waiting").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.0.commands.lock().unwrap().get(&admit.comment).cloned().unwrap_or(AdmittedCommand::Nothing))
    }
}

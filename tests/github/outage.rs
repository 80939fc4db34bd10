//! Many pull requests at five writes a second, while GitHub refuses every request for some time.
//!
//! Workflows, the task queue's rate and GitHub's activities are berth's own; Kubernetes' activities are fakes.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use berth_activities::{
    Settings,
    github::{GithubActivities, GithubClient},
};
use berth_lab::github::{Fault, GithubServer, Limits, REPOSITORY};
use berth_test_support::{
    fake_github::github_rules,
    holds_within,
    preview::{Preview, preview, push},
    settings,
};
use berth_workflows::{
    contract::{
        activity_definitions::github_task_queue,
        environment::PullRequest,
        release::Commit,
        signals::{DeployOutcome, Push},
    },
    preview_environment::PreviewEnvironment,
};
use futures::future::join_all;
use temporalio_client::{WorkflowExecuteUpdateOptions, WorkflowStartOptions};
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};

use crate::site::Site;

/// The rate that the worker's flag `--github-writes-per-second` sets.
const PER_SECOND: f64 = 5.0;

/// The most writes of a push, each state of which is shown: of the first one, and of a later one, which ends the one before.
const WRITES_OF_A_FIRST_PUSH: usize = 7;
const WRITES_OF_A_PUSH: usize = 8;

/// The bound of a wait for reports.
const PATIENCE: Duration = Duration::from_secs(300);

/// Pull requests of one app.
struct Many<'a> {
    t: &'a Preview,
    site: &'a Site,
    numbers: RangeInclusive<u64>,
}

/// The commit of a pull request that begins with this digit.
fn commit(digit: char, number: u64) -> String {
    format!("{digit}{number:03}{}", "0".repeat(36))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

impl Many<'_> {
    fn github(&self) -> &GithubServer {
        &self.site.github
    }

    fn input(&self, number: u64) -> PullRequest {
        PullRequest { pr: number, ..self.t.input.clone() }
    }

    async fn start(&self) {
        for number in self.numbers.clone() {
            let input = self.input(number);
            let options = WorkflowStartOptions::new(&self.t.task_queue, input.workflow_id()).build();
            self.t.client.start_workflow(PreviewEnvironment::run, input.into(), options).await.unwrap();
        }
    }

    /// Pushes to each pull request at once. Returns how long each took until it was live.
    async fn push(&self, digit: char) -> Vec<Duration> {
        self.numbers.clone().for_each(|number| self.github().push(REPOSITORY, number, &commit(digit, number)));
        let begun = Instant::now();
        let pushes = self.numbers.clone().map(async |number| {
            let push = Push { commit: Commit::try_from(commit(digit, number)).unwrap(), ..push(digit) };
            let handle = self.t.client.get_workflow_handle::<PreviewEnvironment>(self.input(number).workflow_id());
            let options = WorkflowExecuteUpdateOptions::default();
            let answer = handle.execute_update(PreviewEnvironment::deploy, push.into(), options).await.unwrap();
            assert_eq!(answer.outcome, DeployOutcome::Live, "{answer:?}");
            begun.elapsed()
        });
        join_all(pushes).await
    }

    /// Waits until everything that is shown is about that push. Returns how long it took.
    async fn shown(&self, digit: char) -> Duration {
        let begun = Instant::now();
        let is_shown = async || self.numbers.clone().all(|number| self.is_shown(digit, number));
        if !holds_within(PATIENCE, is_shown).await {
            panic!("not everything is shown: {} {:#?}", self.first_that_is_wrong(digit), self.t.status().await);
        }
        begun.elapsed()
    }

    fn first_that_is_wrong(&self, digit: char) -> String {
        let wrong = self.numbers.clone().find(|number| !self.is_shown(digit, *number)).unwrap_or_default();
        let (github, task) = (self.github(), self.input(wrong).workflow_id());
        let mut deployments = github.deployments(REPOSITORY);
        deployments.retain(|deployment| deployment.task == task);
        let checks = github.checks(REPOSITORY, &commit(digit, wrong));
        format!("{task}: {:#?} {checks:#?} {deployments:#?}", github.comments(REPOSITORY, wrong))
    }

    fn is_shown(&self, digit: char, number: u64) -> bool {
        let (head, comments) = (commit(digit, number), self.github().comments(REPOSITORY, number));
        let live = format!("live at `{}`", &head[..7]);
        let checks = self.github().checks(REPOSITORY, &head);
        let mut deployments = self.github().deployments(REPOSITORY);
        deployments.retain(|deployment| deployment.task == self.input(number).workflow_id());
        let is_right = |deployment: &berth_lab::github::Deployment| match deployment.sha == head {
            true => deployment.state() == Some("success"),
            false => deployment.state() == Some("inactive"),
        };
        assert!(comments.len() <= 1 && checks.len() <= 1, "two of them: {comments:#?} {checks:#?}");
        comments.iter().any(|comment| comment.body.contains(&live))
            && checks.iter().any(|check| check.conclusion.as_deref() == Some("success"))
            && deployments.iter().any(|deployment| deployment.sha == head)
            && deployments.iter().all(is_right)
    }

    /// Pushes while GitHub takes reports, and while it refuses every request. Returns how long the rollouts took.
    async fn outlive(&self, refusing: Option<Duration>, fault: Fault) -> (Vec<Duration>, Vec<Duration>) {
        // The first push makes the environments, which the later ones find.
        self.push('a').await;
        self.shown('a').await;
        self.print_writes("a first push", WRITES_OF_A_FIRST_PUSH);
        self.push('b').await;
        self.shown('b').await;
        self.print_writes("a push", WRITES_OF_A_PUSH);
        // Before and after the outage, since a history grows with each push.
        let before = self.push_twice(['c', 'd']).await;
        self.shown('d').await;
        let fault = match refusing {
            Some(time) => fault.lasting(time),
            None => fault,
        };
        self.github().fail(fault);
        let begun = Instant::now();
        let refused = self.push_twice(['e', 'f']).await;
        match refusing {
            Some(time) => {
                assert!(begun.elapsed() < time, "the rollouts took longer than the outage: {:?}", begun.elapsed())
            }
            None => self.end_outage().await,
        }
        self.shown('f').await;
        println!("everything is right {:.1} s after the outage began", begun.elapsed().as_secs_f64());
        let after = self.push_twice(['1', '2']).await;
        self.shown('2').await;
        ([before, after].concat(), refused)
    }

    /// Pushes, and pushes again as soon as all are live.
    async fn push_twice(&self, [first, second]: [char; 2]) -> Vec<Duration> {
        [self.push(first).await, self.push(second).await].concat()
    }

    /// Lets GitHub take requests again, once it has refused one.
    async fn end_outage(&self) {
        assert!(holds_within(PATIENCE, async || self.refusals() > 0).await, "GitHub never refused a request");
        self.github().clear_faults();
    }

    fn refusals(&self) -> usize {
        self.github().requests().iter().filter(|request| request.status == 403).count()
    }

    /// Prints how many writes there were of each pull request since the last time.
    fn print_writes(&self, of: &str, most: usize) {
        let writes = self.github().requests().iter().filter(|request| request.is_write()).count();
        let pull_requests = self.numbers.clone().count();
        #[expect(clippy::cast_precision_loss, reason = "some hundred writes")]
        let each = writes as f64 / pull_requests as f64;
        println!(
            "{writes} writes of {of} in {pull_requests} pull requests: {each:.1} each, and {most} if each state is shown"
        );
        assert!(writes <= most * pull_requests, "{writes} writes");
        self.check_rate();
        self.github().forget_requests();
    }

    fn check_rate(&self) {
        let within = [1, 10, 60].map(|seconds| self.github().busiest(Duration::from_secs(seconds)));
        println!(
            "    at most {} writes within a second, {} within ten, {} within a minute",
            within[0], within[1], within[2]
        );
        // The server hands out a second's worth at once after a pause, and another one's is on its way to GitHub.
        assert!(within[1] <= 60 && within[2] <= 310, "{within:?}");
    }
}

/// The worker of GitHub's activities, as `berth worker` makes it.
fn github_worker(t: &Preview, site: &Site) -> Worker {
    let settings = Settings { has_github_app: true, ..settings(&site.apps()) };
    let github = GithubClient::new(&site.github.url(), site.github.app().0, &site.key_file()).unwrap();
    let options = WorkerOptions::new(github_task_queue(&t.task_queue))
        .register_activities(GithubActivities { settings, github })
        .max_task_queue_activities_per_second(PER_SECOND)
        .max_heartbeat_throttle_interval(Duration::from_millis(500));
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
    Worker::new(&runtime, t.client.clone(), options.build()).unwrap()
}

/// Medians of rollouts in seconds.
#[derive(Debug, Clone, Copy)]
struct Medians {
    unreported: f64,
    reported: f64,
    refused: f64,
}

/// Pushes to so many pull requests, while GitHub refuses every request for so long, or until the rollouts are over.
async fn check_outage(t: &Preview, count: u64, refusing: Option<Duration>, fault: Fault) -> Medians {
    let heads: Vec<_> = (1..=count).map(|number| commit('a', number)).collect();
    let site = Site::of(&t.input.app, &heads);
    site.github.set_limits(Limits::NONE);
    let mut worker = github_worker(t, &site);
    // An app's rules are read when an environment starts.
    let others = Many { t, site: &site, numbers: 1001..=1000 + count };
    others.start().await;
    others.push('a').await;
    let unreported = others.push_twice(['b', 'c']).await;
    *t.world.github.lock().unwrap() = Some(github_rules());
    let many = Many { t, site: &site, numbers: 1..=count };
    many.start().await;
    let (reported, refused) = tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        rollouts = Box::pin(many.outlive(refusing, fault)) => rollouts,
    };
    many.check_rate();
    println!("{count} pull requests, {} requests were refused", many.refusals());
    let [unreported, reported, refused] = [unreported, reported, refused].map(|times| median(times).as_secs_f64());
    Medians { unreported, reported, refused }
}

#[tokio::test]
async fn rollouts_go_on_while_github_refuses_every_request() {
    preview("brief-outage", async |t: Preview| {
        check_outage(&t, 2, None, Fault::secondary_limit(Some(2))).await;
    })
    .await;
}

/// The ratio of medians above which a rollout counts as slower. The machine is shared.
const SLOWER: f64 = 1.5;

#[tokio::test]
#[ignore = "takes some minutes: 30 pull requests, and GitHub refuses for 72 s"]
async fn thirty_pull_requests_outlive_refusals_of_72_seconds() {
    preview("outage", async |t: Preview| {
        let refusing = Some(Duration::from_secs(72));
        let medians = check_outage(&t, 30, refusing, Fault::secondary_limit(Some(24))).await;
        let Medians { unreported, reported, refused } = medians;
        let (of_unreported, of_reported) = (refused / unreported, refused / reported);
        println!(
            "median rollout: {unreported:.2} s without reports, {reported:.2} s with them, {refused:.2} s while GitHub refuses: \
             ratio {of_unreported:.2} and {of_reported:.2}"
        );
        assert!(of_unreported < SLOWER && of_reported < SLOWER, "rollouts wait for GitHub");
    })
    .await;
}

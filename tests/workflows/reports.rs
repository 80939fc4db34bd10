//! Reports on GitHub, on a real dev server, with fake activities.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use berth_test_support::{
    fake_github::{Github, github_rules},
    found_within,
    preview::{PATIENCE, Preview, commit, preview, push},
    production::{Production, production},
};
use berth_workflows::{
    contract::{
        phase::Phase,
        report::{CheckConclusion, DeploymentState, GithubWrite},
        signals::{DeployOutcome, Push},
    },
    final_report::FinalReport,
};
use temporalio_client::{
    UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowHandle,
    WorkflowStartOptions,
};
use temporalio_common::data_converters::RawValue;

/// Runs a test of a preview whose app file names a repository.
async fn reported<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview, Arc<Github>) -> F) {
    preview(app, async |t: Preview| {
        let github = Arc::new(Github::default());
        *t.world.github.lock().unwrap() = Some(github_rules());
        let (client, queue) = (t.client.clone(), t.task_queue.clone());
        github.serve(&client, &queue, test(t, github.clone())).await;
    })
    .await;
}

fn last_report(t: &Preview) -> WorkflowHandle<temporalio_client::Client, FinalReport> {
    t.client.get_workflow_handle(format!("{}-report", t.input.workflow_id()))
}

async fn end_of_last_report(t: &Preview) -> WorkflowExecutionStatus {
    let handle = last_report(t);
    let look = async || {
        let described = handle.describe(WorkflowDescribeOptions::default()).await.ok()?;
        Some(described.status()).filter(|status| *status != WorkflowExecutionStatus::Running)
    };
    found_within(PATIENCE, look).await.unwrap()
}

#[tokio::test]
async fn preview_has_one_comment_from_its_first_push_to_its_end() {
    reported("report", async |t: Preview, github: Arc<Github>| {
        t.push(push('a')).await;
        github.until("live", |g| g.comments().first().is_some_and(|body| body.contains("live at `aaaaaaa`"))).await;
        github.until("deployed", |g| g.writes().iter().any(|write| is_state(write, DeploymentState::Success))).await;
        assert_eq!(t.deploy(push('b')).await.outcome, DeployOutcome::Live);
        github.until("inactive", |g| g.writes().iter().any(|write| is_state(write, DeploymentState::Inactive))).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(end_of_last_report(&t).await, WorkflowExecutionStatus::Completed);
        let comments = github.comments();
        assert_eq!(comments.len(), 1, "{comments:#?}");
        assert!(comments[0].contains(": closed"), "{comments:#?}");
        assert!(is_state(github.writes().last().unwrap(), DeploymentState::Inactive), "{:#?}", github.writes());
        t.record("reported", None).await;
        t.record_last_report().await;
    })
    .await;
}

fn is_state(write: &GithubWrite, of: DeploymentState) -> bool {
    matches!(write, GithubWrite::DeploymentStatus { state, .. } if *state == of)
}

#[tokio::test]
async fn rollouts_and_teardown_do_not_wait_for_github() {
    reported("github-away", async |t: Preview, github: Arc<Github>| {
        github.is_away.store(true, Relaxed);
        t.push(push('a')).await;
        github.until("tried", |g| g.attempts() > 0).await;
        for digit in ['b', 'c'] {
            assert_eq!(t.deploy(push(digit)).await.outcome, DeployOutcome::Live);
        }
        t.close().await;
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!((report.gone.len(), github.writes().len()), (1, 0));
        github.is_away.store(false, Relaxed);
        assert_eq!(end_of_last_report(&t).await, WorkflowExecutionStatus::Completed);
        let comments = github.comments();
        assert!(comments.len() == 1 && comments[0].contains(": closed"), "{comments:#?}");
    })
    .await;
}

#[tokio::test]
async fn last_report_gives_way_to_an_environment_that_is_back() {
    reported("report-back", async |t: Preview, github: Arc<Github>| {
        t.push(push('a')).await;
        github.until("live", |g| g.comments().first().is_some_and(|body| body.contains("live at `aaaaaaa`"))).await;
        github.is_away.store(true, Relaxed);
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(end_of_last_report(&t).await, WorkflowExecutionStatus::Canceled);
        github.is_away.store(false, Relaxed);
        github
            .until("live again", |g| g.comments().first().is_some_and(|body| body.contains("live at `bbbbbbb`")))
            .await;
        assert_eq!(github.comments().len(), 1, "it is found by its marker");
    })
    .await;
}

#[tokio::test]
async fn push_while_the_last_report_is_handed_over_gets_an_environment() {
    reported("report-over", async |t: Preview, github: Arc<Github>| {
        // Something has the last report's id, and does not end: berth tries for some seconds.
        let id = format!("{}-report", t.input.workflow_id());
        let options = WorkflowStartOptions::new("nobody-polls", id).build();
        let blocker = t.client.start_workflow(UntypedWorkflow::new("FinalReport"), RawValue::new(Vec::new()), options);
        blocker.await.unwrap();
        t.push(push('a')).await;
        github.until("shown", |g| g.comments().first().is_some_and(|body| body.contains("live at `aaaaaaa`"))).await;
        t.close().await;
        t.until("closed", |s| s.phase == Phase::Closed).await;
        assert_eq!(t.deploy(push('b')).await.outcome, DeployOutcome::Live);
        github.until("live again", |g| g.comments()[0].contains("live at `bbbbbbb`")).await;
    })
    .await;
}

#[tokio::test]
async fn ids_of_what_was_shown_outlive_a_run() {
    reported("report-carried", async |mut t: Preview, github: Arc<Github>| {
        t.input.timings.history_events = 60;
        for digit in ['a', 'b', 'c', 'd'] {
            t.push(push(digit)).await;
            t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
            let live = format!("live at `{}`", commit(digit).short());
            github.until("shown", |g| g.comments().first().is_some_and(|body| body.contains(&live))).await;
            let succeeded = |g: &Github| g.writes().iter().filter(|w| is_state(w, DeploymentState::Success)).count();
            let rank = usize::try_from(digit as u32 - 'a' as u32).unwrap() + 1;
            github.until("deployed", |g| succeeded(g) == rank).await;
        }
        let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert!(described.history_length() < 160, "{} events", described.history_length());
        let unknown = |write: &GithubWrite| matches!(write, GithubWrite::Comment { id: None, .. });
        assert_eq!(github.writes().iter().filter(|write| unknown(write)).count(), 1, "{:#?}", github.writes());
        let made = |write: &&GithubWrite| matches!(write, GithubWrite::Deployment { .. });
        assert_eq!(github.writes().iter().filter(made).count(), 4);
        t.record("reported-continued", None).await;
    })
    .await;
}

#[tokio::test]
async fn part_that_github_refuses_keeps_no_other_back() {
    reported("report-refused", async |t: Preview, github: Arc<Github>| {
        github.refuses_checks.store(true, Relaxed);
        t.push(push('a')).await;
        github.until("deployed", |g| g.writes().iter().any(|write| is_state(write, DeploymentState::Success))).await;
        let status = t.until("noted", |s| !s.notes.is_empty()).await;
        assert!(status.notes[0].contains("report to GitHub: the app lacks the permission checks: write"), "{status:?}");
        github.refuses_checks.store(false, Relaxed);
        t.push(Push { fork: true, ..push('b') }).await;
        let asks = Some(CheckConclusion::ActionRequired);
        let is_asked = |w: &GithubWrite| matches!(w, GithubWrite::Check { conclusion, .. } if *conclusion == asks);
        github.until("asked", |g| g.writes().iter().any(is_asked)).await;
        assert_eq!(github.comments().len(), 2, "one more, since a person must act");
    })
    .await;
}

#[tokio::test]
async fn production_is_reported_as_deployments() {
    production("p-report", async |t: Production| {
        let github = Arc::new(Github::default());
        *t.world.github.lock().unwrap() = Some(github_rules());
        let (client, queue) = (t.client.clone(), t.task_queue.clone());
        let test = async {
            t.release(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            github.until("shown", |g| g.writes().last().is_some_and(|w| is_state(w, DeploymentState::Success))).await;
            let writes = github.writes();
            let (task, is_made) = match &writes[0] {
                GithubWrite::Deployment { task, production, transient, environment, .. } => {
                    (task.clone(), *production && !transient && environment == "production")
                }
                other => panic!("{other:?}"),
            };
            assert!(is_made && task == "production-p-report", "{writes:#?}");
            assert!(!writes.iter().any(|write| matches!(write, GithubWrite::Comment { .. })));
            t.record_history("reported", None).await;
        };
        github.serve(&client, &queue, test).await;
    })
    .await;
}

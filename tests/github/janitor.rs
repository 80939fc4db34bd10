use berth_lab::github::REPOSITORY;
use berth_test_support::{
    found_within,
    preview::facts,
    production::{Production, production},
};
use berth_workflows::{
    contract::{
        janitor::{JanitorStatus, janitor_id},
        pull_request::{PullRequestFacts, Timestamp},
    },
    janitor::Janitor,
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowQueryOptions, WorkflowStartOptions,
};

use crate::site::{PATIENCE, Site, commit};

const APP: &str = "tidied";
const QUEUE: &str = "github-janitor";

async fn status(t: &Production) -> Option<JanitorStatus> {
    let janitor = t.client.get_workflow_handle::<Janitor>(janitor_id(APP));
    janitor.query(Janitor::status, (), WorkflowQueryOptions::default()).await.ok()
}

async fn until(t: &Production, what: &str, log: impl Fn() -> String, is_so: impl Fn(&JanitorStatus) -> bool) {
    let found = found_within(PATIENCE, async || status(t).await.filter(&is_so)).await;
    println!("{what}: {:?}", found.unwrap_or_else(|| panic!("never {what}: {}", log())));
}

/// Starts the preview of pull request 1 with facts of a head that is not the one at GitHub.
async fn open_preview(t: &Production) {
    let input = berth_workflows::contract::environment::PullRequest::new(APP, 1);
    let updated_at = Timestamp::try_from("2020-01-01T00:00:00Z".to_owned()).unwrap();
    let facts = PullRequestFacts { updated_at, ..facts('b', 0) };
    let options = WorkflowStartOptions::new(QUEUE, input.workflow_id()).build();
    let (run, signal) = (PreviewEnvironment::run, PreviewEnvironment::pull_request);
    t.client.signal_with_start_workflow(run, input.into(), signal, facts.into(), options).await.unwrap();
}

#[tokio::test]
async fn worker_keeps_a_janitor_running_for_an_app_with_a_repository() {
    // The dev server of a production that is not used.
    production("prod-janitor", async |t: Production| {
        let site = Site::of(APP, &[commit('a')]);
        open_preview(&t).await;
        let worker = site.worker_with(&t.address, QUEUE, &["--janitor-seconds", "1"]);
        let log = || worker.log();
        until(&t, "the head of GitHub is sent", log, |status| status.sent.iter().any(|one| one.pull_request == 1))
            .await;
        let is_logged = || worker.log().contains("sent facts about pull request 1 again");
        worker.until("that is in the log", is_logged).await;
        site.github.close(REPOSITORY, 1);
        until(&t, "it is seen closed, and the cluster not at all", log, |status| {
            status.closing.len() == 1
                && status.closed.is_empty()
                && status.unseen.iter().any(|one| one.starts_with("namespaces:"))
        })
        .await;
        let preview = t.client.get_workflow_handle::<UntypedWorkflow>(format!("preview-{APP}-1"));
        let described = preview.describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_eq!(described.status(), WorkflowExecutionStatus::Running, "closed once, seconds ago");
        assert!(site.github.count("POST", "/graphql") > 1);
    })
    .await;
}

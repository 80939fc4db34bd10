//! The `Janitor` of an app, on a real dev server, with a fake cluster and a fake GitHub.

use std::sync::{Arc, atomic::Ordering};

use berth_test_support::{
    fake_github::{Github, github_rules},
    fake_janitor::JanitorOf,
    preview::{Does, Preview, closed, commit, facts, preview, push},
};
use berth_workflows::{
    contract::{
        janitor::{FindingKind, JanitorDeed, JanitorInput, JanitorTimings},
        phase::Phase,
        pull_request::PullRequestFacts,
        verdict::FailureType,
    },
    janitor::Janitor,
};
use temporalio_client::{
    WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowGetResultOptions, WorkflowStartOptions,
};

fn timings() -> JanitorTimings {
    JanitorTimings { confirm_seconds: 2, ..JanitorTimings::default() }
}

/// A live preview of pull request 1, which GitHub knows as open, without facts of it.
async fn live<F: Future<Output = ()>>(app: &str, test: impl FnOnce(Preview, Arc<Github>) -> F) {
    preview(app, async |t: Preview| {
        let github = Arc::new(Github::default());
        *t.world.github.lock().unwrap() = Some(github_rules());
        set(&github, 1, facts('a', 1));
        let (client, queue) = (t.client.clone(), t.task_queue.clone());
        let test = async {
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            test(t, github.clone()).await;
        };
        github.serve(&client, &queue, test).await;
    })
    .await;
}

fn set(github: &Github, number: u64, facts: PullRequestFacts) {
    github.pull_requests.lock().unwrap().insert(number, facts);
}

fn numbers(deeds: &[JanitorDeed]) -> Vec<u64> {
    deeds.iter().map(|deed| deed.pull_request).collect()
}

#[tokio::test]
async fn closed_pull_request_closes_after_a_second_look() {
    live("tidy", async |t: Preview, github: Arc<Github>| {
        set(&github, 1, closed('a', 2));
        set(&github, 5, facts('b', 2));
        let janitor = JanitorOf::start(&t, timings()).await;
        let seen = janitor.until("seen", |s| !s.closing.is_empty()).await.closing[0].at_ms;
        assert_eq!(t.status().await.phase, Phase::Live, "seen once");
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(report.gone, ["Namespace/pr-1"]);
        let status = janitor.until("closed", |s| !s.closed.is_empty() && s.environments == 0).await;
        assert_eq!(numbers(&status.closed), [1]);
        let waited = status.closed[0].at_ms - seen;
        assert!((2_000..20_000).contains(&waited), "closed after {waited} ms");
        let fifth = t.client.get_workflow_handle::<temporalio_client::UntypedWorkflow>("preview-tidy-5");
        assert!(fifth.describe(WorkflowDescribeOptions::default()).await.is_err(), "it starts no preview");
        janitor.record("janitor-closed").await;
    })
    .await;
}

#[tokio::test]
async fn absence_and_an_outage_close_nothing() {
    live("tidy-away", async |t: Preview, github: Arc<Github>| {
        github.pull_requests.lock().unwrap().clear();
        let janitor = JanitorOf::start(&t, JanitorTimings { confirm_seconds: 1, ..timings() }).await;
        let status = janitor.look(3).await;
        assert_eq!((status.closing, status.trouble), (Vec::new(), None));
        let finding = &status.findings[0];
        let expected = (FindingKind::WorkflowWithoutPullRequest, "preview-tidy-away-1");
        assert_eq!((finding.kind, &*finding.object), expected);

        set(&github, 1, closed('a', 2));
        github.is_away.store(true, Ordering::Relaxed);
        let asked = github.asked.lock().unwrap().len();
        github.until("asked again", |github| github.asked.lock().unwrap().len() > asked + 1).await;
        assert_eq!(janitor.status().await.closing, []);
        assert_eq!(t.status().await.phase, Phase::Live);
        github.is_away.store(false, Ordering::Relaxed);
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn lost_facts_are_sent_again_and_known_ones_are_not() {
    live("tidy-facts", async |t: Preview, github: Arc<Github>| {
        let janitor = JanitorOf::start(&t, timings()).await;
        let head = |digit| {
            move |s: &berth_workflows::contract::status::Status| {
                s.pull_request.as_ref().is_some_and(|known| known.asked && known.head == commit(digit))
            }
        };
        t.until("the opening", head('a')).await;
        set(&github, 1, facts('b', 2));
        let status = t.until("the push", head('b')).await;
        assert_eq!(status.waits_for.as_deref(), Some("the image of bbbbbbb"));
        assert_eq!(numbers(&janitor.until("sent", |s| s.sent.len() == 2).await.sent), [1, 1]);

        t.facts(facts('c', 3)).await;
        set(&github, 1, facts('c', 3));
        let calls = t.world.count("send_facts");
        t.until_called("send_facts", calls + 1).await;
        let status = janitor.look(1).await;
        assert_eq!((status.sent.len(), t.world.count("send_facts")), (2, calls + 1), "it has them");
        janitor.record("janitor-facts").await;
    })
    .await;
}

#[tokio::test]
async fn namespace_without_a_workflow_is_reported_and_stays() {
    live("tidy-left", async |t: Preview, _github: Arc<Github>| {
        t.world.has_namespace("pr-7");
        let janitor = JanitorOf::start(&t, timings()).await;
        let status = janitor.until("found", |s| !s.findings.is_empty()).await;
        assert_eq!(status.findings.len(), 1, "{status:?}");
        assert_eq!(status.findings[0].object, "Namespace/pr-7 of preview-tidy-left-7");
        assert!(status.to_markdown().contains("- namespace without workflow: `Namespace/pr-7"), "{status:?}");
        t.until_called("report_findings {\"namespace_without_workflow\": 1}", 2).await;

        t.world.is_cluster_away.store(true, Ordering::Relaxed);
        let status = janitor.until("away", |s| !s.unseen.is_empty()).await;
        assert_eq!((status.unseen.len(), status.findings.len()), (1, 1));
        assert_eq!((t.world.count("delete_environment"), t.status().await.phase), (0, Phase::Live));
    })
    .await;
}

#[tokio::test]
async fn each_failed_step_is_left_to_the_next_look() {
    live("tidy-fails", async |t: Preview, github: Arc<Github>| {
        t.world.has_namespace("pr-7");
        let janitor = JanitorOf::start(&t, timings()).await;
        janitor.until("found", |s| !s.findings.is_empty() && s.sent.len() == 1).await;
        for (second, step, what) in [
            (2, "list_environments", "listing the previews: as ordered"),
            (3, "report_findings", "reporting: as ordered"),
            (4, "send_facts", "sending facts: as ordered"),
        ] {
            set(&github, 1, facts('b', second));
            t.world.next(step, Does::Fail(FailureType::NotObserved));
            let is_told = |trouble: &String| trouble == what;
            janitor.until(what, |s| s.trouble.as_ref().is_some_and(is_told)).await;
        }
        let status = janitor.until("whole", |s| s.trouble.is_none()).await;
        assert_eq!(status.findings.len(), 1);
        t.until("told", |s| s.pull_request.as_ref().is_some_and(|known| known.head == commit('b'))).await;
        set(&github, 1, closed('a', 5));
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn sightings_outlive_a_run() {
    live("tidy-long", async |t: Preview, github: Arc<Github>| {
        set(&github, 1, closed('a', 2));
        let janitor = JanitorOf::start(&t, JanitorTimings { confirm_seconds: 8, history_events: 32 }).await;
        let first = janitor.handle.describe(WorkflowDescribeOptions::default()).await.unwrap().run_id().to_owned();
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        let described = janitor.handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_ne!(described.run_id(), first);
        assert!(described.history_length() < 80, "{} events", described.history_length());
        assert_eq!(numbers(&janitor.until("closed", |s| !s.closed.is_empty()).await.closed), [1]);
        janitor.record("janitor-continued").await;
    })
    .await;
}

#[tokio::test]
async fn janitor_runs_under_its_own_id_alone_and_ends_when_cancelled() {
    live("tidy-id", async |t: Preview, _github: Arc<Github>| {
        let options = WorkflowStartOptions::new(t.task_queue.clone(), "janitor-of-tidy-id").build();
        let wrong = t.client.start_workflow(Janitor::run, JanitorInput::new("tidy-id").into(), options).await.unwrap();
        let refused = wrong.get_result(WorkflowGetResultOptions::default()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("must have the id janitor-tidy-id"), "{refused:?}");

        let janitor = JanitorOf::start(&t, timings()).await;
        janitor.look(1).await;
        janitor.handle.cancel(WorkflowCancelOptions::default()).await.unwrap();
        let ended = janitor.handle.get_result(WorkflowGetResultOptions::default()).await.unwrap_err();
        assert!(format!("{ended:?}").contains("Cancelled"), "{ended:?}");
        assert_eq!(t.status().await.phase, Phase::Live);
    })
    .await;
}

//! Webhooks that GitHub loses: what they change at once, and when the `Janitor` makes good for them.

use std::{fs, io::Write as _, time::Instant};

use berth_activities::{
    Settings,
    github::{GithubActivities, GithubClient},
};
use berth_lab::github::{GithubServer, NewPull};
use berth_test_support::{
    fake_janitor::JanitorOf,
    preview::{Preview, commit, preview, push},
    settings,
};
use berth_workflows::contract::{
    activity_definitions::github_task_queue, janitor::JanitorTimings, phase::Phase, status::Status,
};
use temporalio_client::{WorkflowDescribeOptions, WorkflowGetResultOptions};
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};

use crate::{REPOSITORY, process::Hooks};

const APP: &str = "hooks-lost";
/// The shortest time between two sightings, in seconds.
const CONFIRM: u64 = 4;

/// Runs a test beside a worker of GitHub's own activities.
async fn beside_github(t: &Preview, github: &GithubServer, test: impl Future<Output = ()>) {
    let folder = tempfile::tempdir().unwrap();
    let app = format!(
        "app: {APP}\nrepository: acme/web\nimages: [acme/web]\ngithub: {{ repository_id: {REPOSITORY} }}\n\
         preview: {{ host: '{APP}-{{pr}}.example.com' }}\n"
    );
    fs::write(folder.path().join(format!("{APP}.yaml")), app).unwrap();
    let (id, pem) = github.app();
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all(pem.as_bytes()).unwrap();
    let client = GithubClient::new(&github.url(), id, key.path()).unwrap();
    let settings = Settings { has_github_app: true, janitor_seconds: 1, ..settings(folder.path()) };
    let activities = GithubActivities { settings, github: client };
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
    let options = WorkerOptions::new(github_task_queue(&t.task_queue)).register_activities(activities).build();
    let mut worker = Worker::new(&runtime, t.client.clone(), options).unwrap();
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = Box::pin(test) => {}
    }
}

/// Prints what happens, with the time since the last act on GitHub.
struct Timeline(Instant);

impl Timeline {
    fn act(&mut self, what: &str) {
        self.0 = Instant::now();
        println!("          {what}");
    }

    fn show(&self, what: &str) {
        println!("{:>7.1} s   {what}", self.0.elapsed().as_secs_f64());
    }
}

fn knows(head: char) -> impl Fn(&Status) -> bool {
    move |status| status.pull_request.as_ref().is_some_and(|known| known.head == commit(head))
}

#[tokio::test]
async fn lost_webhooks_are_made_good_by_the_janitor() {
    preview(APP, async |t: Preview| {
        let github = GithubServer::start().unwrap();
        let hooks = Hooks::begin("previews", APP, &t.address, &t.task_queue, &github.url()).await;
        hooks.await_ready().await;
        github.send_webhooks(&hooks.webhook_url(), hooks.secret());
        for action in ["opened", "synchronize", "closed"] {
            github.drop_webhooks(&format!("pull_request.{action}"));
        }
        beside_github(&t, &github, lose(&t, &github)).await;
    })
    .await;
}

async fn lose(t: &Preview, github: &GithubServer) {
    let mut timeline = Timeline(Instant::now());
    println!("a look each second instead of every 300, {CONFIRM} s between two sightings instead of 600");
    let janitor = JanitorOf::start(t, JanitorTimings { confirm_seconds: CONFIRM, ..JanitorTimings::default() }).await;

    timeline.act("#1 is opened at aaaaaaa, and the webhook is lost");
    assert_eq!(github.open(REPOSITORY, NewPull::new("feature", commit('a').as_str())).unwrap(), 1);
    janitor.look(2).await;
    assert!(t.handle().describe(WorkflowDescribeOptions::default()).await.is_err(), "the Janitor starts nothing");
    timeline.show("nothing: two looks later there is no environment");
    t.push(push('a')).await;
    t.until("live", |s| s.phase == Phase::Live).await;
    timeline.show("the push of its job has started the environment, and is live");
    t.until("the opening", knows('a')).await;
    timeline.show("the Janitor has sent the facts: the head is aaaaaaa");

    timeline.act("bbbbbbb is pushed, and the webhook is lost");
    github.push(REPOSITORY, 1, commit('b').as_str());
    timeline.show(&format!("{:?} of aaaaaaa, and nothing waits", t.status().await.phase));
    let status = t.until("the push", knows('b')).await;
    assert_eq!(status.waits_for.as_deref(), Some("the image of bbbbbbb"));
    timeline.show("the Janitor has sent the facts: it waits for the image of bbbbbbb");
    t.push(push('b')).await;
    t.until("live", |s| s.serving.as_ref().is_some_and(|serving| serving.release.commit == commit('b'))).await;

    timeline.act("#1 is closed, and the webhook is lost");
    github.close(REPOSITORY, 1);
    timeline.show(&format!("{:?}: nothing says so", t.status().await.phase));
    janitor.until("seen", |s| !s.closing.is_empty()).await;
    assert_eq!(t.status().await.phase, Phase::Live);
    timeline.show("the Janitor has seen it closed once: Live");
    let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    timeline.show(&format!("seen closed again, and closed: {} is gone", report.gone.join(", ")));
    let status = janitor.until("recorded", |s| !s.closed.is_empty()).await;
    assert_eq!((status.sent.len(), status.findings.len(), status.trouble), (2, 0, None));
    let lost = github.deliveries().iter().filter(|delivery| delivery.status.is_none()).count();
    assert_eq!(lost, 3, "{:#?}", github.deliveries());
}

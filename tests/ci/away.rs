//! Steps whose receiver does not answer.

use berth_lab::github::{GithubServer, Job};
use berth_test_support::HooksProcess;

use crate::{
    hooks,
    step::{Step, image, pull_request},
};

fn step(app: &str, hooks: &HooksProcess, github: &GithubServer) -> Step {
    let step = Step::preview(app, &pull_request("opened", 'a')).with(&["--image", &image('a')]);
    step.through(hooks, github, Job::of_pull_request(1, &"e".repeat(40)))
}

#[tokio::test]
async fn hooks_without_temporal_is_tried_until_the_time_is_over() {
    let github = GithubServer::start().unwrap();
    let hooks = hooks::begin("previews", "ci-down", "127.0.0.1:1", "nobody", &github.url()).await;
    let ran = step("ci-down", &hooks, &github).with(&["--timeout", "6s"]).run().await;
    assert_eq!((ran.code, ran.outcome()), (10, "error"), "{ran:?}");
    let why = ran.message("error").unwrap();
    assert!(why.contains("503 Service Unavailable: Temporal has not been reached yet"), "{why}");
    assert!(ran.stdout.contains(" s  not taken yet: "), "{ran:?}");
}

#[tokio::test]
async fn hooks_or_temporal_that_is_not_there_is_named() {
    let github = GithubServer::start().unwrap();
    let job = github.begin_job(Job::of_pull_request(1, &"e".repeat(40)));
    let step = || Step::preview("ci-nowhere", &pull_request("opened", 'a')).with(&["--image", &image('a')]);
    let through = step()
        .set("ACTIONS_ID_TOKEN_REQUEST_URL", &job.request_url)
        .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &job.request_token)
        .with(&["--hooks", "http://127.0.0.1:1", "--timeout", "3s"]);
    let ran = through.run().await;
    assert_eq!((ran.code, ran.outcome()), (10, "error"), "{ran:?}");
    assert!(ran.message("error").unwrap().starts_with("reaching http://127.0.0.1:1"), "{ran:?}");
    let ran = step().set("TEMPORAL_ADDRESS", "127.0.0.1:1").run().await;
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(ran.message("error").unwrap().contains("connecting to Temporal at"), "{ran:?}");
}

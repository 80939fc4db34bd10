//! Steps that are refused by GitHub or by hooks, and those that are no step at all.

use berth_lab::github::{GithubServer, Job};
use berth_test_support::preview::connect;

use crate::{
    hooks,
    step::{Step, image, pull_request},
};

fn job() -> Job {
    Job::of_pull_request(1, &"e".repeat(40))
}

fn step(app: &str) -> Step {
    Step::preview(app, &pull_request("opened", 'a')).with(&["--image", &image('a')])
}

#[tokio::test]
async fn refused_token_is_shown_with_its_reason() {
    let (_, address) = connect().await;
    let github = GithubServer::start().unwrap();
    let hooks = hooks::start("previews", "ci-token", &address, "nobody-token", &github.url()).await;
    let foreign = Job { reference: "refs/pull/2/merge".to_owned(), ..job() };
    let target = Job { event_name: "pull_request_target".to_owned(), ..job() };
    for (step, why) in [
        (step("ci-token").through(&hooks, &github, foreign), "403 Forbidden: the job runs on \"refs/pull/2/merge\""),
        (
            step("ci-token").through(&hooks, &github, target),
            "403 Forbidden: a preview is deployed by jobs of the event",
        ),
        (step("ci-other").through(&hooks, &github, job()), "404 Not Found: there is no app \"ci-other\""),
        (
            step("ci-token").through_as("https://other.example.com", &hooks, &github, job()),
            "401 Unauthorized: the token is for another audience",
        ),
        (
            step("ci-token").through(&hooks, &github, job()).set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong"),
            "GitHub gives the job no token: 401 Unauthorized",
        ),
    ] {
        let ran = step.run().await;
        assert_eq!((ran.code, ran.outcome()), (10, "refused"), "{why}: {ran:?}");
        assert!(ran.message("error").unwrap().contains(why), "{why}: {ran:?}");
        assert!(ran.summary.starts_with("### 🔴 ci-"), "{}", ran.summary);
    }
}

#[tokio::test]
async fn job_without_the_right_to_a_token_is_told_which() {
    let ran = step("ci-right").with(&["--hooks", "https://hooks.example.com"]).run().await;
    assert_eq!((ran.code, ran.outcome()), (10, "error"), "{ran:?}");
    let why = ran.message("error").unwrap();
    assert!(why.contains("give it `permissions: id-token: write`"), "{why}");
    assert!(why.contains("a fork's pull request never gets that right"), "{why}");
}

#[tokio::test]
async fn step_that_is_none_is_refused_before_any_request() {
    let opened = pull_request("opened", 'a');
    let direct = || Step::preview("web", &opened).set("TEMPORAL_ADDRESS", "127.0.0.1:1");
    for (step, why) in [
        (direct(), "a push needs the image"),
        (direct().with(&["--image", "acme/web:v1"]), "has no digest"),
        (direct().with(&["--image", &format!("WORKER={}", image('a'))]), "a push needs the image"),
        (direct().with(&["--image", &image('a'), "--image", "worker=x"]), "capital letters"),
        (direct().with(&["--image", &image('a'), "--set", "FLAGS=a b"]), "--set FLAGS: the value of a push variable"),
        (direct().set("GITHUB_EVENT_NAME", "push"), "runs in jobs of pull_request, and this is one of \"push\""),
        (direct().set("GITHUB_EVENT_NAME", "pull_request_target"), "this is one of \"pull_request_target\""),
        (direct().set("GITHUB_RUN_ID", ""), "GITHUB_RUN_ID is not set: berth ci runs in a job of GitHub Actions"),
        (step("web").with(&["--hooks", "http://hooks.example.com"]), "is not https, and a token is sent to it"),
        (
            Step::release("web", 'a').set("GITHUB_EVENT_NAME", "pull_request"),
            "runs in jobs of push and workflow_dispatch",
        ),
    ] {
        let ran = step.run().await;
        assert_eq!((ran.code, ran.outcome()), (2, "usage"), "{why}: {ran:?}");
        assert!(ran.message("error").unwrap().contains(why), "{why}: {ran:?}");
    }
    let broken =
        Step::preview("web", &serde_json::json!({"action": "opened"})).with(&["--image", &image('a')]).run().await;
    assert_eq!((broken.code, broken.outcome()), (10, "error"), "{broken:?}");
}

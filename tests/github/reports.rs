use std::{process::Command, time::Duration};

use berth_lab::github::{Fault, REPOSITORY};
use berth_test_support::production::{Production, production};

use crate::{
    BERTH,
    site::{Site, head},
};

const QUEUE: &str = "github-reports";
const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";

fn push(temporal: &str) {
    let image = format!("registry.example.com/web:1@sha256:{}", "1".repeat(64));
    let mut push = Command::new(BERTH);
    push.args(["preview", "push", "web", "1", "--no-wait", "--commit", &head(), "--image", &image]);
    push.args(["--task-queue", QUEUE]).env("TEMPORAL_ADDRESS", temporal);
    let output = push.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn killed_worker_leaves_one_of_each() {
    // The dev server of a production that is not used.
    production("prod-github", async |t: Production| {
        let site = Site::start();
        let github = &site.github;
        // GitHub makes the comment, its answer is lost, and the worker dies.
        github.fail(Fault::status(502).on("POST", COMMENTS).after_work().times(1));
        let worker = site.worker(&t.address, QUEUE);
        push(&t.address);
        worker.until("commenting", || !github.comments(REPOSITORY, 1).is_empty()).await;
        drop(worker);
        let worker = site.worker(&t.address, QUEUE);
        let is_reported = || {
            let checks = github.checks(REPOSITORY, &head());
            !github.comments(REPOSITORY, 1).is_empty()
                && !checks.is_empty()
                && !github.deployments(REPOSITORY).is_empty()
        };
        worker.until("reported", is_reported).await;
        let made = [
            github.comments(REPOSITORY, 1).len(),
            github.checks(REPOSITORY, &head()).len(),
            github.deployments(REPOSITORY).len(),
        ];
        assert_eq!(made, [1, 1, 1], "{}", worker.log());
        assert!(github.comments(REPOSITORY, 1)[0].author == github.bot());
        // Two a second, with the burst that the server allows at the start.
        assert!(
            github.busiest(Duration::from_secs(5)) <= 12,
            "{} writes in 5 s",
            github.busiest(Duration::from_secs(5))
        );
    })
    .await;
}

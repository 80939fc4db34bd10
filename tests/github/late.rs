//! App files that name a repository of GitHub only after the worker has started.

use std::process::Command;

use berth_lab::github::REPOSITORY;
use berth_test_support::preview::connect;

use crate::{
    BERTH,
    site::{Site, commit},
};

const QUEUE: &str = "github-late";

#[tokio::test]
async fn repository_named_after_the_start_is_reported() {
    let (_, temporal) = connect().await;
    let site = Site::of("late", &[commit('a')]);
    site.write_app("late", "");
    let worker = site.worker(&temporal, QUEUE);
    worker.until("taking work", || worker.log().contains("Taking work from github-late")).await;
    site.write_app("late", &format!("github: {{ repository_id: {REPOSITORY} }}\n"));
    let image = format!("registry.example.com/web:1@sha256:{}", "1".repeat(64));
    let mut push = Command::new(BERTH);
    push.args(["preview", "push", "late", "1", "--no-wait", "--commit", &commit('a'), "--image", &image]);
    let pushed = push.args(["--task-queue", QUEUE]).env("TEMPORAL_ADDRESS", &temporal).output().unwrap();
    assert!(pushed.status.success(), "{pushed:?}");
    worker.until("commenting", || !site.github.comments(REPOSITORY, 1).is_empty()).await;
}

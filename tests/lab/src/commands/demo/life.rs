//! The quick demo: the steps of pull request 123, and their checks.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::{
    commands::{
        person::Answer,
        pull_request::{APP, PullRequest},
        timeline::Timeline,
    },
    lab,
    life::state::State,
};

pub(super) const PULL_REQUEST: u64 = 123;

/// The commits of the pull request, oldest first.
const OPENED: &str = "1111111111111111111111111111111111111111";
const SLOW: &str = "2222222222222222222222222222222222222222";
const QUICK: &str = "3333333333333333333333333333333333333333";
const BROKEN: &str = "4444444444444444444444444444444444444444";
const FIXED: &str = "5555555555555555555555555555555555555555";

pub(super) fn play(state: &State, pull_request: &PullRequest, timeline: &mut Timeline) {
    let image = |variant: &str| state.images.get(variant).cloned().unwrap_or_default();
    let only_real = "pods are not real here: no image is pulled, no page served";

    timeline.step("opened: the first push goes live", || {
        let live = push(pull_request, OPENED, &image("v1"), 1)?.expect(0, "live")?;
        Ok(format!("{} answers for commit {}", live["url"].as_str().unwrap_or("?"), &OPENED[..7]))
    });
    if state.real_pods {
        timeline.step("the page is fetched", || serves(pull_request, "v1", OPENED));
        timeline.step("a push while the one before still rolls out supersedes it", || {
            supersede(pull_request, &image("slow"), &image("v2"))
        });
        timeline.step("the page is the newer one's", || serves(pull_request, "v2", QUICK));
        timeline.step("a push whose image does not exist fails with a verdict", || {
            let failed = push(pull_request, BROKEN, &lab::missing_image(state), 4)?.expect(1, "failed")?;
            verdict(&failed)
        });
        timeline.step("the release before it still serves", || serves(pull_request, "v2", QUICK));
    } else {
        for step in ["the page is fetched", "superseded by a newer push", "a missing image"] {
            timeline.note(step, only_real);
        }
    }
    timeline.step("a fixed push goes live", || {
        let live = push(pull_request, FIXED, &image("v3"), 5)?.expect(0, "live")?;
        Ok(format!("{} answers for commit {}", live["url"].as_str().unwrap_or("?"), &FIXED[..7]))
    });
    if state.real_pods {
        timeline.step("the page is the fixed one's", || serves(pull_request, "v3", FIXED));
    }
    timeline.step("closed: the environment is gone", || {
        let closed = pull_request.preview("close", &[])?;
        ensure!(closed.code == Some(0), "berth preview close ended with {:?}: {closed:?}", closed.code);
        Ok("berth says it is gone".to_owned())
    });
    timeline.step("nothing is left in the cluster", || nothing_left(pull_request));
    look(state, timeline);
}

fn push(pull_request: &PullRequest, commit: &str, image: &str, sequence: u32) -> Result<Answer> {
    let sequence = sequence.to_string();
    pull_request.preview("push", &["--commit", commit, "--image", image, "--sequence", &sequence])
}

fn supersede(pull_request: &PullRequest, slow: &str, quick: &str) -> Result<String> {
    let first = pull_request.begin("push", &["--commit", SLOW, "--image", slow, "--sequence", "2"])?;
    pull_request.wait_until_status("it is rolling out the slow release", |status| {
        status["rolling_out"].to_string().contains(SLOW)
    })?;
    let second = push(pull_request, QUICK, quick, 3)?;
    Answer::from_output(first.wait_with_output()?)?.expect(3, "superseded")?;
    second.expect(0, "live")?;
    Ok(format!("{} was superseded, {} is live", &SLOW[..7], &QUICK[..7]))
}

/// Checks the page once, without retries: a preview that is live must serve.
fn serves(pull_request: &PullRequest, version: &str, commit: &str) -> Result<String> {
    let page = pull_request.page("/")?;
    if !page.contains(&format!("web {version}")) || !page.contains(commit) {
        bail!("the page is not {version}'s of commit {commit}:\n{page}");
    }
    Ok(format!("it says \"web {version}\" and commit {}", &commit[..7]))
}

fn verdict(failed: &Value) -> Result<String> {
    let verdict = &failed["verdict"];
    let text = verdict.as_str().map_or_else(|| verdict.to_string(), str::to_owned);
    ensure!(text.contains("ImageUnavailable"), "the verdict does not say ImageUnavailable: {text}");
    let message = verdict["message"].as_str().unwrap_or(&text);
    // Container runtimes put the cause at the end.
    let end: Vec<char> = message.chars().rev().take(100).collect();
    Ok(format!("ImageUnavailable: … {}", end.into_iter().rev().collect::<String>()))
}

fn nothing_left(pull_request: &PullRequest) -> Result<String> {
    let left = pull_request.person.kubectl(&[
        "get",
        "namespaces",
        "--selector",
        &format!("berth.dev/app={APP}"),
        "--output",
        "name",
    ])?;
    ensure!(left.trim().is_empty(), "still there: {left}");
    let namespace = pull_request.person.kubectl(&[
        "get",
        "namespace",
        &pull_request.namespace(),
        "--ignore-not-found",
        "--output",
        "name",
    ])?;
    ensure!(namespace.trim().is_empty(), "still there: {namespace}");
    Ok(format!("no namespace of {APP}, with kubectl and {}", pull_request.person.kubeconfig().display()))
}

fn look(state: &State, timeline: &mut Timeline) {
    let id = format!("preview-{APP}-{PULL_REQUEST}");
    timeline.note(
        "where to look while a lab runs",
        &format!(
            "temporal-ui: {ui}/namespaces/default/workflows/{id}\nlogs: {logs}",
            ui = state.temporal_ui,
            logs = state.logs.display()
        ),
    );
}

//! A merge to the main branch, which the job of its push releases.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{MERGED, runner::Run, site::Site};
use crate::github::{Job, REPOSITORY};

const RUN: u64 = 1006;

pub(super) fn released(site: &Site<'_>) -> Result<String> {
    site.github.push_to_branch(REPOSITORY, "main", MERGED);
    let image = site.state.images.get("v1").context("looking for the image v1")?;
    let token = site.github.begin_job(Job { run_id: RUN, ..Job::of_push("main", MERGED).in_environment("production") });
    let payload = json!({
        "ref": "refs/heads/main", "after": MERGED, "head_commit": {"id": MERGED}, "pusher": {"name": "octocat"},
        "repository": {"id": REPOSITORY, "full_name": "acme/web", "default_branch": "main"}, "sender": {"login": "octocat"},
    });
    let hooks_url = site.hooks_url("production");
    let run = Run { event: "push", payload: &payload, run_id: RUN, checkout: MERGED, image, token, hooks_url };
    let log = site.runner.run(&run)?.expect(true, "live")?;
    let status = site
        .person
        .wait_until(&["production", "status", "web"], "release 1 serves", |status| status["serving"]["number"] == 1)?;
    ensure!(status["serving"]["commit"] == MERGED || status["serving"]["release"]["commit"] == MERGED, "{status}");
    site.wait("the Deployment of production is active", || {
        let deployments = site.github.deployments(REPOSITORY);
        let mut active = deployments.iter().filter(|one| one.is_production && one.sha == MERGED);
        active.any(|one| one.state() == Some("success")).then_some(())
    })?;
    Ok(format!("{log}\nproduction serves {}, and GitHub's environment `production` says so", &MERGED[..7]))
}

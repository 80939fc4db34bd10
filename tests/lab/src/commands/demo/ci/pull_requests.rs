//! The life of two pull requests: one of the repository, one of a fork.

use anyhow::{Context as _, Result, ensure};

use super::{
    BROKEN, FIXED, OF_A_FORK, OPENED,
    gallery::Gallery,
    runner::{Ended, Run},
    site::Site,
};
use crate::{
    commands::{person::Answer, pull_request::APP},
    github::{Job, NewPull, PERSON, REPOSITORY},
};

/// The numbers that the stand-in gives.
const PULL: u64 = 1;
const FORKED: u64 = 2;

/// Opens the pull request. GitHub's webhook alone makes the comment.
pub(super) fn opened(site: &Site<'_>) -> Result<String> {
    let number = site.github.open(REPOSITORY, NewPull::new("greeting", OPENED))?;
    ensure!(number == PULL, "the stand-in gave number {number}");
    heading(&site.await_comment(PULL, "awaiting a push")?)
}

/// Runs the job of the pull request's webhook of this name.
fn begin(site: &Site<'_>, name: &str, commit: &str, image: &str, run_id: u64) -> Result<std::process::Child> {
    let deliveries = site.github.deliveries();
    let delivery = deliveries.iter().rev().find(|delivery| delivery.name() == name);
    let payload = &delivery.with_context(|| format!("looking for the webhook {name}"))?.payload;
    let job = Job { run_id, ..Job::of_pull_request(PULL, commit) };
    let token = site.github.begin_job(job);
    let hooks_url = site.hooks_url("previews");
    // GitHub checks a merge commit out. The environment must be the head's all the same.
    let merge: String = commit.chars().rev().map(|digit| if digit == '0' { '1' } else { 'e' }).collect();
    site.runner.begin(&Run { event: "pull_request", payload, run_id, checkout: &merge, image, token, hooks_url })
}

pub(super) fn first_push(site: &Site<'_>, image: &str, gallery: &mut Gallery) -> Result<String> {
    let run = begin(site, "pull_request.opened", OPENED, image, 1001)?;
    gallery.keep("rolling-out", site.await_comment(PULL, "rolling out")?);
    let log = Ended::of(run)?.expect(true, "live")?;
    let live = site.await_comment(PULL, "live at")?;
    let says = format!("{log}\n{}", heading(&live)?);
    gallery.keep("live", live);
    Ok(says)
}

pub(super) fn broken_push(site: &Site<'_>, image: &str, gallery: &mut Gallery) -> Result<String> {
    site.github.push(REPOSITORY, PULL, BROKEN);
    let run = begin(site, "pull_request.synchronize", BROKEN, image, 1002)?;
    let log = Ended::of(run)?.expect(false, "failed")?;
    let failed = site.await_comment(PULL, "failed at")?;
    ensure!(failed.contains("ImageUnavailable"), "the comment lacks the verdict: {failed}");
    let check = site.wait("the check of the commit has failed", || {
        let mut checks = site.github.checks(REPOSITORY, BROKEN).into_iter();
        checks.find(|check| check.conclusion.as_deref() == Some("failure"))
    })?;
    gallery.keep("failed", failed.clone());
    Ok(format!("{log}\n{}\ncheck: {}", heading(&failed)?, check.title.unwrap_or_default()))
}

pub(super) fn fixed_push(site: &Site<'_>, image: &str) -> Result<String> {
    site.github.push(REPOSITORY, PULL, FIXED);
    let run = begin(site, "pull_request.synchronize", FIXED, image, 1003)?;
    Ended::of(run)?.expect(true, "live")?;
    let live = site.await_comment(PULL, &format!("live at `{}`", &FIXED[..7]))?;
    let of_it = |sha: &'static str| site.github.deployments(REPOSITORY).into_iter().find(|one| one.sha == sha);
    site.wait("the new Deployment is active, and the one before is not", || {
        let (new, before) = (of_it(FIXED)?, of_it(OPENED)?);
        (new.state() == Some("success") && before.state() == Some("inactive")).then_some(())
    })?;
    let checks = site.github.checks(REPOSITORY, FIXED);
    ensure!(checks.len() == 1, "there is not one check run: {checks:?}");
    Ok(format!("{}\nDeployments: {}, the newest is active", heading(&live)?, site.github.deployments(REPOSITORY).len()))
}

pub(super) fn command(site: &Site<'_>) -> Result<String> {
    site.github.set_role(REPOSITORY, PERSON, "write");
    let comment = site.github.comment(REPOSITORY, PULL, PERSON, "/berth status");
    site.wait("berth has seen the comment", || {
        let comments = site.github.comments(REPOSITORY, PULL);
        let asked = comments.iter().find(|one| one.id == comment)?;
        asked.reactions().any(|(_, content)| content == "eyes").then_some(())
    })?;
    let asked = format!("`status` of `{PERSON}`");
    let answered = site.await_comment(PULL, &asked)?;
    let answer = answered.lines().find(|line| line.contains(&asked)).context("looking for the answer")?;
    Ok(answer.to_owned())
}

/// A fork's job has no token, so the team's own CI hands its image in.
pub(super) fn of_a_fork(site: &Site<'_>, image: &str, gallery: &mut Gallery) -> Result<String> {
    let fork_of = Some("hubot".to_owned());
    let new = NewPull { author: "hubot".to_owned(), fork_of, ..NewPull::new("colours", OF_A_FORK) };
    let number = site.github.open(REPOSITORY, new)?;
    ensure!(number == FORKED, "the stand-in gave number {number}");
    site.await_comment(FORKED, "awaiting a push")?;
    let mut berth = site.person.berth();
    berth.args(["preview", "push", APP, &number.to_string(), "--output", "json", "--sequence", "1004"]);
    berth.args(["--commit", OF_A_FORK, "--image", image]);
    Answer::from_output(berth.output().context("running berth")?)?.expect(5, "awaiting_approval")?;
    let waits = site.await_comment(FORKED, "awaiting approval of")?;
    gallery.keep("awaiting-approval", waits.clone());
    site.github.comment(REPOSITORY, FORKED, PERSON, &format!("/berth approve {OF_A_FORK}"));
    let live = site.await_comment(FORKED, "live at")?;
    Ok(format!("{}\n{}", heading(&waits)?, heading(&live)?))
}

pub(super) fn closed(site: &Site<'_>, gallery: &mut Gallery) -> Result<String> {
    site.github.merge(REPOSITORY, PULL);
    let run = begin(site, "pull_request.closed", FIXED, "", 1005)?;
    site.github.close(REPOSITORY, FORKED);
    let log = Ended::of(run)?.expect(true, "gone")?;
    let closed = site.await_comment(PULL, "closed")?;
    site.await_comment(FORKED, "closed")?;
    site.wait("no Deployment of a preview is active", || {
        let deployments = site.github.deployments(REPOSITORY);
        deployments.iter().all(|one| matches!(one.state(), Some("inactive" | "failure" | "error"))).then_some(())
    })?;
    let arguments = ["get", "namespaces", "--selector", "berth.dev/app=web", "--output", "name"];
    let left = site.person.kubectl(&arguments)?;
    ensure!(left.trim().is_empty(), "still there: {left}");
    let says = format!("{log}\n{}\nno namespace of {APP} is left", heading(&closed)?);
    gallery.keep("closed", closed);
    Ok(says)
}

/// The heading of a comment.
fn heading(comment: &str) -> Result<String> {
    let line = comment.lines().find_map(|line| line.strip_prefix("### ")).context("the comment has no heading")?;
    Ok(format!("comment: {line}"))
}

//! The demo of CI: pull requests of a repository on the stand-in for GitHub, whose workflow file `act` runs.

mod gallery;
mod pull_requests;
mod release;
mod runner;
mod site;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::{gallery::Gallery, site::Site};
use crate::{commands::timeline::Timeline, life::state::State};

/// The commits of the pull requests and of the main branch.
const OPENED: &str = "1111111111111111111111111111111111111111";
const BROKEN: &str = "2222222222222222222222222222222222222222";
const FIXED: &str = "3333333333333333333333333333333333333333";
const OF_A_FORK: &str = "4444444444444444444444444444444444444444";
const MERGED: &str = "5555555555555555555555555555555555555555";

pub(super) fn play(state: &State, berth: PathBuf, pictures: Option<&Path>, timeline: &mut Timeline) {
    let mut started = None;
    timeline.step("hooks for previews and production, and a worker with a GitHub App", || {
        let site = started.insert(Site::start(state, berth)?);
        Ok(format!("GitHub: {}\nhooks: {}", site.github.url(), site.hooks_urls()))
    });
    let Some(site) = started else { return };
    let mut gallery = Gallery::default();
    timeline.step("berth github doctor", || site.doctor());
    previews(state, &site, &mut gallery, timeline);
    timeline.step("a person makes production's namespace, with the commands that berth prints", || {
        super::production::site::make_namespace(&site.person)
    });
    timeline.step("merged to main: the job of the push releases production", || release::released(&site));
    timeline.step("the comments, as Markdown", || gallery.write(&state.logs.join("comments")));
    if let Some(folder) = pictures {
        timeline.step("pictures of the comments", || gallery.photograph(&state.name, folder));
    }
    timeline.step("requests to GitHub", || site.requests());
    timeline.note("where to look while a lab runs (--keep)", &format!("temporal-ui: {}", state.temporal_ui));
}

fn previews(state: &State, site: &Site<'_>, gallery: &mut Gallery, timeline: &mut Timeline) {
    let image = |variant: &str| -> Result<String> {
        state.images.get(variant).cloned().with_context(|| format!("looking for the image {variant}"))
    };
    timeline.step("opened: the comment waits for the image", || pull_requests::opened(site));
    timeline.step("its job builds, hands the image in, and waits until it is live", || {
        pull_requests::first_push(site, &image("slow")?, gallery)
    });
    timeline.step("a push whose image is missing: its job fails, and the comment says why", || {
        pull_requests::broken_push(site, &crate::lab::missing_image(state), gallery)
    });
    timeline.step("a fixed push: the comment, the check and the Deployment follow", || {
        pull_requests::fixed_push(site, &image("v2")?)
    });
    timeline.step("a comment asks for the status", || pull_requests::command(site));
    timeline.step("a pull request from a fork waits, until a comment approves its commit", || {
        pull_requests::of_a_fork(site, &image("v3")?, gallery)
    });
    timeline.step("one merged, one closed: nothing is left", || pull_requests::closed(site, gallery));
}

//! `cargo lab demo`: the life of pull request 123 from opened to removed, of production, or of a repository with CI. Each
//! step checks its result.

mod ci;
pub(crate) mod full;
mod images;
mod life;
pub(crate) mod preview;
pub(crate) mod production;
mod reach;

use std::{io::Write as _, path::PathBuf, time::Instant};

use anyhow::Result;
use clap::Args;

use self::preview::Preview;
use super::{ending, options::ClusterOptions, pull_request::PullRequest, timeline::Timeline};
use crate::{
    life::{
        plan::{self, Request},
        session,
        state::State,
    },
    parts::cargo,
};

const DEMO: &str = "demo";
const DEMO_CI: &str = "demo-ci";
const DEMO_FULL: &str = "demo-full";
const DEMO_PRODUCTION: &str = "demo-production";

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    options: ClusterOptions,
    /// Leave the lab running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Show whole environments: each with React, Flask, a Temporal server and a database, behind an ingress controller
    #[arg(long, conflicts_with_all = ["fake_nodes", "use_cluster"])]
    full: bool,
    /// Show production: releases with plan and approval, a rollback, a freeze, a restore; a client counts what fails meanwhile
    #[arg(long, conflicts_with_all = ["full", "fake_nodes", "use_cluster"])]
    production: bool,
    /// Show CI: the workflow file of the documentation, run by act; webhooks, reports in the pull request, a release
    #[arg(long, conflicts_with_all = ["full", "production", "fake_nodes", "use_cluster"])]
    ci: bool,
    /// Take pictures of the comments into this folder
    #[arg(long, requires = "ci", value_name = "DIR")]
    pictures: Option<PathBuf>,
}

pub(crate) fn run(demo: &Demo) -> Result<()> {
    let begun = Instant::now();
    let berth = cargo::berth()?;
    let lab = match demo {
        Demo { production: true, .. } => DEMO_PRODUCTION,
        Demo { full: true, .. } => DEMO_FULL,
        Demo { ci: true, .. } => DEMO_CI,
        _ => DEMO,
    };
    let session = session::join_or_start(lab, || {
        plan::make(Request {
            full: demo.full || demo.production,
            // Temporal and the worker are stopped in it, and start again.
            restarts: demo.production,
            yes: demo.options.yes,
            fake_nodes: demo.options.fake_nodes,
            use_cluster: demo.options.use_cluster,
            // The demo of CI starts one that reports.
            worker: (!demo.ci).then(|| berth.clone()),
            ..Request::named(lab)
        })
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "\nready after {:.1} s: {}", begun.elapsed().as_secs_f32(), session.state.temporal_ui)?;
    let mut timeline = Timeline::default();
    play(demo, &session.state, berth, &mut timeline)?;
    let short = timeline.result();
    if demo.keep {
        writeln!(std::io::stderr(), "lab: left running until Ctrl-C; temporal-ui: {}", session.state.temporal_ui)?;
        ending::wait_for_ctrl_c(&session.state)?;
    }
    drop(session);
    ending::end_and_check(lab)?;
    writeln!(
        out,
        "\n{} after {:.1} s; the lab has ended and left nothing behind",
        timeline.summary(),
        begun.elapsed().as_secs_f32()
    )?;
    if !demo.keep {
        writeln!(out, "To look around yourself: cargo lab demo --keep, or cargo lab up")?;
    }
    short
}

fn play(demo: &Demo, state: &State, berth: PathBuf, timeline: &mut Timeline) -> Result<()> {
    let mut out = std::io::stdout();
    match &state.full {
        Some(full) if demo.production => {
            writeln!(out, "\nProduction of the app web\n")?;
            production::play(state, full, berth, timeline);
        }
        Some(full) => {
            writeln!(out, "\nThe environments of pull requests 123 and 124\n")?;
            let previews = [full::FIRST, full::SECOND].map(|number| Preview::new(state, full, berth.clone(), number));
            full::play(state, full, &previews, timeline);
        }
        None if demo.ci => {
            writeln!(out, "\nA repository whose workflow file hands its pull requests to berth\n")?;
            ci::play(state, berth, demo.pictures.as_deref(), timeline);
        }
        None => {
            writeln!(out, "\nThe life of pull request 123\n")?;
            life::play(state, &PullRequest::new(state, berth, life::PULL_REQUEST), timeline);
        }
    }
    Ok(())
}

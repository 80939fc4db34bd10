//! `cargo lab demo`: the life of pull request 123, from opened to nothing left, each step held against what it should show.

pub(crate) mod full;
mod images;
mod life;
pub(crate) mod preview;
mod reach;

use std::{io::Write as _, path::PathBuf, time::Instant};

use anyhow::Result;
use clap::Args;

use self::preview::Preview;
use super::{ending, options::ClusterOptions, pull_request::Tools, timeline::Timeline};
use crate::{
    life::{
        plan::{self, Wish},
        session,
        state::State,
    },
    parts::cargo,
};

const DEMO: &str = "demo";
const DEMO_FULL: &str = "demo-full";

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    options: ClusterOptions,
    /// Leave the lab running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Whole environments: React, Flask, a Temporal server and a database for each, behind an ingress controller
    #[arg(long, conflicts_with_all = ["fake_nodes", "use_cluster"])]
    full: bool,
}

pub(crate) fn run(demo: &Demo) -> Result<()> {
    let begun = Instant::now();
    let berth = cargo::berth()?;
    let lab = if demo.full { DEMO_FULL } else { DEMO };
    let session = session::join_or_start(lab, || {
        plan::plan(Wish {
            full: demo.full,
            yes: demo.options.yes,
            fake_nodes: demo.options.fake_nodes,
            use_cluster: demo.options.use_cluster,
            worker: Some(berth.clone()),
            ..Wish::named(lab)
        })
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "\nready after {:.1} s: {}", begun.elapsed().as_secs_f32(), session.state.temporal_ui)?;
    let mut timeline = Timeline::default();
    play(&session.state, berth, &mut timeline)?;
    let short = timeline.short();
    if demo.keep {
        writeln!(std::io::stderr(), "lab: left running until Ctrl-C; temporal-ui: {}", session.state.temporal_ui)?;
        ending::wait_for_ctrl_c(&session.state)?;
    }
    drop(session);
    ending::end_and_check(lab)?;
    writeln!(
        out,
        "\n{} after {:.1} s; the lab has ended and left nothing behind",
        timeline.verdict(),
        begun.elapsed().as_secs_f32()
    )?;
    if !demo.keep {
        writeln!(out, "To look around yourself: cargo lab demo --keep, or cargo lab up")?;
    }
    short
}

fn play(state: &State, berth: PathBuf, timeline: &mut Timeline) -> Result<()> {
    let mut out = std::io::stdout();
    if let Some(full) = &state.full {
        writeln!(out, "\nThe environments of pull requests 123 and 124\n")?;
        let previews = [full::FIRST, full::SECOND].map(|number| Preview::of(state, full, berth.clone(), number));
        full::play(state, full, &previews, timeline);
    } else {
        writeln!(out, "\nThe life of pull request 123\n")?;
        life::play(state, &Tools::for_pull_request(state, berth, life::PULL_REQUEST), timeline);
    }
    Ok(())
}

//! `cargo lab demo`: the life of pull request 123, from opened to nothing left, each step held against what it should show.

mod life;
pub(crate) mod timeline;
pub(crate) mod tools;

use std::{io::Write as _, time::Instant};

use anyhow::Result;

use self::{timeline::Timeline, tools::Tools};
use crate::{
    cargo, cli, commands,
    prepare::{self, Wish},
    session,
};

const DEMO: &str = "demo";

pub(crate) fn run(demo: &cli::Demo) -> Result<()> {
    let begun = Instant::now();
    let berth = cargo::berth()?;
    let session = session::join_or_start(DEMO, || {
        prepare::plan(Wish {
            yes: demo.options.yes,
            fake_nodes: demo.options.fake_nodes,
            use_cluster: demo.options.use_cluster,
            worker: Some(berth.clone()),
            ..Wish::named(DEMO)
        })
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "\nready after {:.1} s: {}", begun.elapsed().as_secs_f32(), session.state.temporal_ui)?;
    writeln!(out, "\nThe life of pull request 123\n")?;
    let mut timeline = Timeline::default();
    life::play(&session.state, &Tools::for_pull_request(&session.state, berth, life::PULL_REQUEST), &mut timeline);
    let short = timeline.short();
    if demo.keep {
        writeln!(std::io::stderr(), "lab: left running until Ctrl-C; temporal-ui: {}", session.state.temporal_ui)?;
        commands::wait_for_ctrl_c(&session.state)?;
    }
    drop(session);
    commands::end_and_check(DEMO)?;
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

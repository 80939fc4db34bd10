//! `cargo lab screenshot`: the pages of two previews and of production, as a headless Chromium shows them.

pub(super) mod browser;
mod production;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use self::browser::Browser;
use super::{
    demo::{
        full::{self as demo, COMMITS},
        preview::Preview,
        production::site::Site,
    },
    ending,
};
use crate::{
    cluster::ingress,
    life::{
        full,
        plan::{self, Request},
        session,
        state::{Full, State},
    },
    machine::{folders, process},
    parts::{self, cargo},
};

const LAB: &str = "screenshot";
/// The size of a page, wide enough for temporal-ui's columns.
const SIZE: (u32, u32) = (1440, 900);

/// Sets the columns of temporal-ui's list: berth's search attributes instead of run ids.
const COLUMNS: &str = r#"
if (location.hostname === "127.0.0.1")
    localStorage.setItem("namespace-workflow-table-columns", JSON.stringify({default:
        ["Status", "Workflow ID", "BerthPhase", "BerthCommit", "Start"].map(label => ({label}))}))"#;

/// Types a name into React's form, and sends it.
const GREET_ADA: &str = "(() => {
    const input = document.querySelector('form input');
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, 'Ada');
    input.dispatchEvent(new Event('input', { bubbles: true }));
    input.form.requestSubmit();
})()";

const OLDEST_FIRST: &str =
    "[...document.querySelectorAll('button')].find(one => one.textContent.includes('Descending')).click()";

#[derive(Debug, Args)]
pub(crate) struct Screenshot {
    /// The folder for the screenshots
    #[arg(default_value = "target/screenshots")]
    folder: PathBuf,
    /// Install missing Debian packages without asking; CI=true means the same
    #[arg(long, env = "BERTH_LAB_YES", value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
}

pub(crate) fn run(screenshot: &Screenshot) -> Result<()> {
    let packages = parts::chromium();
    if !packages.ensure(screenshot.yes)? {
        bail!("chromium is missing; to have it installed pass --yes, or run: {}", packages.command());
    }
    let berth = cargo::berth()?;
    let folder = folders::make(screenshot.folder.clone())?;
    let session = session::join_or_start(LAB, || {
        plan::make(Request { yes: screenshot.yes, full: true, worker: Some(berth.clone()), ..Request::named(LAB) })
    })?;
    let taken = take(&session.state, berth, &folder);
    drop(session);
    ending::end_and_check(LAB)?;
    taken
}

fn take(state: &State, berth: PathBuf, folder: &Path) -> Result<()> {
    let full = full::additions_of(state)?;
    let mut out = std::io::stdout();
    for (number, commit, variant) in [(demo::FIRST, COMMITS[0], "full-v1"), (demo::SECOND, COMMITS[1], "full-v2")] {
        let preview = Preview::new(state, full, berth.clone(), number);
        writeln!(out, "{}", preview.push(commit, &state.images[variant])?)?;
        preview.greeting()?;
        preview.script()?;
    }
    let mut browser = Browser::start(LAB, folders::data(LAB)?.join("chromium"))?;
    browser.before_every_page(COLUMNS)?;
    let mut camera = Camera { browser, folder };
    for picture in pictures(state, full)? {
        camera.take(&picture)?;
    }
    production::take(&Site::new(state, full, berth), &mut camera)
}

/// A browser, and the folder for its screenshots.
struct Camera<'a> {
    browser: Browser,
    folder: &'a Path,
}

impl Camera<'_> {
    fn take(&mut self, picture: &Picture) -> Result<()> {
        self.browser.resize(picture.size)?;
        let file = self.folder.join(format!("{}.png", picture.name));
        self.browser.open(&picture.url, &picture.shows.iter().map(String::as_str).collect::<Vec<_>>())?;
        if let Some((act, shows)) = picture.then {
            self.browser.run(act)?;
            self.browser.wait_until_it_shows(&[shows])?;
        }
        self.browser.save(&file)?;
        writeln!(std::io::stdout(), "{}", file.display())?;
        Ok(())
    }
}

/// A screenshot: its page, the texts that it waits for, and an action before it is taken.
struct Picture {
    name: &'static str,
    url: String,
    shows: Vec<String>,
    size: (u32, u32),
    then: Option<(&'static str, &'static str)>,
}

impl Picture {
    fn page(name: &'static str, url: String, shows: &[&str]) -> Self {
        let shows = shows.iter().map(|text| (*text).to_owned()).collect();
        Self { name, url, shows, size: SIZE, then: None }
    }

    /// A rollout's timeline in berth's temporal-ui, from its first activity on.
    fn timeline(name: &'static str, state: &State, rollout: &str, shows: &[&str]) -> Result<Self> {
        let url = berths(state, &format!("/{rollout}/{}/timeline", run_of(state, rollout)?));
        Ok(Self { size: (SIZE.0, 1240), then: Some((OLDEST_FIRST, "Ascending")), ..Self::page(name, url, shows) })
    }

    /// The current details of a workflow in berth's temporal-ui.
    fn details(name: &'static str, state: &State, workflow: &str, shows: &[&str]) -> Result<Self> {
        let url = berths(state, &format!("/{workflow}/{}/user-metadata", run_of(state, workflow)?));
        Ok(Self::page(name, url, shows))
    }
}

/// The URL of a page about workflows in berth's temporal-ui.
fn berths(state: &State, path: &str) -> String {
    format!("{}/namespaces/default/workflows{path}", state.temporal_ui)
}

fn pictures(state: &State, full: &Full) -> Result<Vec<Picture>> {
    let preview = |host: &str, path: &str| format!("{}{path}", ingress::url(full.ingress, host));
    let list = "?query=WorkflowType%3D%22PreviewEnvironment%22";
    Ok(vec![
        Picture {
            then: Some((GREET_ADA, "Ada!")),
            ..Picture::page("preview", preview("pr-123.localhost", "/"), &[&COMMITS[0][..7], "reminder"])
        },
        Picture::page(
            "preview-temporal-ui",
            preview("pr-123-temporal.localhost", "/namespaces/default/workflows"),
            &["Greeting", "COMPLETED"],
        ),
        Picture::page("environments", berths(state, list), &["preview-web-123", "preview-web-124", "Live"]),
        Picture::timeline("rollout", state, "preview-web-123-rollout-1", &["read app web"])?,
        Picture::details("environment", state, "preview-web-123", &["pr-123.localhost"])?,
    ])
}

fn run_of(state: &State, workflow: &str) -> Result<String> {
    let mut temporal = std::process::Command::new(&state.tools["temporal"]);
    temporal.args(["workflow", "describe", "--workflow-id", workflow, "-o", "json"]);
    let described: Value =
        serde_json::from_str(&process::output(temporal.args(["--address", &state.temporal_address]))?)?;
    let run = described["workflowExecutionInfo"]["execution"]["runId"].as_str();
    run.map(str::to_owned).with_context(|| format!("looking for the run of {workflow}"))
}

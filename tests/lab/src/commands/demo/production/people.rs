//! Decisions of people: an approval, a freeze, a rollback.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    client::Client,
    site::{Merge, Site},
};

/// Asks for approval from now on, and releases. Answers the id of the plan.
pub(super) fn awaits_approval(site: &Site<'_>, merge: Merge) -> Result<String> {
    site.set_approval("required")?;
    let waits = site.release(merge)?.expect(5, "awaiting_approval")?;
    text(&waits["data"]["queued"]["plan"]["id"], "the plan's id")
}

/// The plan, as people see it.
pub(super) fn show_plan(site: &Site<'_>) -> Result<String> {
    let planned = site.berth("plan", &[])?.expect(0, "planned")?;
    let plan = &planned["data"]["plan"];
    let names = |list: &str| {
        let names = plan[list].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let difference = planned["data"]["difference"].as_str().context("the full difference was not read")?;
    Ok(format!(
        "plan {} changes {}\nrolls with a gap: {}\nthe full difference has {} lines",
        text(&plan["id"], "the plan's id")?,
        names("changed"),
        names("gaps"),
        difference.lines().count()
    ))
}

/// The age from which the worker asks Doppler again, instead of its cache. A person takes longer to read a plan.
const CACHED: Duration = Duration::from_secs(6);

/// Rotates a secret while a release waits. The approval of the plan before is void, and then refused. `plan` becomes the new
/// one.
pub(super) fn stale_plan(site: &Site<'_>, merge: Merge, plan: &mut String) -> Result<String> {
    site.set_greeting("Good morning")?;
    let stale = plan.clone();
    let release = merge.number.to_string();
    let approve = || site.berth_by("approve", &["--release", &release, "--plan", &stale]);
    thread::sleep(CACHED);
    // Doppler is read again for the approval, not before it.
    approve()?.expect(0, "approved")?;
    let is_planned_anew = |status: &Value| {
        let planned = &status["queued"]["plan"]["id"];
        status["phase"] == "AwaitingApproval" && planned.is_string() && *planned != *stale
    };
    let status = site.wait_until_status("planned anew", is_planned_anew)?;
    let refused = approve()?.expect(10, "refused")?;
    *plan = text(&refused["data"]["plan"], "the plan in force")?;
    ensure!(status["queued"]["plan"]["id"] == **plan, "the answer names another plan than the status: {refused}");
    let mut notes = status["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let void = notes.rfind(|note| note.contains("void")).context("no note says that it is void")?;
    Ok(format!("status says: {void}\napproved again: {}", text(&refused["reason"], "the reason")?))
}

pub(super) fn approve(site: &Site<'_>, merge: Merge, plan: &str) -> Result<String> {
    let release = merge.number.to_string();
    site.berth_by("approve", &["--release", &release, "--plan", plan])?.expect(0, "approved")?;
    site.wait_until_live(merge)
}

/// Freezes, and releases: it waits, and the release before serves on. Approval is not asked for any more.
pub(super) fn freeze(site: &Site<'_>, merge: Merge, serving: Merge) -> Result<String> {
    site.set_approval("none")?;
    site.berth_by("freeze", &["--reason", "incident 42"])?.expect(0, "frozen")?;
    let waits = site.release(merge)?.expect(5, "frozen")?;
    Ok(format!("{}\n{}", text(&waits["reason"], "the reason")?, site.serves(serving)?))
}

pub(super) fn unfreeze(site: &Site<'_>, merge: Merge) -> Result<String> {
    site.set_greeting("Good evening")?;
    site.berth_by("unfreeze", &[])?.expect(0, "unfrozen")?;
    Ok(format!("{}\n{}", site.wait_until_live(merge)?, site.greeting()?))
}

/// Rolls back without `--to`: the release that served directly before serves again, with its secrets.
pub(super) fn roll_back(site: &Site<'_>, client: &Client, to: Merge) -> Result<String> {
    let (from, before) = (Instant::now(), site.greeting()?);
    let rollback = ["--by", "octocat", "--reason", "checkout is broken"];
    let rolled_back = site.await_berth("rollback", &rollback)?.expect(0, "live")?;
    let seconds = from.elapsed().as_secs_f32();
    let (serves, after) = (site.serves(to)?, site.greeting()?);
    ensure!(after.starts_with("Good morning"), "its pods have not the secret that it ran with: {after}");
    Ok(format!(
        "{serves}, {seconds:.1} s after the rollback\nsecret in its pods: {before:?} before, {after:?} after\n{}\n{}",
        text(&rolled_back["reason"], "the reason")?,
        client.since(from)?
    ))
}

/// Releases into the frozen queue, and unfreezes it.
pub(super) fn go_on(site: &Site<'_>, merge: Merge, serving: Merge) -> Result<String> {
    let waits = site.release(merge)?.expect(5, "frozen")?;
    site.serves(serving)?;
    site.berth_by("unfreeze", &[])?.expect(0, "unfrozen")?;
    Ok(format!("{}\n{}", text(&waits["reason"], "the reason")?, site.wait_until_live(merge)?))
}

pub(super) fn text(value: &Value, what: &str) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("looking for {what} in {value}"))
}

//! A restore while Temporal is away, and what production makes of it afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{
    client::Client,
    people::text,
    site::{Merge, Site},
};
use crate::{
    life::{outage, worker::WORKER},
    services::temporal::TEMPORAL,
};

/// Generous: a dev server with data starts in seconds.
const TEMPORAL_BACK_WITHIN: Duration = Duration::from_secs(60);

/// Stops Temporal and the worker, and restores a release as berth says.
pub(super) fn without_temporal(site: &Site<'_>, client: &Client, to: Merge) -> Result<String> {
    for part in [WORKER, TEMPORAL] {
        outage::begin(site.state, part)?;
    }
    let from = Instant::now();
    let refused = site.berth_by("rollback", &["--timeout", "10s"])?;
    ensure!(refused.code == Some(10), "a rollback without Temporal: {refused:?}");
    let said = text(&refused.json["reason"], "the reason")?;
    let advice = said.rsplit("; ").next().filter(|advice| advice.contains("berth production restore"));
    let advice = advice.context("the refusal does not name berth production restore")?;
    let restore = ["--release", &to.number.to_string(), "--by", "octocat"];
    let begun = Instant::now();
    site.await_berth("restore", &restore)?.expect(0, "live")?;
    Ok(format!(
        "a rollback says: {advice}\n{}, {:.1} s after the restore\n{}",
        site.serves(to)?,
        begun.elapsed().as_secs_f32(),
        client.since(from)?
    ))
}

/// Starts both again: production has taken the restore as a freeze.
pub(super) fn with_temporal(site: &Site<'_>, serving: Merge) -> Result<String> {
    outage::end(site.state, TEMPORAL)?;
    let end = Instant::now() + TEMPORAL_BACK_WITHIN;
    while let Err(error) = site.person.temporal(&["operator", "namespace", "describe", "--namespace", "default"]) {
        ensure!(Instant::now() < end, "Temporal is not back: {error:#}");
    }
    outage::end(site.state, WORKER)?;
    let frozen = site.wait_until_status("it is frozen", |status| status["frozen"].is_object())?;
    let reason = text(&frozen["frozen"]["reason"], "the reason of the freeze")?;
    ensure!(frozen["serving"]["number"] == serving.number, "another release serves: {}", frozen["serving"]);
    site.berth_by("unfreeze", &[])?.expect(0, "unfrozen")?;
    site.wait_until_status("it is live", |status| status["phase"] == "Live")?;
    Ok(format!("status says: frozen, {reason}\n{}", site.serves(serving)?))
}

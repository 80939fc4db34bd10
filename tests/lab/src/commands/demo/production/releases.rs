//! Releases: one that goes live, and one that cannot.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    beside_kubectl::ByHand,
    client::Client,
    first_failure::FirstFailure,
    site::{Merge, Site, short},
};
use crate::commands::pull_request::APP;

/// Releases over one that serves, and measures the time.
pub(super) fn next(site: &Site<'_>, client: &Client, merge: Merge, by_hand: &mut ByHand) -> Result<String> {
    let from = Instant::now();
    site.release(merge)?.expect(0, "live")?;
    by_hand.berth = Some(from.elapsed());
    Ok(format!("{}\n{}\n{}", site.serves(merge)?, site.steps(2)?, client.since(from)?))
}

/// Releases what cannot run, over a release that serves again in the end.
pub(super) fn bad(site: &Site<'_>, client: &Client, (bad, before): (Merge, Merge)) -> Result<String> {
    let image = site.image(bad)?;
    let failure = FirstFailure::watch(&site.person, image)?;
    let from = Instant::now();
    let rolled_back = site.release(bad)?.expect(1, "rolled_back")?;
    let told = from.elapsed();
    let (failed_at, failing) = failure.seen()?;
    let (web, temporal) = (client.web.since(from), client.temporal.since(from));
    let web_back = web.served_from(short(before.commit)).context("the release before does not serve")?;
    let temporal_back = temporal.back_at().context("the Temporal pod is not back")?;
    let after_failure = |at: Instant| at.saturating_duration_since(failed_at).as_secs_f32();
    Ok(format!(
        "{}\nfirst failing pod: {failing}, {:.1} s after the release\n\
         release {} serves again {:.1} s after the first failing pod: its web pod after {:.1} s, its Temporal pod after {:.1} s\n\
         berth says so {:.1} s after the release\n{}\n{}",
        headline(&rolled_back)?,
        (failed_at - from).as_secs_f32(),
        before.number,
        after_failure(web_back.max(temporal_back)),
        after_failure(web_back),
        after_failure(temporal_back),
        told.as_secs_f32(),
        site.serves(before)?,
        client.since(from)?
    ))
}

/// The verdict, shortened: container runtimes add much to the cause.
fn headline(failed: &Value) -> Result<String> {
    let reason = failed["reason"].as_str().context("reading the reason")?;
    ensure!(!failed["verdict"].is_null(), "there is no verdict: {failed}");
    Ok(match reason.char_indices().nth(200) {
        Some((end, _)) => format!("{} …", &reason[..end]),
        None => reason.to_owned(),
    })
}

/// The stored releases, as people see them.
pub(super) fn history(site: &Site<'_>) -> Result<String> {
    let output = site.person.berth().args(["production", "history", APP]).output().context("running berth")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

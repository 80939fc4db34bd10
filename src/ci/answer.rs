//! The answer of a step as text for the log. Pure.

use std::fmt::{self, Write as _};

use crate::envelope::{Envelope, write_verdict};

/// The outcome in one line: `4f2a9c1 failed: CrashLoop: …`.
pub(super) fn sentence(envelope: &Envelope) -> String {
    let reason = envelope.reason.as_deref().filter(|reason| !reason.is_empty());
    if let ("error" | "refused" | "usage", Some(reason)) = (envelope.outcome.as_str(), reason) {
        return reason.to_owned();
    }
    let subject =
        envelope.commit.as_deref().map(short).or(envelope.environment.as_deref()).unwrap_or("the environment");
    let outcome = envelope.outcome.replace('_', " ");
    match reason.or(envelope.url.as_deref()) {
        Some(more) => format!("{subject} {outcome}: {more}"),
        None => format!("{subject} {outcome}"),
    }
}

/// The verdict and the links, as lines.
pub(super) fn details(envelope: &Envelope) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_details(&mut text, envelope);
    text
}

fn write_details(out: &mut String, envelope: &Envelope) -> fmt::Result {
    if let Some(verdict) = &envelope.verdict {
        writeln!(out, "{}", verdict.headline())?;
        write_verdict(out, verdict)?;
    }
    for (name, url) in links(envelope) {
        writeln!(out, "{name}: {url}")?;
    }
    envelope.rollout.as_ref().map_or(Ok(()), |rollout| writeln!(out, "rollout: {rollout}"))
}

/// The links that an answer has, by their names.
pub(super) fn links(envelope: &Envelope) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [
        ("page", &envelope.url),
        ("its temporal-ui", &envelope.temporal_dashboard_url),
        ("in temporal-ui", &envelope.temporal_ui_url),
    ];
    all.into_iter().filter_map(|(name, url)| Some((name, url.as_deref()?)))
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

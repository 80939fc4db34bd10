//! Rules for the app file's time limits.

use super::{App, AppReport};
use crate::app::{
    Span,
    timings::{MOST, MOST_MISSING, MOST_STABILITY, Timings},
};

/// A wait shorter than this cannot be met.
const LEAST_ROLLOUT: Span = Span::seconds(1);

pub(super) fn check(app: &App, report: &mut AppReport<'_>) {
    let Timings { rollout, capacity, database, stability, longest } = app.timings;
    let none = Span::seconds(0);
    for (field, span, least, most) in [
        ("timings.rollout", rollout, LEAST_ROLLOUT, MOST),
        ("timings.capacity", capacity, none, MOST),
        ("timings.database", database, none, MOST),
        ("timings.stability", stability, none, MOST_STABILITY),
        ("timings.longest", longest, LEAST_ROLLOUT, MOST),
        ("wait_for_missing", app.wait_for_missing, none, MOST_MISSING),
    ] {
        report.require((least..=most).contains(&span), field, || format!("must be from {least} to {most}"));
    }
    report.require(longest >= rollout, "timings.longest", || {
        format!("is {longest}, but must not be shorter than `rollout`, which is {rollout}")
    });
}

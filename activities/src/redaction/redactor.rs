//! The redactor: it removes the values of secrets, encoded forms included, from text that people will read.
//!
//! It finds a value as it is, and in every [view](super::views) of the text: percent-encoded, form-encoded, escaped as in JSON,
//! programming languages and HTML, two of these one in the other, in hexadecimal digits, and in base64 at any place of a longer
//! encoded text (such as `user:password`), broken into lines or not. A text may have been cut, so that a piece of a value at
//! its [edges](super::edges) counts too.
//!
//! Its work is bounded. It belongs on a thread for blocking work: [`Redactor::redact_all`] never holds up the task that
//! sends an activity's heartbeats.

mod automaton;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use automaton::Automaton;

use super::{
    edges::Edges,
    values::{LONG, add_parts},
    views::{View, visit},
};

/// The replacement. It is shorter than every value, so that replacing always ends.
const MARK: &str = "***";
/// The longest text that is redacted, in bytes. Of a longer one the end is kept. A log's tail is far shorter.
const LONGEST_TEXT: usize = 512 * 1024;
/// The most steps for one text: bytes looked at and compared. A log's tail of 256 KB beside 500 secrets takes ten million. Only
/// texts and values that are made to match each other again and again take more.
const MOST_STEPS: usize = 400_000_000;
/// The text in place of one that takes more steps.
const TOO_MUCH: &str = "(omitted: it takes too long to look for secrets in it)";

/// The values that must not be shown. A clone shares them.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Arc<Values>);

#[derive(Default)]
struct Values {
    /// Values to find in the text and in its decoded forms.
    values: Vec<Vec<u8>>,
    automaton: Automaton,
}

impl Redactor {
    /// A redactor for these values, each as it is in its Secret. It looks also for the secrets inside them. Takes a second for
    /// the largest Secret: see [`Redactor::build`].
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parts = BTreeSet::new();
        values.into_iter().for_each(|value| add_parts(value, &mut parts));
        let values = Vec::from_iter(parts);
        let automaton = Automaton::new(&values);
        Self(Arc::new(Values { values, automaton }))
    }

    /// As [`Redactor::new`], on a thread for blocking work. `None` if that thread fails.
    pub(crate) async fn build(values: Vec<Vec<u8>>) -> Option<Self> {
        tokio::task::spawn_blocking(move || Self::new(values.iter().map(Vec::as_slice))).await.ok()
    }

    /// Returns the texts without any of the values, from a thread for blocking work.
    pub(crate) async fn redact_all(&self, texts: Vec<String>) -> Vec<String> {
        let (redactor, count) = (self.clone(), texts.len());
        let redacted = tokio::task::spawn_blocking(move || texts.iter().map(|text| redactor.redact(text)).collect());
        // A failure shows nothing.
        redacted.await.unwrap_or_else(|_| vec![TOO_MUCH.to_owned(); count])
    }

    /// Returns the text without any of the values.
    pub(crate) fn redact(&self, text: &str) -> String {
        let first = text.len().saturating_sub(LONGEST_TEXT);
        let first = (first..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let mut text = text[first..].to_owned();
        let mut steps = MOST_STEPS;
        loop {
            let Some(hidden) = self.0.ranges(&text, &mut steps) else { return TOO_MUCH.to_owned() };
            if hidden.is_empty() {
                return text;
            }
            // The rest may form a value again. Each round shortens the text, so the loop ends.
            text = without(&text, hidden);
        }
    }
}

impl Values {
    /// Returns the ranges of the text to hide. `None` if that takes more steps than are left.
    fn ranges(&self, text: &str, steps: &mut usize) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::new();
        if self.values.is_empty() {
            return Some(ranges);
        }
        visit(text, |view| {
            for found in self.automaton.find(view, &self.values, steps)?.into_iter().chain(self.pieces(view, steps)?) {
                let (first, last) = (view.places.get(found.start)?, view.places.get(found.end.checked_sub(1)?)?);
                ranges.push(usize::try_from(first.0).ok()?..usize::try_from(last.1).ok()?);
            }
            Some(())
        })?;
        Some(ranges)
    }

    fn pieces(&self, view: &View, steps: &mut usize) -> Option<Vec<Range<usize>>> {
        let mut pieces = Vec::new();
        let edges = Edges::of(view);
        if edges.count() == 0 || view.bytes.is_empty() {
            return Some(pieces);
        }
        for value in self.values.iter().filter(|value| !view.only_long || value.len() >= LONG) {
            *steps = steps.checked_sub(4 * edges.count() * value.len())?;
            pieces.extend(edges.pieces(&view.bytes, value));
        }
        Some(pieces)
    }
}

fn without(text: &str, mut hidden: Vec<Range<usize>>) -> String {
    hidden.sort_by_key(|range| range.start);
    let mut left = Vec::with_capacity(text.len());
    let mut end = 0;
    for range in hidden {
        if range.start > end || left.is_empty() {
            left.extend_from_slice(&text.as_bytes()[end..range.start]);
            left.extend_from_slice(MARK.as_bytes());
        }
        end = end.max(range.end);
    }
    left.extend_from_slice(&text.as_bytes()[end..]);
    // A binary value may have been cut out of the middle of a character.
    String::from_utf8_lossy(&left).into_owned()
}

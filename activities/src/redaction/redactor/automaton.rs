//! The search for all values at once: one pass over a text, whatever the number of values.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::redaction::{values::LONG, views::View};

/// The most bytes of a value in the automaton. The rest is compared where they are found. It bounds the memory.
const INDEXED: usize = 64;

/// The values, ready to be searched for.
#[derive(Default)]
pub(super) struct Automaton {
    /// `None` if there is no value, or no automaton of it: then everything is hidden.
    search: Option<AhoCorasick>,
    /// Encoded forms of short values, which follow the values in the automaton. Long ones are found in decoded views.
    encoded: Vec<Vec<u8>>,
}

impl Automaton {
    pub(super) fn new(values: &[Vec<u8>]) -> Self {
        let short = values.iter().filter(|value| value.len() < LONG);
        let encoded: Vec<Vec<u8>> =
            short.flat_map(|value| in_base64(value).into_iter().chain(in_hexadecimal(value))).collect();
        let patterns = values.iter().chain(&encoded).map(|pattern| &pattern[..pattern.len().min(INDEXED)]);
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(patterns)
            .ok();
        Self { search, encoded }
    }

    /// Returns every range of the view that is a value. `None` if that takes more steps than are left.
    pub(super) fn find(&self, view: &View, values: &[Vec<u8>], steps: &mut usize) -> Option<Vec<Range<usize>>> {
        *steps = steps.checked_sub(view.bytes.len())?;
        let mut found = Vec::new();
        for candidate in self.search.as_ref()?.find_overlapping_iter(&view.bytes) {
            let at = candidate.pattern().as_usize();
            let value = values.get(at).or_else(|| self.encoded.get(at.checked_sub(values.len())?))?;
            *steps = steps.checked_sub(value.len())?;
            let range = candidate.start()..candidate.start() + value.len();
            let counts = !view.only_long || at < values.len() && value.len() >= LONG;
            if counts && view.bytes.get(range.clone()) == Some(value.as_slice()) {
                found.push(range);
            }
        }
        Some(found)
    }
}

fn in_base64(value: &[u8]) -> [Vec<u8>; 2] {
    [STANDARD_NO_PAD.encode(value).into_bytes(), URL_SAFE_NO_PAD.encode(value).into_bytes()]
}

fn in_hexadecimal(value: &[u8]) -> [Vec<u8>; 2] {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    [digits.to_uppercase().into_bytes(), digits.into_bytes()]
}

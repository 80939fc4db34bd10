//! Pieces of a value at the edges of a text that was cut: the value is not in it as a whole.
//!
//! A text may have been cut at its start and its end, and wherever an ellipsis marks it.

use std::ops::Range;

use super::{
    values::{LONG, SHORTEST},
    views::View,
};

/// The marks of a cut: berth's own, and that of others.
const ELLIPSES: [&[u8]; 2] = ["…".as_bytes(), b"..."];
/// The most marks of a text that are looked at.
const MOST_ELLIPSES: usize = 32;
/// Bytes that rulers and lines of a log are made of. A piece of nothing else gives nothing away.
const DECORATION: &[u8] = b"-=*#_~. \t\r\n";
/// The longest code of a character (`\ud83d\ude00`). A cut inside a code leaves a part of it at the edge.
const LONGEST_CODE: usize = 12;

/// The edges of a view.
#[derive(Debug, Default)]
pub(super) struct Edges {
    starts: Vec<usize>,
    ends: Vec<usize>,
    /// Whether nothing else is left of the text than what is between its start and its end.
    is_whole: bool,
}

impl Edges {
    pub(super) fn of(view: &View) -> Self {
        let mut edges = Self { is_whole: view.at_start && view.at_end, ..Self::default() };
        edges.starts.extend(view.at_start.then_some(0));
        edges.ends.extend(view.at_end.then_some(view.bytes.len()));
        for at in (0..view.bytes.len()).filter(|at| matches!(view.bytes[*at], b'.' | 0xe2)) {
            let ellipsis = ELLIPSES.iter().find(|ellipsis| view.bytes[at..].starts_with(ellipsis));
            if let Some(ellipsis) = ellipsis.filter(|_| edges.ends.len() < MOST_ELLIPSES) {
                edges.ends.push(at);
                edges.starts.push(at + ellipsis.len());
            }
        }
        edges
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len() + self.ends.len()
    }

    /// Returns the ranges of the view that begin or end a value at an edge, or that are all that is left of it.
    pub(super) fn pieces(&self, bytes: &[u8], value: &[u8]) -> Vec<Range<usize>> {
        let ends = self.ends.iter().filter_map(|end| beginning_before(*end, bytes, value));
        let starts = self.starts.iter().filter_map(|start| end_after(*start, bytes, value));
        let whole = (self.is_whole && is_inside(bytes.trim_ascii(), value)).then(|| 0..bytes.trim_ascii_end().len());
        ends.chain(starts).chain(whole).collect()
    }
}

/// Returns the beginning of the value that ends at this edge.
fn beginning_before(edge: usize, bytes: &[u8], value: &[u8]) -> Option<Range<usize>> {
    let longest = value.len().checked_sub(1)?;
    // The piece may end before a code that the cut has damaged.
    let starts = ends(&bytes[..edge]).filter_map(|end| {
        let length = longest_overlap(&bytes[end.saturating_sub(longest)..end], &value[..longest]);
        is_telling(&value[..length], shortest_piece(value)).then_some(end - length)
    });
    Some(starts.min()?..edge)
}

/// Returns the end of the value that begins at this edge.
fn end_after(edge: usize, bytes: &[u8], value: &[u8]) -> Option<Range<usize>> {
    let longest = value.len().checked_sub(1)?;
    let ends = starts(&bytes[edge..]).filter_map(|skipped| {
        let start = edge + skipped;
        let text = &bytes[start..bytes.len().min(start + longest)];
        let piece = &value[value.len() - longest_overlap(&value[1..], text)..];
        // A line's end after the piece belongs to the text.
        is_telling(piece, SHORTEST).then(|| start + piece.trim_ascii_end().len())
    });
    Some(edge..ends.max()?)
}

fn is_telling(piece: &[u8], shortest: usize) -> bool {
    piece.len() >= shortest && !piece.iter().all(|byte| DECORATION.contains(byte))
}

/// Returns whether the whole text is a part of the value.
fn is_inside(text: &[u8], value: &[u8]) -> bool {
    is_telling(text, LONG) && value.windows(text.len()).any(|window| window == text)
}

/// The shortest beginning of a value that gives something away. The scheme of a URL does not.
fn shortest_piece(value: &[u8]) -> usize {
    let scheme = value.windows(3).take(LONGEST_CODE).position(|window| window == b"://");
    scheme.map_or(SHORTEST, |at| at + 3 + SHORTEST)
}

/// The places where the text may end, if a damaged code at its end is left out.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let length = bytes.len();
    let codes = (length.saturating_sub(LONGEST_CODE - 1)..length).rev();
    let is_damaged = move |at: &usize| matches!(bytes[*at], b'%' | b'\\' | b'&');
    std::iter::once(length).chain(codes.filter(is_damaged))
}

/// The places where the text may begin, if the rest of a code at its start is left out.
fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let is_rest = |byte: &&u8| byte.is_ascii_hexdigit() || b"ux#;\\%".contains(byte);
    let first = &bytes[..bytes.len().min(LONGEST_CODE - 1)];
    let rest = first.iter().take_while(is_rest).count();
    // The rest of `&quot;`.
    let name = first.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let after_name = (first.get(name) == Some(&b';')).then_some(name + 1);
    (0..=rest).chain(after_name)
}

/// The length of the longest end of `text` that is a beginning of `other`.
fn longest_overlap(text: &[u8], other: &[u8]) -> usize {
    // Knuth, Morris and Pratt: one pass over both.
    let mut fallback = vec![0_usize; other.len()];
    let mut matched = 0;
    for at in 1..other.len() {
        while matched > 0 && other[at] != other[matched] {
            matched = fallback[matched - 1];
        }
        matched += usize::from(other[at] == other[matched]);
        fallback[at] = matched;
    }
    matched = 0;
    for byte in text {
        while matched > 0 && other.get(matched) != Some(byte) {
            matched = fallback[matched - 1];
        }
        matched += usize::from(other.get(matched) == Some(byte));
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Range<usize>; 0] = [];

    fn pieces(text: &str, value: &[u8]) -> Vec<Range<usize>> {
        Edges::of(&View::plain(text)).pieces(text.as_bytes(), value)
    }

    #[test]
    fn longest_overlap_is_found() {
        for (text, other, length) in [
            ("the hunt", "hunter2", 4),
            ("the hunter2", "hunter2", 7),
            ("ababab", "abababx", 6),
            ("aaaa", "aaab", 3),
            ("aaaaa", "aa", 2),
            ("x", "hunter2", 0),
            ("", "hunter2", 0),
            ("hunter2", "", 0),
        ] {
            assert_eq!(longest_overlap(text.as_bytes(), other.as_bytes()), length, "{text} {other}");
        }
    }

    #[test]
    fn piece_of_a_value_is_found_only_at_an_edge() {
        let found = |text: &str| pieces(text, b"correct-horse");
        assert_eq!(found("said correct-h"), vec![5..14]);
        assert_eq!(found("ct-horse, it said"), vec![0..8]);
        assert_eq!(found("said correct-h and more"), NONE);
        assert_eq!(found("said correct-h… and …orse"), [5..14, 25..29], "cut where it is marked");
        assert_eq!(found("said correct-h..., and more"), vec![5..14]);
        assert_eq!(found("said cor"), NONE, "three bytes give nothing away");
        assert_eq!(found("rect-hor\n"), vec![0..8], "nothing else is left");
        assert_eq!(pieces("it is https:", b"https://u:p@db"), NONE, "a scheme is no secret");
        assert_eq!(pieces("-----", b"-----BEGIN KEY-----\nMII\n"), NONE, "nor is a ruler");
    }

    #[test]
    fn code_that_the_cut_has_damaged_is_a_part_of_the_piece() {
        let found = |text: &str| pieces(text, b"horse@battery");
        assert_eq!(found("said horse%4"), vec![5..12]);
        assert_eq!(found("said horse\\u00"), vec![5..14]);
        assert_eq!(found("said horse&#6"), vec![5..13]);
        assert_eq!(found("40battery, it said"), vec![0..9]);
        assert_eq!(found("#64;battery, it said"), vec![0..11]);
        assert_eq!(pieces("quot;battery, it said", b"horse\"battery"), vec![0..12]);
    }
}

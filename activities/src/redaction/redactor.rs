//! The redactor: it removes the values of secrets, encoded forms included, from text that people will read.
//!
//! It finds a value as it is, percent-encoded, form-encoded, or escaped as in JSON and programming languages. It also
//! finds its hexadecimal digits, and its base64 or base64url at any place of a longer encoded text (such as
//! `user:password`).

use std::ops::Range;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The shortest value that is looked for, in bytes. Shorter values (`1`, `on`) are in every text and give nothing away.
const SHORTEST: usize = 4;
/// The length from which a value is also looked for line by line and inside longer base64 texts.
const LONG: usize = 8;
/// The replacement. It is shorter than every value, so that replacing always ends.
const MARK: &str = "***";

/// The values that must not be shown.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Values to find in the text and in its decoded forms.
    values: Vec<Vec<u8>>,
    /// Encoded values to find in the text itself.
    encoded: Vec<Vec<u8>>,
}

impl Redactor {
    /// A redactor for these values, each as it is in its Secret.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut redactor = Self::default();
        for value in values {
            redactor.values.extend(parts(value));
        }
        redactor.values.sort();
        redactor.values.dedup();
        let encoded = |value: &Vec<u8>| in_base64(value).into_iter().chain(in_hexadecimal(value));
        redactor.encoded = redactor.values.iter().flat_map(encoded).collect();
        redactor
    }

    /// Returns the text without any of the values.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        loop {
            let hidden = self.ranges(&text);
            if hidden.is_empty() {
                return text;
            }
            // The rest may form a value again. Each round shortens the text, so the loop ends.
            text = without(&text, hidden);
        }
    }

    fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges = find_all(&plain(text), &self.encoded);
        for view in [plain(text), percent_decoded(text, false), percent_decoded(text, true), unescaped(text)] {
            ranges.extend(find_all(&view, &self.values));
        }
        ranges
    }
}

/// The value, its trimmed form, and its longer lines: logs break at line ends.
fn parts(value: &[u8]) -> Vec<Vec<u8>> {
    let whole = [value, value.trim_ascii()].into_iter().filter(|part| part.len() >= SHORTEST);
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= LONG);
    whole.chain(lines).map(<[u8]>::to_vec).collect()
}

/// The forms of the value in base64. A long one is also looked for inside longer texts, at each of its three possible
/// offsets. Its first and last characters there are shared with its neighbours and left out.
fn in_base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(value).into_bytes());
        for before in (0..3).filter(|_| value.len() >= LONG) {
            let mut longer = vec![0; before];
            longer.extend_from_slice(value);
            let text = engine.encode(&longer).into_bytes();
            forms.push(text[(before * 8).div_ceil(6)..longer.len() * 8 / 6].to_vec());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn in_hexadecimal(value: &[u8]) -> [Vec<u8>; 2] {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    [digits.to_uppercase().into_bytes(), digits.into_bytes()]
}

/// Decoded bytes, each with its range in the text.
type View = (Vec<u8>, Vec<Range<usize>>);

fn plain(text: &str) -> View {
    (text.as_bytes().to_vec(), (0..text.len()).map(|at| at..at + 1).collect())
}

fn percent_decoded(text: &str, form: bool) -> View {
    decoded(text, |rest| match rest {
        [b'%', high, low, ..] => Some((vec![hex(&[*high, *low])?.to_le_bytes()[0]], 3)),
        [b'+', ..] if form => Some((vec![b' '], 1)),
        _ => None,
    })
}

fn unescaped(text: &str) -> View {
    decoded(text, |rest| {
        let [b'\\', kind, code @ ..] = rest else { return None };
        let simple = |byte: u8| Some((vec![byte], 2));
        match kind {
            b'n' => simple(b'\n'),
            b'r' => simple(b'\r'),
            b't' => simple(b'\t'),
            b'b' => simple(8),
            b'f' => simple(12),
            b'"' | b'\'' | b'\\' | b'/' => simple(*kind),
            b'x' => Some((vec![hex(code.get(..2)?)?.to_le_bytes()[0]], 4)),
            b'u' => unicode(code),
            _ => None,
        }
    })
}

/// Decodes `\uXXXX`, or a surrogate pair.
fn unicode(code: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = hex(code.get(..4)?)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char.to_string().into_bytes(), 6));
    }
    let second = hex(code.get(4..)?.strip_prefix(b"\\u")?.get(..4)?)?;
    let char = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]).next()?.ok()?;
    Some((char.to_string().into_bytes(), 12))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// Decodes the sequences that `decode` knows: it returns their bytes and their length in the text. All other bytes
/// stay.
fn decoded(text: &str, decode: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> View {
    let text = text.as_bytes();
    let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut at = 0;
    while at < text.len() {
        let (decoded, length) = decode(&text[at..]).unwrap_or_else(|| (vec![text[at]], 1));
        places.extend(decoded.iter().map(|_| at..at + length));
        bytes.extend(decoded);
        at += length;
    }
    (bytes, places)
}

fn find_all((bytes, places): &View, values: &[Vec<u8>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for value in values.iter().filter(|value| value.len() <= bytes.len()) {
        let first = value[0];
        for start in (0..=bytes.len() - value.len()).filter(|start| bytes[*start] == first) {
            if bytes[start..].starts_with(value) {
                found.push(places[start].start..places[start + value.len() - 1].end);
            }
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn redacted(values: &[&str], text: &str) -> String {
        Redactor::new(values.iter().map(|value| value.as_bytes())).redact(text)
    }

    #[test]
    fn every_occurrence_of_every_value_is_removed() {
        assert_eq!(redacted(&["hunter2", "swordfish"], "a hunter2, swordfish and hunter2."), "a ***, *** and ***.");
        assert_eq!(redacted(&["hunter2"], "nothing here"), "nothing here");
        assert_eq!(redacted(&[], "nothing here"), "nothing here");
    }

    #[test]
    fn overlapping_values_leave_nothing() {
        assert_eq!(redacted(&["pass", "password1"], "password1 pass"), "*** ***");
        assert_eq!(redacted(&["abcdef", "defghi"], "abcdefghi"), "***");
    }

    #[test]
    fn values_of_three_bytes_or_less_stay() {
        assert_eq!(redacted(&["1", "on", "abc"], "1 on abc"), "1 on abc");
    }

    #[test]
    fn encoded_forms_are_removed() {
        let value = "p@ss \"wörd\"/+&?";
        for encoded in [
            STANDARD.encode(value),
            URL_SAFE.encode(value),
            STANDARD_NO_PAD.encode(value),
            serde_json::to_string(value).unwrap(),
            r#"p@ss \u0022w\u00f6rd\"\/+&?"#.to_owned(),
            "p%40ss%20%22w%C3%B6rd%22%2F%2B%26%3F".to_owned(),
            "p%40ss+%22w%c3%b6rd%22%2f%2b%26%3f".to_owned(),
            "p@ss%20%22w%C3%B6rd%22/+&?".to_owned(),
            value.bytes().map(|byte| format!("{byte:02x}")).collect(),
            value.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ] {
            let text = redacted(&[value], &format!("before {encoded} after"));
            assert!(text.contains("***") && !text.contains("ss") && !text.contains("rd"), "{encoded} -> {text}");
        }
    }

    #[test]
    fn a_password_inside_a_basic_authorization_is_removed() {
        for user in ["a", "ab", "abc"] {
            let header = STANDARD.encode(format!("{user}:correct-horse-battery"));
            let text = redacted(&["correct-horse-battery"], &format!("Authorization: Basic {header}"));
            assert!(text.contains("***") && text.len() < 36, "{text}");
        }
    }

    #[test]
    fn a_key_cut_at_the_start_of_a_log_tail_is_removed() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n";
        assert_eq!(redacted(&[key], "kqhkiG9w0BAQ\n-----END KEY-----\nok"), "***\n***\nok");
    }

    #[test]
    fn a_value_that_looks_like_the_mark_is_removed() {
        assert_eq!(redacted(&["****", "abcd"], "*abcd"), "***");
    }

    proptest! {
        #[test]
        fn no_value_of_four_bytes_or_more_survives(
            values in prop::collection::vec(prop_oneof!["[ -~]{4,12}", "[a-c*]{4,6}", "\\PC{4,8}"], 1..4),
            pieces in prop::collection::vec((0usize..4, 0usize..6, "[ -~]{0,6}"), 0..8),
        ) {
            let encode = |value: &str, how: usize| match how {
                0 => value.to_owned(),
                1 => STANDARD.encode(value),
                2 => URL_SAFE.encode(value),
                3 => value.bytes().map(|byte| format!("%{byte:02X}")).collect(),
                4 => serde_json::to_string(value).unwrap(),
                _ => value.replace(' ', "+"),
            };
            let text: String = pieces.iter()
                .map(|(which, how, other)| encode(&values[which % values.len()], *how) + other)
                .collect();
            let redactor = Redactor::new(values.iter().map(String::as_bytes));
            let text = redactor.redact(&text);
            for value in &values {
                for how in 0..5 {
                    let encoded = encode(value, how);
                    prop_assert!(!text.contains(encoded.trim_matches('"')), "{value:?} as {encoded:?} in {text:?}");
                }
            }
        }

        #[test]
        fn redact_accepts_any_bytes_without_a_panic(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..4),
            text in "\\PC{0,80}",
        ) {
            Redactor::new(values.iter().map(Vec::as_slice)).redact(&text);
        }
    }
}

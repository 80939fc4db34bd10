//! Takes the values of secrets out of text that people will read, encoded forms included.
//!
//! A value is found as it is, percent-encoded, as a form, as an escaped string of JSON or of a programming language,
//! in hexadecimal digits, and in base64 or base64url at any place of a longer encoded text (such as `user:password`).

use std::ops::Range;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Shorter values (`1`, `on`) are in every text and give nothing away.
const SHORTEST: usize = 4;
/// From this length on, a value is looked for line by line and inside longer base64 texts.
const LONG: usize = 8;
/// Shorter than every value that is looked for, so that taking out always ends.
const MARK: &str = "***";

/// Knows the values that must not be seen.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Found in the text and in what it decodes to.
    values: Vec<Vec<u8>>,
    /// Found in the text only.
    encoded: Vec<Vec<u8>>,
}

impl Redactor {
    /// For these values, each as it stands in its Secret.
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

    /// The text without any of the values.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        loop {
            let hidden = self.ranges(&text);
            if hidden.is_empty() {
                return text;
            }
            // What is left may join to a value anew; each round makes the text shorter, so this ends.
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

/// The value, and, as logs break at line ends, its trimmed form and its longer lines.
fn parts(value: &[u8]) -> Vec<Vec<u8>> {
    let whole = [value, value.trim_ascii()].into_iter().filter(|part| part.len() >= SHORTEST);
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= LONG);
    whole.chain(lines).map(<[u8]>::to_vec).collect()
}

/// How base64 text shows the value: by itself, and for a long one at each of the three places it can have in a longer
/// text, without the characters at its ends that its neighbours share.
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

/// Bytes as a reader would decode them, each with its place in the text.
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

/// `\uXXXX`, with the second half of a surrogate pair if it is one.
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

/// Decodes what `decode` knows: bytes and the length of what they stood for. Everything else stands for itself.
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
    // A value that is not text may have been cut out of the middle of a character.
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
    fn every_occurrence_of_every_value_is_taken_out_and_the_rest_stays() {
        assert_eq!(redacted(&["hunter2", "swordfish"], "a hunter2, swordfish and hunter2."), "a ***, *** and ***.");
        assert_eq!(redacted(&["hunter2"], "nothing here"), "nothing here");
        assert_eq!(redacted(&[], "nothing here"), "nothing here");
    }

    #[test]
    fn of_values_within_or_across_each_other_nothing_is_left() {
        assert_eq!(redacted(&["pass", "password1"], "password1 pass"), "*** ***");
        assert_eq!(redacted(&["abcdef", "defghi"], "abcdefghi"), "***");
    }

    #[test]
    fn values_of_three_bytes_and_less_are_left_alone() {
        assert_eq!(redacted(&["1", "on", "abc"], "1 on abc"), "1 on abc");
    }

    #[test]
    fn encoded_forms_are_taken_out() {
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
    fn a_password_inside_a_basic_authorization_is_taken_out() {
        for user in ["a", "ab", "abc"] {
            let header = STANDARD.encode(format!("{user}:correct-horse-battery"));
            let text = redacted(&["correct-horse-battery"], &format!("Authorization: Basic {header}"));
            assert!(text.contains("***") && text.len() < 36, "{text}");
        }
    }

    #[test]
    fn a_line_of_a_key_that_the_tail_of_a_log_begins_with_is_taken_out() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n";
        assert_eq!(redacted(&[key], "kqhkiG9w0BAQ\n-----END KEY-----\nok"), "***\n***\nok");
    }

    #[test]
    fn a_value_that_looks_like_the_mark_is_taken_out_too() {
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
        fn any_bytes_and_any_text_are_taken_without_a_panic(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..4),
            text in "\\PC{0,80}",
        ) {
            Redactor::new(values.iter().map(Vec::as_slice)).redact(&text);
        }
    }
}

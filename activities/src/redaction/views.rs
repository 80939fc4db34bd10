//! Decoded views of a text: what a reader would see who decoded it, with the place of each byte in the text.

/// A place in the text: start and end, in bytes. A text that is redacted is shorter than four gigabytes.
pub(super) type Place = (u32, u32);

/// Decoded bytes, each with its place in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<Place>,
    /// Whether the view begins where the text begins, and ends where it ends: a cut text is cut there.
    pub(super) at_start: bool,
    pub(super) at_end: bool,
    /// Whether only long values count in it: a short one is there by chance.
    pub(super) only_long: bool,
}

impl View {
    /// The text as it is.
    pub(super) fn plain(text: &str) -> Self {
        let places = (0..).map(|at| (at, at + 1)).take(text.len()).collect();
        Self { bytes: text.as_bytes().to_vec(), places, at_start: true, at_end: true, only_long: false }
    }

    fn push(&mut self, bytes: &[u8], place: Place) {
        self.bytes.extend_from_slice(bytes);
        self.places.extend(bytes.iter().map(|_| place));
    }
}

/// Shows every view of a text in which a value may be found: one decoding after another, as programs nest them. Stops, with
/// `None`, when `look` does. Few views exist at once: each takes ten times the memory of the text.
pub(super) fn visit(text: &str, mut look: impl FnMut(&View) -> Option<()>) -> Option<()> {
    let mut look_at = |view: &View| {
        look(view)?;
        visit_runs(view, base64_digit, (6, &[0, 2, 4, 6]), &mut look)?;
        visit_runs(view, |byte| char::from(byte).to_digit(16), (4, &[0, 4]), &mut look)
    };
    let plain = View::plain(text);
    look_at(&plain)?;
    for decode in [percent, form, unescaped, html] {
        let Some(once) = decode(&plain) else { continue };
        look_at(&once)?;
        for decode in [percent, unescaped, html] {
            decode(&once).map_or(Some(()), |twice| look_at(&twice))?;
        }
    }
    Some(())
}

/// `%20`. `None` if the text has nothing of the kind.
pub(super) fn percent(view: &View) -> Option<View> {
    decoded(view, |rest| match rest {
        [b'%', high, low, ..] => Some((vec![byte(&[*high, *low])?], 3)),
        _ => None,
    })
}

/// `%20` and `+`, as in a form.
fn form(view: &View) -> Option<View> {
    if !view.bytes.contains(&b'+') {
        return None;
    }
    decoded(view, |rest| match rest {
        [b'%', high, low, ..] => Some((vec![byte(&[*high, *low])?], 3)),
        [b'+', ..] => Some((vec![b' '], 1)),
        _ => None,
    })
}

/// `\n`, `\u0026`, `\x26`, as in JSON and programming languages.
fn unescaped(view: &View) -> Option<View> {
    decoded(view, |rest| {
        let [b'\\', kind, code @ ..] = rest else { return None };
        let simple = |byte: u8| Some((vec![byte], 2));
        match kind {
            b'n' => simple(b'\n'),
            b'r' => simple(b'\r'),
            b't' => simple(b'\t'),
            b'b' => simple(8),
            b'f' => simple(12),
            b'"' | b'\'' | b'\\' | b'/' => simple(*kind),
            b'x' => Some((vec![byte(code.get(..2)?)?], 4)),
            b'u' => unicode(code),
            _ => None,
        }
    })
}

/// Decodes `\uXXXX`, or a surrogate pair.
fn unicode(code: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = number(code.get(..4)?, 16)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char.to_string().into_bytes(), 6));
    }
    let second = number(code.get(4..)?.strip_prefix(b"\\u")?.get(..4)?, 16)?;
    let char = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]).next()?.ok()?;
    Some((char.to_string().into_bytes(), 12))
}

/// `&amp;`, `&#38;`, `&#x26;`, as in HTML and XML.
fn html(view: &View) -> Option<View> {
    /// The longest that is decoded: `&#x10ffff;`.
    const LONGEST: usize = 10;
    decoded(view, |rest| {
        let [b'&', code @ ..] = rest else { return None };
        let end = code.iter().take(LONGEST - 1).position(|byte| *byte == b';')?;
        let char = match &code[..end] {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            b"apos" => '\'',
            [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
            [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
            _ => return None,
        };
        Some((char.to_string().into_bytes(), end + 2))
    })
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    let add = |number: u32, digit: &u8| number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?);
    digits.iter().try_fold(0, add)
}

fn byte(digits: &[u8]) -> Option<u8> {
    u8::try_from(number(digits, 16)?).ok()
}

/// Decodes the sequences that `decode` knows: it returns their bytes and their length. All other bytes stay.
fn decoded(view: &View, decode: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Option<View> {
    let mut new = View { bytes: Vec::new(), places: Vec::new(), ..*view };
    let (mut at, mut is_new) = (0, false);
    while at < view.bytes.len() {
        match decode(&view.bytes[at..]) {
            Some((bytes, length)) => {
                new.push(&bytes, (view.places[at].0, view.places[at + length - 1].1));
                (at, is_new) = (at + length, true);
            }
            None => {
                new.push(&view.bytes[at..=at], view.places[at]);
                at += 1;
            }
        }
    }
    is_new.then_some(new)
}

/// The bits of a base64 or base64url digit.
fn base64_digit(byte: u8) -> Option<u32> {
    let bits = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(bits.into())
}

/// Shows the decoded runs of digits: base64 or hexadecimal ones, with so many bits each. A value may begin anywhere in a longer
/// encoded text, and a run may begin within a byte, so each is decoded after each number of bits that may be the rest of a byte.
/// A line's end does not end a run: encoders break lines, at 60 to 76 digits.
fn visit_runs(
    view: &View,
    digit: impl Fn(u8) -> Option<u32>,
    (bits, skips): (u32, &[u32]),
    look: &mut impl FnMut(&View) -> Option<()>,
) -> Option<()> {
    /// The digits of the shortest piece that is looked for.
    const SHORTEST_RUN: usize = 6;
    let mut run: Vec<(u32, Place)> = Vec::new();
    let (mut at, mut run_start) = (0, 0);
    while at <= view.bytes.len() {
        if let Some(value) = view.bytes.get(at).copied().and_then(&digit) {
            if run.is_empty() {
                run_start = at;
            }
            run.push((value, view.places[at]));
            at += 1;
            continue;
        }
        let after = at + view.bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let is_line_end = !run.is_empty() && view.bytes[at..after].contains(&b'\n');
        if is_line_end && view.bytes.get(after).copied().and_then(&digit).is_some() {
            at = after;
            continue;
        }
        if run.len() >= SHORTEST_RUN {
            let is_cut = |bytes: &[u8]| bytes.starts_with("…".as_bytes()) || bytes.starts_with(b"...");
            let begins =
                if run_start == 0 { view.at_start } else { is_cut(&view.bytes[run_start.saturating_sub(3)..]) };
            let ends = if after == view.bytes.len() { view.at_end } else { is_cut(&view.bytes[after..]) };
            let edges = (begins, ends);
            skips.iter().try_for_each(|skip| look(&decoded_run(&run, bits, *skip, edges)))?;
        }
        run.clear();
        at = after.max(at + 1);
    }
    Some(())
}

fn decoded_run(digits: &[(u32, Place)], bits: u32, mut skip: u32, (at_start, at_end): (bool, bool)) -> View {
    let mut view = View { at_start, at_end, only_long: true, ..View::default() };
    let (mut buffer, mut filled) = (0_u32, 0_u32);
    // A digit that a byte shares with the one before is not a part of its place: the neighbour of a secret stays whole.
    let mut began = None;
    for (value, place) in digits {
        buffer = (buffer << bits | value) & 0xffff;
        filled += bits;
        let skipped = skip.min(filled);
        (skip, filled) = (skip - skipped, filled - skipped);
        if skipped > 0 {
            continue;
        }
        let start = *began.get_or_insert(place.0);
        if filled >= 8 {
            filled -= 8;
            view.push(&[(buffer >> filled).to_le_bytes()[0]], (start, place.1));
            began = None;
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn views(text: &str) -> Vec<View> {
        let mut views = Vec::new();
        visit(text, |view| {
            views.push(view.clone());
            Some(())
        });
        views
    }

    fn sees(text: &str, value: &[u8]) -> bool {
        views(text).iter().any(|view| view.bytes.windows(value.len()).any(|window| window == value))
    }

    #[test]
    fn each_encoding_and_two_of_them_are_decoded() {
        for text in [
            "a%26b",
            "a\\u0026b",
            "a\\x26b",
            "a&amp;b",
            "a&#38;b",
            "a&#x26;b",
            "a%2526b",
            "a&amp;amp;b",
            "a\\\\u0026b",
            "a%5Cu0026b",
            "a\\u0026amp;b",
            "a&#37;26b",
        ] {
            assert!(sees(text, b"a&b"), "{text}");
        }
        assert!(sees("a+b", b"a b") && sees("a\\ud83d\\ude00b", "a😀b".as_bytes()));
    }

    #[test]
    fn places_of_decoded_bytes_are_those_of_their_codes() {
        let view = percent(&View::plain("a%26b")).unwrap();
        assert_eq!(view.places, [(0, 1), (1, 4), (4, 5)]);
        let run = views("QUJD\n  REVG").into_iter().find(|view| view.only_long).unwrap();
        assert_eq!((run.bytes.as_slice(), run.places[2], run.places[3]), (&b"ABCDEF"[..], (3, 4), (7, 9)));
    }

    #[test]
    fn encoded_lines_are_joined() {
        let value = "correct-horse-battery-staple".repeat(8);
        let encoded = STANDARD.encode(format!("user:{value}"));
        for (width, end) in [(76, "\n"), (64, "\r\n"), (60, "\\n"), (20, "\n    ")] {
            let lines: Vec<_> = encoded.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect();
            assert!(sees(&format!("data: {}\n", lines.join(end)), value.as_bytes()), "{width} {end:?}");
        }
        let digits: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<_> = digits.as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line)).collect();
        assert!(sees(&lines.join("\n"), value.as_bytes()));
    }

    #[test]
    fn damaged_codes_stay() {
        for text in ["%", "%2", "%zz", "\\", "\\u12", "\\ud83d", "&", "&#;", "&#x110000;", "&nbsp;", "100%"] {
            assert!(views(text).iter().all(|view| view.only_long || view.bytes == text.as_bytes()), "{text}");
        }
    }
}

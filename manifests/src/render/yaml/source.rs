//! The text of a file, prepared for the parser: what `envsubst` and kubectl take and YAML does not.

use std::borrow::Cow;

use crate::render::substitute::{Reference, next_reference};

/// Characters for private use: they stand for the braces of `${NAME}` while the text is parsed.
const OPEN: char = '\u{f8e0}';
const CLOSE: char = '\u{f8e1}';

/// A text for the parser. Its lines are those of the file.
pub(super) struct Source<'a> {
    text: Cow<'a, str>,
    has_hidden_braces: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = match without_byte_order_marks(text) {
            Cow::Borrowed(text) => separate_json_objects(text),
            Cow::Owned(text) => Cow::Owned(separate_json_objects(&text).into_owned()),
        };
        match hide_braces(&text) {
            Some(hidden) => Self { text: Cow::Owned(hidden), has_hidden_braces: true },
            None => Self { text, has_hidden_braces: false },
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A scalar of the text as the file has it.
    pub(super) fn reveal(&self, scalar: &str) -> String {
        match self.has_hidden_braces {
            true => scalar.replace(OPEN, "{").replace(CLOSE, "}"),
            false => scalar.to_owned(),
        }
    }
}

/// The text with other characters for the braces of each `${NAME}`; `None` if it has none.
///
/// `envsubst` replaces a name before kubectl parses, so `{app: ${NAME}}` is YAML to them. Variables are replaced here in the
/// parsed text, since a value must not become syntax.
fn hide_braces(text: &str) -> Option<String> {
    if !text.contains("${") || text.contains([OPEN, CLOSE]) {
        return None;
    }
    let (mut hidden, mut rest) = (String::with_capacity(text.len() + 64), text);
    while let Some(Reference { range, name }) = next_reference(rest) {
        hidden.push_str(&rest[..range.start]);
        match &rest[range.clone()] {
            braced if braced.ends_with('}') => hidden.push_str(&format!("${OPEN}{name}{CLOSE}")),
            plain => hidden.push_str(plain),
        }
        rest = &rest[range.end..];
    }
    hidden.push_str(rest);
    Some(hidden)
}

/// A text without the byte order marks at the beginning of its documents. They come from files that were joined.
fn without_byte_order_marks(text: &str) -> Cow<'_, str> {
    const MARK: char = '\u{feff}';
    let text = text.trim_start_matches(MARK);
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut begins = false;
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        clean.push_str(if begins { line.trim_start_matches(MARK) } else { line });
        begins = line.starts_with("---");
    }
    Cow::Owned(clean)
}

/// A text in which each JSON object after the first begins a document. kubectl takes them one after the other, as `jq -c`
/// writes them.
fn separate_json_objects(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('{') {
        return Cow::Borrowed(text);
    }
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut separated = String::new();
    let mut begin = 0;
    while let Some(Ok(_)) = objects.next() {
        let end = objects.byte_offset();
        let gap = text[end..].len() - text[end..].trim_start().len();
        if !text[end + gap..].starts_with('{') {
            break;
        }
        separated.push_str(&text[begin..end + gap]);
        // A marker is at the beginning of a line. Line numbers stay right where the objects are on lines of their own.
        let last_line = separated.rfind('\n').map_or(0, |index| index + 1);
        match separated[last_line..].trim().is_empty() {
            true => separated.truncate(last_line),
            false => separated.push('\n'),
        }
        separated.push_str("--- ");
        begin = end + gap;
    }
    if begin == 0 {
        return Cow::Borrowed(text);
    }
    separated.push_str(&text[begin..]);
    Cow::Owned(separated)
}

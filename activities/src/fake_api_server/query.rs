//! The parameters of a list or a watch.

use serde_json::Value;

/// The parameters that the fake API server knows. It ignores field selectors other than the name.
#[derive(Default)]
pub(super) struct Query<'a> {
    pub(super) watch: bool,
    /// True if the watch begins with all objects.
    pub(super) initial_events: bool,
    /// The client's version. Zero without one.
    pub(super) revision: u64,
    /// The name that the field selector selects.
    pub(super) name: Option<&'a str>,
    /// The labels that the label selector selects, each with its value, or with none for any.
    labels: Vec<(String, Option<String>)>,
}

impl<'a> Query<'a> {
    /// Returns the parameters of a query.
    pub(super) fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "watch" => parsed.watch = value == "true",
                "sendInitialEvents" => parsed.initial_events = value == "true",
                "resourceVersion" => parsed.revision = value.parse().unwrap(),
                "fieldSelector" => parsed.name = value.strip_prefix("metadata.name%3D"),
                "labelSelector" => parsed.labels = label_selector(&decoded(value)),
                _ => {}
            }
        }
        parsed
    }

    pub(super) fn selects(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let has = |(key, value): &(String, Option<String>)| {
            let found = metadata["labels"][key.as_str()].as_str();
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.name.is_none_or(|name| metadata["name"] == name) && self.labels.iter().all(has)
    }
}

/// Returns the terms of a label selector.
///
/// # Panics
/// A term is neither `key` nor `key=value`.
fn label_selector(selector: &str) -> Vec<(String, Option<String>)> {
    let term = |term: &str| {
        assert!(!term.contains(['!', '(', ' ']), "the label selector {selector} is not implemented");
        match term.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (term.to_owned(), None),
        }
    };
    selector.split(',').map(term).collect()
}

/// Decodes `%2F` and the like.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |decoded, part| {
        let (code, rest) = part.split_at(2);
        let byte = u8::from_str_radix(code, 16).unwrap();
        decoded + &char::from(byte).to_string() + rest
    })
}

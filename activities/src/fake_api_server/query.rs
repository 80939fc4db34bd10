//! The parameters of a list or a watch.

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
}

impl<'a> Query<'a> {
    /// Returns the parameters of a query.
    ///
    /// # Panics
    /// The query has a label selector: an answer that ignores it would be wrong.
    pub(super) fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "watch" => parsed.watch = value == "true",
                "sendInitialEvents" => parsed.initial_events = value == "true",
                "resourceVersion" => parsed.revision = value.parse().unwrap(),
                "fieldSelector" => parsed.name = value.strip_prefix("metadata.name%3D"),
                "labelSelector" => panic!("label selectors are not implemented: {query}"),
                _ => {}
            }
        }
        parsed
    }
}

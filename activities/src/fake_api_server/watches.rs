//! The open watches of the fake API server.

use futures::{Stream, channel::mpsc};
use hyper::body::Bytes;
use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Watches {
    open: Vec<Watch>,
    /// Watches over broken connections: open, and silent for ever.
    silent: Vec<Watch>,
}

struct Watch {
    collection: String,
    /// The only name that is watched, or none for all.
    name: Option<String>,
    sender: mpsc::UnboundedSender<Bytes>,
}

impl Watches {
    /// Opens a watch that begins with these events.
    pub(super) fn open(
        &mut self,
        collection: &str,
        name: Option<&str>,
        first: &[Value],
    ) -> impl Stream<Item = Bytes> + use<> {
        let (sender, receiver) = mpsc::unbounded();
        let watch = Watch { collection: collection.to_owned(), name: name.map(str::to_owned), sender };
        first.iter().for_each(|event| watch.send(event));
        self.open.push(watch);
        receiver
    }

    /// Sends a change of an object to the watches that select it.
    pub(super) fn report(&self, collection: &str, change: &str, object: &Value) {
        let selects = |watch: &Watch| {
            watch.collection == collection
                && watch.name.as_ref().is_none_or(|name| object["metadata"]["name"] == **name)
        };
        for watch in self.open.iter().filter(|watch| selects(watch)) {
            watch.send(&event(change, object));
        }
    }

    pub(super) fn is_open(&self, collection: &str) -> bool {
        self.open.iter().any(|watch| watch.collection == collection)
    }

    /// Makes the open watches silent, without an end.
    pub(super) fn silence(&mut self) {
        self.silent.append(&mut self.open);
    }

    pub(super) fn end(&mut self) {
        self.open.clear();
    }
}

impl Watch {
    fn send(&self, event: &Value) {
        // A closed watch needs no event.
        _ = self.sender.unbounded_send(Bytes::from(format!("{event}\n")));
    }
}

pub(super) fn event(change: &str, object: &Value) -> Value {
    json!({"type": change, "object": object})
}

/// Returns the event that ends a streaming list.
pub(super) fn initial_events_end(revision: u64) -> Value {
    let metadata =
        json!({"resourceVersion": revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}});
    event("BOOKMARK", &json!({"apiVersion": "v1", "kind": "Any", "metadata": metadata}))
}

//! The objects of the fake API server, and their watches.

use std::collections::BTreeMap;

use futures::Stream;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{
    query::Query,
    watches::{Watches, event, initial_events_end},
};

#[derive(Default)]
pub(super) struct Objects {
    /// The objects by collection path, then by name.
    collections: BTreeMap<String, BTreeMap<String, Value>>,
    revision: u64,
    pub(super) watches: Watches,
}

impl Objects {
    pub(super) fn get(&self, collection: &str, name: &str) -> Option<&Value> {
        self.collections.get(collection)?.get(name)
    }

    /// Creates or changes an object, and returns it with its new version.
    pub(super) fn put(&mut self, collection: &str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let objects = self.collections.entry(collection.to_owned()).or_default();
        let known = objects.insert(name(&object).to_owned(), object.clone());
        self.watches.report(collection, if known.is_some() { "MODIFIED" } else { "ADDED" }, &object);
        object
    }

    pub(super) fn remove(&mut self, collection: &str, name: &str) -> Option<Value> {
        let mut object = self.collections.get_mut(collection)?.remove(name)?;
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.watches.report(collection, "DELETED", &object);
        Some(object)
    }

    /// Returns the paths of the objects that begin so.
    pub(super) fn below(&self, path: &str) -> Vec<String> {
        let paths = self
            .collections
            .iter()
            .flat_map(|(collection, objects)| objects.keys().map(move |name| format!("{collection}/{name}")));
        paths.filter(|key| key.starts_with(path)).collect()
    }

    pub(super) fn list(&self, collection: &str, query: &Query<'_>) -> Value {
        let items: Vec<_> = self.selected(collection, query).collect();
        json!({"metadata": {"resourceVersion": self.revision.to_string()}, "items": items})
    }

    /// Streams changes. It begins with all objects if the client asks for them, else with changes since the client's
    /// version.
    pub(super) fn watch(&mut self, collection: &str, query: &Query<'_>) -> impl Stream<Item = Bytes> + use<> {
        let selected = self.selected(collection, query);
        let first: Vec<_> = if query.initial_events {
            selected.map(|object| event("ADDED", object)).chain([initial_events_end(self.revision)]).collect()
        } else {
            let missed = selected.filter(|object| revision(object) > query.revision);
            missed.map(|object| event("MODIFIED", object)).collect()
        };
        self.watches.open(collection, query.name, &first)
    }

    fn selected(&self, collection: &str, query: &Query<'_>) -> impl Iterator<Item = &Value> {
        let objects = self.collections.get(collection).into_iter().flat_map(BTreeMap::values);
        objects.filter(|object| query.name.is_none_or(|selected| name(object) == selected))
    }
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

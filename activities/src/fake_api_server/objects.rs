//! The objects of the fake API server, and their watches.

use std::collections::BTreeMap;

use futures::Stream;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{
    apply::{applied, created},
    query::Query,
    watches::{Watches, event, initial_events_end},
};

#[derive(Default)]
pub(super) struct Objects {
    /// The objects by collection path, then by name.
    collections: BTreeMap<String, BTreeMap<String, Value>>,
    /// The fields of the last apply of each object, by collection path and name.
    fields: BTreeMap<(String, String), Value>,
    /// The removed objects, each with its collection path and its last version.
    removed: Vec<(String, Value)>,
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

    /// Creates an object, and returns it.
    pub(super) fn create(&mut self, collection: &str, object: Value) -> Value {
        let object = created(object, &self.next_uid());
        self.put(collection, object)
    }

    /// Returns the object after an apply of these fields, without storing it.
    pub(super) fn dry_run(&self, collection: &str, name: &str, fields: &Value) -> Value {
        let last = self.fields.get(&(collection.to_owned(), name.to_owned()));
        applied(self.get(collection, name), last, fields, &self.next_uid())
    }

    /// Applies fields to an object, and returns it. An apply that changes nothing keeps the version.
    pub(super) fn apply(&mut self, collection: &str, name: &str, fields: &Value) -> Value {
        let object = self.dry_run(collection, name, fields);
        self.fields.insert((collection.to_owned(), name.to_owned()), fields.clone());
        match self.get(collection, name) {
            Some(before) if *before == object => object,
            _ => self.put(collection, object),
        }
    }

    fn next_uid(&self) -> String {
        format!("uid-{}", self.revision + 1)
    }

    pub(super) fn remove(&mut self, collection: &str, name: &str) -> Option<Value> {
        let mut object = self.collections.get_mut(collection)?.remove(name)?;
        self.fields.remove(&(collection.to_owned(), name.to_owned()));
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.watches.report(collection, "DELETED", &object);
        self.removed.push((collection.to_owned(), object.clone()));
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
            let removed = self.removed.iter().filter(|(path, object)| path == collection && query.selects(object));
            let removed = removed.map(|(_, object)| ("DELETED", object));
            let changes = removed.chain(selected.map(|object| ("MODIFIED", object)));
            let mut missed: Vec<_> = changes.filter(|(_, object)| revision(object) > query.revision).collect();
            missed.sort_by_key(|(_, object)| revision(object));
            missed.into_iter().map(|(change, object)| event(change, object)).collect()
        };
        self.watches.open(collection, query.name, &first)
    }

    fn selected(&self, collection: &str, query: &Query<'_>) -> impl Iterator<Item = &Value> {
        let objects = self.collections.get(collection).into_iter().flat_map(BTreeMap::values);
        objects.filter(|object| query.selects(object))
    }
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_goes_when_an_apply_drops_it() {
        let mut objects = Objects::default();
        let first = json!({"metadata": {"name": "a"}, "data": {"OURS": "1", "DROPPED": "2"}});
        objects.apply("configmaps", "a", &first);
        let mut live = objects.get("configmaps", "a").unwrap().clone();
        live["data"]["THEIRS"] = json!("3");
        objects.put("configmaps", live);
        let second = json!({"metadata": {"name": "a"}, "data": {"OURS": "4"}});
        objects.apply("configmaps", "a", &second);
        assert_eq!(objects.get("configmaps", "a").unwrap()["data"], json!({"OURS": "4", "THEIRS": "3"}));
    }

    #[test]
    fn version_stays_when_an_apply_changes_nothing() {
        let mut objects = Objects::default();
        let fields = json!({"metadata": {"name": "a"}, "spec": {"replicas": 1}});
        let first = objects.apply("deployments", "a", &fields);
        assert_eq!(objects.apply("deployments", "a", &fields), first);
        let more = json!({"metadata": {"name": "a"}, "spec": {"replicas": 2}});
        let second = objects.apply("deployments", "a", &more);
        assert_ne!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
        assert_eq!((&first["metadata"]["generation"], &second["metadata"]["generation"]), (&json!(1), &json!(2)));
    }
}

//! The state of the fake API server, and its answer to a request.

use std::collections::BTreeMap;

use http::{Response, header::CONTENT_TYPE, request::Parts};
use serde_json::Value;

use super::{
    objects::{self, Objects},
    path::{Resource, resource},
    query::Query,
    response::{ResponseBody, answer, refuse, stream},
};

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: Objects,
    /// Answers by path: the status and the body.
    pub(super) answers: BTreeMap<String, (u16, String)>,
    /// Refusals by method and path: the status, and how often.
    pub(super) refusals: BTreeMap<String, (u16, usize)>,
    /// The requests in order, as `METHOD /path?query`.
    pub(super) requests: Vec<String>,
    pub(super) no_streaming_lists: bool,
}

impl State {
    /// Answers a request.
    ///
    /// # Panics
    /// The method or the path is unknown.
    pub(super) fn respond(&mut self, head: &Parts, body: &[u8]) -> Response<ResponseBody> {
        let path = head.uri.path();
        let request = format!("{} {path}", head.method);
        self.requests.push(format!("{} {}", head.method, head.uri));
        if let Some((status, times)) = self.refusals.get_mut(&request).filter(|(_, times)| *times > 0) {
            *times -= 1;
            return refuse(*status, "refused by the test");
        }
        if let Some((status, body)) = self.answers.get(path) {
            return answer(*status, body);
        }
        match (head.method.as_str(), resource(path)) {
            ("GET", Some(Resource::Collection)) => self.read(path, &Query::parse(head.uri.query().unwrap_or_default())),
            ("GET", Some(Resource::Object { collection, name })) => found(self.objects.get(collection, name)),
            ("GET", Some(Resource::Subresource)) => found(None),
            ("DELETE", Some(Resource::Object { collection, name })) => {
                found(self.objects.remove(collection, name).as_ref())
            }
            ("POST", Some(Resource::Collection)) => self.create(path, parse(body)),
            ("PATCH", Some(Resource::Object { collection, name })) if is_apply(head) => {
                self.apply(collection, name, parse(body))
            }
            ("PATCH", Some(Resource::Object { collection, name })) if is_merge(head) => {
                self.merge(collection, name, &parse(body))
            }
            ("PUT", Some(Resource::Object { collection, name })) => self.replace(collection, name, parse(body)),
            _ => panic!("{request}"),
        }
    }

    /// Merges a patch into an object.
    fn merge(&mut self, collection: &str, name: &str, patch: &Value) -> Response<ResponseBody> {
        let Some(mut object) = self.objects.get(collection, name).cloned() else { return found(None) };
        merge(&mut object, patch);
        answer(200, self.objects.put(collection, object))
    }

    /// Replaces an object of the version that it names.
    fn replace(&mut self, collection: &str, name: &str, object: Value) -> Response<ResponseBody> {
        let Some(before) = self.objects.get(collection, name) else { return found(None) };
        if before["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return refuse(409, "conflict");
        }
        answer(200, self.objects.put(collection, object))
    }

    /// Lists or watches a collection.
    fn read(&mut self, collection: &str, query: &Query<'_>) -> Response<ResponseBody> {
        if query.initial_events && self.no_streaming_lists {
            let message = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            return refuse(422, message);
        }
        if query.watch {
            return stream(self.objects.watch(collection, query));
        }
        answer(200, self.objects.list(collection, query))
    }

    /// Creates an object. An existing one is a conflict.
    fn create(&mut self, collection: &str, object: Value) -> Response<ResponseBody> {
        match self.objects.get(collection, objects::name(&object)) {
            Some(_) => refuse(409, "conflict"),
            None => answer(201, self.objects.put(collection, object)),
        }
    }

    /// Creates or replaces an object. An outdated version is a conflict.
    fn apply(&mut self, collection: &str, name: &str, mut object: Value) -> Response<ResponseBody> {
        assert_eq!(objects::name(&object), name);
        let before = self.objects.get(collection, name);
        let known = &object["metadata"]["resourceVersion"];
        if !known.is_null() && before.map(|before| &before["metadata"]["resourceVersion"]) != Some(known) {
            return refuse(409, "conflict");
        }
        let status = if before.is_some() { 200 } else { 201 };
        if let Some(before) = before {
            object["metadata"]["creationTimestamp"] = before["metadata"]["creationTimestamp"].clone();
        }
        answer(status, self.objects.put(collection, object))
    }
}

fn found(object: Option<&Value>) -> Response<ResponseBody> {
    object.map_or_else(|| refuse(404, "not found"), |object| answer(200, object))
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn is_apply(head: &Parts) -> bool {
    has_content(head, "application/apply-patch+yaml")
}

fn is_merge(head: &Parts) -> bool {
    has_content(head, "application/merge-patch+json")
}

fn has_content(head: &Parts, kind: &str) -> bool {
    head.headers.get(CONTENT_TYPE).is_some_and(|content| content == kind)
}

/// Merges a patch by the rules of RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.as_str()).or_insert(Value::Null), value);
        }
    }
}

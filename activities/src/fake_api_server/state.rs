//! The state of the fake API server, and its answer to a request.

use std::collections::BTreeMap;

use http::{Response, header::CONTENT_TYPE, request::Parts};
use serde_json::{Value, json};

use super::{
    objects::{self, Objects},
    path::{Resource, resource},
    query::Query,
    response::{ResponseBody, answer, refuse, stream, warned},
};

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: Objects,
    /// Answers by path: the status and the body.
    pub(super) answers: BTreeMap<String, (u16, String)>,
    /// Refusals by method and path.
    pub(super) refusals: BTreeMap<String, Refusal>,
    /// Texts of `Warning` headers by method and path.
    pub(super) warnings: BTreeMap<String, Vec<String>>,
    /// The requests in order, as `METHOD /path?query`, or `DRY-RUN METHOD /path?query`.
    pub(super) requests: Vec<String>,
    pub(super) no_streaming_lists: bool,
    /// Writes of another client, each just before a request: by method and path, the collection and the object.
    pub(super) races: BTreeMap<String, (String, Value)>,
    pub(super) stalled: Option<Stalled>,
}

/// The requests that are not answered.
pub(super) enum Stalled {
    Everything,
    /// Requests whose path ends so.
    Requests(&'static str),
}

/// The refusal of a request.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// How often it is given.
    pub(super) times: usize,
}

impl State {
    /// Stops answering. Open watches become silent if nothing is answered.
    pub(super) fn stall(&mut self, stalled: Stalled) {
        if matches!(stalled, Stalled::Everything) {
            self.objects.watches.silence();
        }
        self.stalled = Some(stalled);
    }

    /// Records a request, and returns whether it is never answered.
    pub(super) fn stalls(&mut self, head: &Parts) -> bool {
        let stalls = match self.stalled {
            None => false,
            Some(Stalled::Everything) => true,
            Some(Stalled::Requests(path_end)) => head.uri.path().ends_with(path_end),
        };
        if stalls {
            self.requests.push(format!("{} {}", head.method, head.uri));
        }
        stalls
    }

    /// Answers a request.
    ///
    /// # Panics
    /// The method or the path is unknown.
    pub(super) fn respond(&mut self, head: &Parts, body: &[u8]) -> Response<ResponseBody> {
        let path = head.uri.path();
        let dry_run = head.uri.query().is_some_and(|query| query.contains("dryRun=All"));
        let mode = if dry_run { "DRY-RUN " } else { "" };
        let request = format!("{mode}{} {path}", head.method);
        self.requests.push(format!("{mode}{} {}", head.method, head.uri));
        if let Some((collection, object)) = self.races.remove(&request) {
            self.objects.put(&collection, object);
        }
        if let Some(refusal) = self.refusals.get_mut(&request).filter(|refusal| refusal.times > 0) {
            refusal.times -= 1;
            return refuse(refusal.status, &refusal.message);
        }
        if let Some((status, body)) = self.answers.get(path) {
            return answer(*status, body);
        }
        match (head.method.as_str(), resource(path)) {
            ("GET", Some(Resource::Collection)) => self.read(path, &Query::parse(head.uri.query().unwrap_or_default())),
            ("GET", Some(Resource::Object { collection, name })) => found(self.objects.get(collection, name)),
            ("GET", Some(Resource::Subresource)) => found(None),
            ("DELETE", Some(Resource::Object { collection, name })) => self.delete(collection, name, &options(body)),
            ("POST", Some(Resource::Collection)) if !dry_run => self.create(path, parse(body)),
            ("PATCH", Some(Resource::Object { collection, name })) if is_apply(head) => {
                self.apply(collection, name, parse(body), dry_run)
            }
            ("PATCH", Some(Resource::Object { collection, name })) if is_merge(head) => {
                let answer = self.merge(collection, name, &parse(body), dry_run);
                warned(answer, self.warnings.get(&request))
            }
            _ => panic!("{request}"),
        }
    }

    /// Merges a patch into an object. An outdated version is a conflict.
    fn merge(&mut self, collection: &str, name: &str, patch: &Value, dry_run: bool) -> Response<ResponseBody> {
        let Some(mut object) = self.objects.get(collection, name).cloned() else { return found(None) };
        let known = &patch["metadata"]["resourceVersion"];
        if !known.is_null() && *known != object["metadata"]["resourceVersion"] {
            return refuse(409, "conflict");
        }
        merge(&mut object, patch);
        answer(200, if dry_run { object } else { self.objects.put(collection, object) })
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
            None => answer(201, self.objects.create(collection, object)),
        }
    }

    /// Applies an object. An outdated version is a conflict. Where there is no object, the version is not compared, as in
    /// Kubernetes.
    fn apply(&mut self, collection: &str, name: &str, mut fields: Value, dry_run: bool) -> Response<ResponseBody> {
        assert_eq!(objects::name(&fields), name);
        let known = fields["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let before = self.objects.get(collection, name).map(|before| &before["metadata"]["resourceVersion"]);
        if known.as_ref().is_some_and(|known| before.is_some_and(|before| before != known)) {
            return refuse(409, "conflict");
        }
        let status = if before.is_some() { 200 } else { 201 };
        if dry_run {
            return answer(status, self.objects.dry_run(collection, name, &fields));
        }
        answer(status, self.objects.apply(collection, name, &fields))
    }

    /// Deletes an object. In the foreground it is only marked: the test removes it, in place of the garbage collector.
    fn delete(&mut self, collection: &str, name: &str, options: &Value) -> Response<ResponseBody> {
        let Some(object) = self.objects.get(collection, name) else { return found(None) };
        let uid = &options["preconditions"]["uid"];
        if !uid.is_null() && *uid != object["metadata"]["uid"] {
            return refuse(409, "the UID in the precondition does not match");
        }
        let version = &options["preconditions"]["resourceVersion"];
        if !version.is_null() && *version != object["metadata"]["resourceVersion"] {
            return refuse(409, "the ResourceVersion in the precondition does not match");
        }
        if options["propagationPolicy"] != "Foreground" {
            return found(self.objects.remove(collection, name).as_ref());
        }
        let mut object = object.clone();
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
        answer(200, self.objects.put(collection, object))
    }
}

fn found(object: Option<&Value>) -> Response<ResponseBody> {
    object.map_or_else(|| refuse(404, "not found"), |object| answer(200, object))
}

/// Returns the options of a delete. They are optional.
fn options(body: &[u8]) -> Value {
    if body.is_empty() { Value::Null } else { parse(body) }
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

//! A fake API server inside the test. It lists and watches the objects that it is given, and gives the answers that it
//! is told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{StreamExt, channel::mpsc};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};

type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// A handle. Its clones share one server.
#[derive(Clone, Default)]
pub(crate) struct FakeApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The objects by collection path, then by name.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    answers: BTreeMap<String, (u16, String)>,
    requests: Vec<String>,
    revision: u64,
    no_streaming_lists: bool,
}

impl FakeApiServer {
    /// A client of this server.
    pub(crate) fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let response = server.state().respond(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        kube::Client::new(service, "default")
    }

    /// Creates or changes an object of a collection (`/apis/apps/v1/namespaces/pr-1/deployments`).
    pub(crate) fn put(&self, collection: &str, object: &Value) {
        let mut state = self.state();
        state.revision += 1;
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = json!(state.revision.to_string());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let known = state.objects.entry(collection.to_owned()).or_default().insert(name, object.clone());
        let event = if known.is_some() { "MODIFIED" } else { "ADDED" };
        state.tell(collection, &json!({"type": event, "object": object}));
    }

    /// Sets the answer to exactly this path, without its query. It wins over objects.
    pub(crate) fn answer(&self, path: &str, status: u16, body: impl ToString) {
        self.state().answers.insert(path.to_owned(), (status, body.to_string()));
    }

    /// Removes the answer to the path.
    pub(crate) fn forget_answer(&self, path: &str) {
        self.state().answers.remove(path);
    }

    /// Ends every open watch, as a restarting API server does.
    pub(crate) fn end_watches(&self) {
        self.state().watches.clear();
    }

    /// Refuses streaming lists, as an older API server does.
    pub(crate) fn without_streaming_lists(self) -> Self {
        self.state().no_streaming_lists = true;
        self
    }

    /// The requests in order, as `GET /path?query`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn respond(&mut self, request: &Request<Body>) -> Response<ResponseBody> {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        self.requests.push(format!("{} {}", request.method(), request.uri()));
        if let Some((status, body)) = self.answers.get(path) {
            return answer(*status, body.clone());
        }
        if query.contains("sendInitialEvents=true") && self.no_streaming_lists {
            return refuse(
                422,
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            );
        }
        if query.contains("watch=true") {
            return self.watch(path, query);
        }
        if let Some((collection, name)) = path.rsplit_once('/')
            && let Some(object) = self.objects.get(collection).and_then(|objects| objects.get(name))
        {
            return answer(200, object.to_string());
        }
        let is_collection = self.objects.contains_key(path)
            || !path.contains("/namespaces/")
            || path.split('/').rev().nth(1) == Some("pr-1");
        if !is_collection {
            return refuse(404, "not found");
        }
        let items: Vec<_> = self.objects.get(path).into_iter().flat_map(BTreeMap::values).collect();
        let list = json!({"metadata": {"resourceVersion": self.revision.to_string()}, "items": items});
        answer(200, list.to_string())
    }

    /// Streams changes. It begins with all objects if the client asks for them, else with changes since the client's
    /// version.
    fn watch(&mut self, collection: &str, query: &str) -> Response<ResponseBody> {
        let initial = query.contains("sendInitialEvents=true");
        let known: u64 = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("resourceVersion="))
            .map_or(0, |version| version.parse().unwrap());
        let (sender, receiver) = mpsc::unbounded();
        let objects = || self.objects.get(collection).into_iter().flat_map(BTreeMap::values);
        for object in objects().filter(|object| !initial && revision(object) > known) {
            send(&sender, &json!({"type": "MODIFIED", "object": object}));
        }
        self.watches.push((collection.to_owned(), sender));
        if initial {
            let objects: Vec<_> =
                self.objects.get(collection).into_iter().flat_map(BTreeMap::values).cloned().collect();
            let (_, sender) = self.watches.last().unwrap();
            for object in objects {
                send(sender, &json!({"type": "ADDED", "object": object}));
            }
            let end = json!({"resourceVersion": self.revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}});
            send(sender, &json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Any", "metadata": end}}));
        }
        Response::new(StreamBody::new(receiver.map(|line| Ok(Frame::data(line)))).boxed_unsync())
    }

    fn tell(&mut self, collection: &str, event: &Value) {
        for (_, sender) in self.watches.iter().filter(|(path, _)| path == collection) {
            send(sender, event);
        }
    }
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn send(sender: &mpsc::UnboundedSender<Bytes>, event: &Value) {
    // A closed watch needs no event.
    _ = sender.unbounded_send(Bytes::from(format!("{event}\n")));
}

fn answer(status: u16, body: String) -> Response<ResponseBody> {
    Response::builder().status(status).body(Full::from(body).boxed_unsync()).unwrap()
}

/// An API server's refusal.
fn refuse(status: u16, message: &str) -> Response<ResponseBody> {
    answer(status, status_object(status, message).to_string())
}

/// The `Status` object that comes with a refusal.
pub(crate) fn status_object(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": match code { 403 => "Forbidden", 404 => "NotFound", _ => "Invalid" }, "code": code})
}

//! A fake API server inside the test. It stores objects that are sent: Secrets to read, apply, create and delete, and
//! namespaces to watch.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{StreamExt, channel::mpsc};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};

use crate::fake_api_server::status_object;

type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// A handle. Its clones share one server.
#[derive(Clone, Default)]
pub(crate) struct Cluster(Arc<Mutex<ClusterState>>);

#[derive(Default)]
struct ClusterState {
    /// The objects by path.
    objects: BTreeMap<String, Value>,
    revision: u64,
    /// The watches by the namespace's name.
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    requests: Vec<String>,
    /// Refusals by method and path: the status, and how often.
    refusals: BTreeMap<String, (u16, usize)>,
}

impl Cluster {
    pub(crate) fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(cluster.state().respond(&head.method, &head.uri, &body))
            }
        });
        kube::Client::new(service, "default")
    }

    /// Stores an object at `/api/v1/namespaces/…`, as another client would.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state().put(path, object);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    /// Returns the paths of the objects below a path.
    pub(crate) fn below(&self, path: &str) -> Vec<String> {
        self.state().objects.keys().filter(|key| key.starts_with(path)).cloned().collect()
    }

    /// Answers `METHOD /path` with this status from now on.
    pub(crate) fn refuse(&self, request: &str, status: u16) {
        self.refuse_times(request, status, usize::MAX);
    }

    /// Answers `METHOD /path` with this status so many times.
    pub(crate) fn refuse_times(&self, request: &str, status: u16, times: usize) {
        self.state().refusals.insert(request.to_owned(), (status, times));
    }

    /// Returns the requests, as `METHOD /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Returns the requests that write, as `METHOD /path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.requests().into_iter().filter(|request| !request.starts_with("GET")).collect()
    }

    /// Returns whether a client watches namespaces.
    pub(crate) fn is_watched(&self) -> bool {
        !self.state().watches.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, ClusterState> {
        self.0.lock().unwrap()
    }
}

impl ClusterState {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        if object["kind"] == "Namespace" {
            for (_, watch) in self.watches.iter().filter(|(name, _)| object["metadata"]["name"] == **name) {
                // A closed watch needs no event.
                _ = watch.unbounded_send(event(&object));
            }
        }
        object
    }

    fn respond(&mut self, method: &Method, uri: &http::Uri, body: &[u8]) -> Response<ResponseBody> {
        let path = uri.path();
        let query = uri.query().unwrap_or_default();
        let request = format!("{method} {path}");
        self.requests.push(request.clone());
        if let Some((status, times)) = self.refusals.get_mut(&request).filter(|(_, times)| *times > 0) {
            *times -= 1;
            return answer(*status, &status_object(*status, "refused by the test"));
        }
        match (method.as_str(), path) {
            ("GET", "/api/v1/namespaces") if query.contains("watch=true") => self.watch(query),
            ("GET", "/api/v1/namespaces") => {
                let items: Vec<_> = self.objects.get(&format!("{path}/{}", selected(query))).into_iter().collect();
                answer(200, &json!({"metadata": {"resourceVersion": self.revision.to_string()}, "items": items}))
            }
            ("GET", _) => self.objects.get(path).map_or_else(not_found, |object| answer(200, object)),
            ("DELETE", _) => self.objects.remove(path).map_or_else(not_found, |object| answer(200, &object)),
            ("POST", _) => {
                let object: Value = serde_json::from_slice(body).unwrap();
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                self.store(&path, object, true)
            }
            ("PATCH", _) => self.store(path, serde_json::from_slice(body).unwrap(), false),
            _ => panic!("{request}"),
        }
    }

    /// Stores an object. Creating an existing one is a conflict, and so is an apply to an outdated version.
    fn store(&mut self, path: &str, mut object: Value, create: bool) -> Response<ResponseBody> {
        let now = self.objects.get(path).map(|found| found["metadata"]["resourceVersion"].clone());
        let known = &object["metadata"]["resourceVersion"];
        if (create && now.is_some()) || (!known.is_null() && now.as_ref() != Some(known)) {
            return answer(409, &status_object(409, "conflict"));
        }
        // The server keeps the creation time.
        if let Some(created) = self.objects.get(path).map(|found| found["metadata"]["creationTimestamp"].clone()) {
            object["metadata"]["creationTimestamp"] = created;
        }
        answer(if now.is_some() { 200 } else { 201 }, &self.put(path, object))
    }

    /// Streams changes since the client's version.
    fn watch(&mut self, query: &str) -> Response<ResponseBody> {
        let known = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion=")).unwrap();
        let known: u64 = known.parse().unwrap();
        let (sender, receiver) = mpsc::unbounded();
        let name = selected(query);
        let object = self.objects.get(&format!("/api/v1/namespaces/{name}"));
        if let Some(object) = object.filter(|object| revision(object) > known) {
            sender.unbounded_send(event(object)).unwrap();
        }
        self.watches.push((name.to_owned(), sender));
        Response::new(StreamBody::new(receiver.map(|line| Ok(Frame::data(line)))).boxed_unsync())
    }
}

/// Returns the name in the field selector.
fn selected(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("fieldSelector=metadata.name%3D")).unwrap()
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn event(object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": "MODIFIED", "object": object})))
}

fn answer(status: u16, body: &Value) -> Response<ResponseBody> {
    Response::builder().status(status).body(Full::from(body.to_string()).boxed_unsync()).unwrap()
}

fn not_found() -> Response<ResponseBody> {
    answer(404, &status_object(404, "not found"))
}

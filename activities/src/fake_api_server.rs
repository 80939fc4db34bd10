//! A fake API server inside the test. It stores the objects that tests and clients send, lists and watches them, and
//! gives the answers and refusals that it is told.
//!
//! A request that it does not know fails the test: it panics.

mod apply;
mod objects;
mod path;
mod query;
mod response;
mod state;
mod watches;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

use crate::kubernetes::time_limits::TimeLimits;
use state::{Refusal, Stalled, State};

pub(crate) use response::status_object;

/// A handle. Its clones share one server.
#[derive(Clone, Default)]
pub(crate) struct FakeApiServer(Arc<Mutex<State>>);

impl FakeApiServer {
    /// Returns a client of this server.
    pub(crate) fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                if server.state().stalls(&head) {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(server.state().respond(&head, &body))
            }
        });
        kube::Client::new(tower::ServiceBuilder::new().layer(TimeLimits::default()).service(service), "default")
    }

    /// Creates or changes an object of a collection (`/apis/apps/v1/namespaces/pr-1/deployments`), as another client
    /// would.
    pub(crate) fn put(&self, collection: &str, object: &Value) {
        self.state().objects.put(collection, object.clone());
    }

    /// Creates or changes an object as another client would, just before the next `METHOD /path`.
    pub(crate) fn put_before(&self, request: &str, collection: &str, object: &Value) {
        self.state().races.insert(request.to_owned(), (collection.to_owned(), object.clone()));
    }

    /// Returns the object at a path (`/apis/apps/v1/namespaces/pr-1/deployments/web`).
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (collection, name) = path.rsplit_once('/').unwrap();
        self.state().objects.get(collection, name).cloned()
    }

    /// Removes the object at a path, as another client would.
    pub(crate) fn remove(&self, path: &str) {
        let (collection, name) = path.rsplit_once('/').unwrap();
        self.state().objects.remove(collection, name);
    }

    /// Returns the paths of the objects that begin so.
    pub(crate) fn below(&self, path: &str) -> Vec<String> {
        self.state().objects.below(path)
    }

    /// Sets the answer to exactly this path, without its query. It wins over objects.
    pub(crate) fn answer(&self, path: &str, status: u16, body: impl ToString) {
        self.state().answers.insert(path.to_owned(), (status, body.to_string()));
    }

    /// Removes the answer to the path.
    pub(crate) fn forget_answer(&self, path: &str) {
        self.state().answers.remove(path);
    }

    /// Answers `METHOD /path` with this status from now on. The dry run of a request is `DRY-RUN METHOD /path`.
    pub(crate) fn refuse(&self, request: &str, status: u16) {
        self.refuse_times(request, status, usize::MAX);
    }

    /// Answers `METHOD /path` with this status so many times.
    pub(crate) fn refuse_times(&self, request: &str, status: u16, times: usize) {
        let message = "refused by the test".to_owned();
        self.state().refusals.insert(request.to_owned(), Refusal { status, message, times });
    }

    /// Answers `METHOD /path` with this status and message from now on.
    pub(crate) fn refuse_with(&self, request: &str, status: u16, message: &str) {
        let refusal = Refusal { status, message: message.to_owned(), times: usize::MAX };
        self.state().refusals.insert(request.to_owned(), refusal);
    }

    /// Adds `Warning` headers with these texts to the answer to the merge patch `METHOD /path`.
    pub(crate) fn warn(&self, request: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.state().warnings.insert(request.to_owned(), texts);
    }

    /// Returns whether a client watches the collection.
    pub(crate) fn is_watched(&self, collection: &str) -> bool {
        self.state().objects.watches.is_open(collection)
    }

    /// Ends every open watch, as a restarting API server does.
    pub(crate) fn end_watches(&self) {
        self.state().objects.watches.end();
    }

    /// Stops answering without closing anything: requests last for ever, and open watches are silent.
    pub(crate) fn stall(&self) {
        self.state().stall(Stalled::Everything);
    }

    /// Stops answering requests whose path ends so. Watches go on.
    pub(crate) fn stall_requests(&self, path_end: &'static str) {
        self.state().stall(Stalled::Requests(path_end));
    }

    /// Answers again. Watches that were silenced stay silent, as over a broken connection.
    pub(crate) fn recover(&self) {
        self.state().stalled = None;
    }

    /// Refuses streaming lists, as an older API server does.
    pub(crate) fn without_streaming_lists(self) -> Self {
        self.state().no_streaming_lists = true;
        self
    }

    /// Returns the requests in order, as `METHOD /path` or `DRY-RUN METHOD /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests_with_queries().into_iter();
        requests.map(|request| request.split('?').next().unwrap().to_owned()).collect()
    }

    /// Returns the requests in order, as `METHOD /path?query`.
    pub(crate) fn requests_with_queries(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Returns the requests that write, as `METHOD /path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = |request: &String| request.starts_with("GET ") || request.starts_with("DRY-RUN ");
        self.requests().into_iter().filter(|request| !reads(request)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

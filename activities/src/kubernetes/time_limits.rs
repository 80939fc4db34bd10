//! Time limits of requests to the API server. A server may stop answering without closing the connection: a lost node, a
//! moved address, a frozen process. Without a limit such a request lasts until TCP gives up, some fifteen minutes later.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, header};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep, timeout};
use tower::{BoxError, Layer, Service};

/// The limits of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// The time to connect.
    pub(super) connect: Duration,
    /// The time until a reader's response begins, and between two parts of any response.
    pub(super) read: Duration,
    /// The time until a writer's response begins.
    pub(super) write: Duration,
    /// The silence of a watch after the time at which the server ends it.
    pub(super) watch_margin: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            // Longer than the 30 s that an admission webhook may take.
            write: Duration::from_secs(35),
            watch_margin: Duration::from_secs(10),
        }
    }
}

/// The end of a server's silence.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs_f32())]
pub(crate) struct NoAnswer(Duration);

/// The limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestLimits {
    /// The time until the response begins.
    response: Duration,
    /// The time between two parts of the response. `None`: a silence says nothing.
    idle: Option<Duration>,
}

impl TimeLimits {
    fn of<B>(self, request: &Request<B>) -> RequestLimits {
        let query = request.uri().query().unwrap_or_default();
        let is = |wanted: &str| query.split('&').any(|parameter| parameter == wanted);
        let is_reader = matches!(*request.method(), Method::GET | Method::HEAD);
        let idle = if request.headers().contains_key(header::UPGRADE) || is("follow=true") {
            // A port-forward, or the log of a container that prints nothing.
            None
        } else if is("watch=true") {
            watch_seconds(query).map(|seconds| Duration::from_secs(seconds) + self.watch_margin)
        } else {
            Some(self.read)
        };
        RequestLimits { response: if is_reader { self.read } else { self.write }, idle }
    }
}

/// Returns the time after which the server ends a watch.
fn watch_seconds(query: &str) -> Option<u64> {
    query.split('&').find_map(|parameter| parameter.strip_prefix("timeoutSeconds="))?.parse().ok()
}

impl<S> Layer<S> for TimeLimits {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, limits: *self }
    }
}

/// A service with time limits.
#[derive(Debug, Clone)]
pub(crate) struct Limited<S> {
    inner: S,
    limits: TimeLimits,
}

impl<S, A, B> Service<Request<A>> for Limited<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<LimitedBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let RequestLimits { response, idle } = self.limits.of(&request);
        let answer = self.inner.call(request);
        async move {
            let answer = timeout(response, answer).await.map_err(|_| NoAnswer(response))?;
            Ok(answer.map_err(Into::into)?.map(|body| LimitedBody { body: Box::pin(body), idle, silence: None }))
        }
        .boxed()
    }
}

/// A response's body with a limit on its silences.
pub(crate) struct LimitedBody<B> {
    body: Pin<Box<B>>,
    idle: Option<Duration>,
    /// The current silence.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            this.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(idle) = this.idle else { return Poll::Pending };
        ready!(this.silence.get_or_insert_with(|| Box::pin(sleep(idle))).as_mut().poll(cx));
        Poll::Ready(Some(Err(NoAnswer(idle).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(method: Method, path: &str, upgrade: bool) -> (u64, Option<u64>) {
        let mut request = Request::builder().method(method).uri(path);
        if upgrade {
            request = request.header(header::UPGRADE, "websocket");
        }
        let RequestLimits { response, idle } = TimeLimits::default().of(&request.body(()).unwrap());
        (response.as_secs(), idle.map(|idle| idle.as_secs()))
    }

    #[test]
    fn each_kind_of_request_has_its_own_limits() {
        let pods = "/api/v1/namespaces/pr-1/pods";
        assert_eq!(limits(Method::GET, pods, false), (15, Some(15)));
        assert_eq!(limits(Method::PATCH, &format!("{pods}/web?fieldManager=berth"), false), (35, Some(15)));
        assert_eq!(limits(Method::GET, &format!("{pods}?watch=true&timeoutSeconds=55"), false), (15, Some(65)));
        assert_eq!(limits(Method::GET, &format!("{pods}/web/log?follow=true"), false), (15, None));
        assert_eq!(limits(Method::GET, &format!("{pods}/web/portforward?ports=80"), true), (15, None));
    }
}

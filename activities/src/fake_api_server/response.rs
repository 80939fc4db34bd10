//! The fake API server's responses.

use std::convert::Infallible;

use futures::{Stream, StreamExt};
use http::{HeaderValue, Response, header::WARNING};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

pub(super) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

pub(super) fn answer(status: u16, body: impl ToString) -> Response<ResponseBody> {
    Response::builder().status(status).body(Full::from(body.to_string()).boxed_unsync()).unwrap()
}

/// An API server's refusal.
pub(super) fn refuse(status: u16, message: &str) -> Response<ResponseBody> {
    answer(status, status_object(status, message))
}

/// The answer with `Warning` headers of these texts.
pub(super) fn warned(mut answer: Response<ResponseBody>, texts: Option<&Vec<String>>) -> Response<ResponseBody> {
    for text in texts.into_iter().flatten() {
        let header = format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        answer.headers_mut().append(WARNING, HeaderValue::from_str(&header).unwrap());
    }
    answer
}

/// An answer that lasts until its lines end.
pub(super) fn stream(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<ResponseBody> {
    Response::new(StreamBody::new(lines.map(|line| Ok(Frame::data(line)))).boxed_unsync())
}

/// Returns the `Status` object that comes with a refusal.
pub(crate) fn status_object(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": match code { 403 => "Forbidden", 404 => "NotFound", _ => "Invalid" }, "code": code})
}

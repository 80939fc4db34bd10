//! A request of HTTP/1.1, for webhooks and for the tests.

use anyhow::{Context as _, Result};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Request, Response, Uri, header::HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Far more than any answer has.
const LARGEST: usize = 64 << 20;

/// Sends a request to a URL of plain HTTP, and reads the whole answer.
pub(super) async fn send(request: Request<Body>) -> Result<Response<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().context("the URL has no host")?.clone();
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((authority.host(), port)).await.with_context(|| format!("reaching {authority}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(path)?;
    let (parts, body) = sender.send_request(Request::from_parts(parts, body)).await?.into_parts();
    let body = axum::body::to_bytes(Body::new(body), LARGEST).await?;
    connection.abort();
    Ok(Response::from_parts(parts, body))
}

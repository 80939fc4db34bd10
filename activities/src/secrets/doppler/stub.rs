//! A real HTTP server on this machine. It answers as Doppler or a proxy might.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::{io::AsyncWriteExt, net::TcpListener};

pub(crate) const TOKEN: &str = "dp.st.preview.canary";
pub(crate) const WORDS: &str = r#"{"messages":["Invalid Service token"],"success":false}"#;

/// An answer: status, headers and body.
#[derive(Clone, Debug)]
pub(crate) struct Answer(u16, Vec<(&'static str, String)>, String);

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self(status, Vec::new(), body.into())
    }

    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.1.push((header, value.to_owned()));
        self
    }
}

/// A server that gives its answers in turn and repeats the last one. It answers 304 if the client has the version.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) url: String,
    script: Arc<Mutex<StubScript>>,
}

#[derive(Default)]
struct StubScript {
    answers: VecDeque<Answer>,
    requests: Vec<String>,
}

impl Stub {
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        // reqwest uses the process's provider. Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = StubScript { answers: answers.into_iter().collect(), requests: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    /// Returns the requests so far: path, query, and the version that the client has.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }

    /// Replaces the remaining answers.
    pub(crate) fn answer_now(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().answers = answers.into_iter().collect();
    }
}

async fn answer(State(script): State<Arc<Mutex<StubScript>>>, request: Request) -> Response {
    assert_eq!(request.headers()["authorization"], format!("Bearer {TOKEN}"));
    let known = request.headers().get("if-none-match").map_or("", |etag| etag.to_str().unwrap());
    let mut script = script.lock().unwrap();
    script.requests.push(format!("{} {known}", request.uri()));
    let Answer(status, entries, body) = match script.answers.len() {
        1 => script.answers[0].clone(),
        _ => script.answers.pop_front().unwrap(),
    };
    let headers: HeaderMap =
        entries.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
    if headers.get("etag").is_some_and(|etag| etag == known) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

/// A server that writes these bytes and closes. Without bytes it keeps the connection open in silence.
pub(crate) async fn writing(bytes: &'static str) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        if bytes.is_empty() {
            std::future::pending::<()>().await;
        }
        stream.write_all(bytes.as_bytes()).await.unwrap();
    });
    url
}

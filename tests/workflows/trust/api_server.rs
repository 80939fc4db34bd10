//! An API server without objects, which records the writes that it is sent.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kube::{Client, Config};
use serde_json::json;
use tokio::net::TcpListener;

/// A handle. Its clones share one server.
#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<Vec<String>>>);

impl ApiServer {
    /// Starts the server, which ends with the test. Returns a client of it.
    pub(crate) async fn start(&self) -> Client {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Client::try_from(Config::new(format!("http://{address}").parse().unwrap())).unwrap()
    }

    /// Returns the writes in order, as `METHOD /path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if *method != Method::GET {
        server.0.lock().unwrap().push(format!("{method} {path}"));
        return status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    }
    if path.ends_with("/secrets") {
        return Json(json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []})).into_response();
    }
    status(StatusCode::NOT_FOUND, "NotFound")
}

fn status(code: StatusCode, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "nothing is stored here", "reason": reason, "code": code.as_u16()});
    (code, Json(status)).into_response()
}

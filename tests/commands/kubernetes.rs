//! An API server with what `berth production plan` and `history` read, and a kubeconfig for it.

use std::{fs, path::PathBuf};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

/// The running server. Dropped, it ends.
pub(crate) struct Kubernetes {
    folder: TempDir,
    server: JoinHandle<()>,
}

impl Kubernetes {
    /// Serves these objects, each under its path. Any other path is forbidden.
    pub(crate) async fn with(objects: impl IntoIterator<Item = (String, Value)>) -> Self {
        let objects: Vec<_> = objects.into_iter().collect();
        let answer = move |uri: Uri, headers: HeaderMap| async move {
            let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            // Whole Secrets would be megabytes: a list asks for metadata alone.
            let accepts = headers.get("accept").map_or("", |accepts| accepts.to_str().unwrap());
            let wants_metadata = accepts.contains("PartialObjectMetadataList");
            let found = objects.iter().find(|(known, _)| *known == path);
            match found.filter(|(known, _)| known.contains('?') == wants_metadata) {
                Some((_, object)) => (StatusCode::OK, Json(object.clone())),
                None => (StatusCode::FORBIDDEN, Json(forbidden(&path))),
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "test", "user": {}}],
        });
        fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        Self { folder, server }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("config")
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn forbidden(path: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": format!("{path} is forbidden")})
}

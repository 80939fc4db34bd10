//! The requests that GitHub and its jobs send to `berth hooks`.

use std::{fs, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use berth_lab::github::GithubServer;
use berth_test_support::{HOOKS_PATIENCE, HooksProcess, HooksServed};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde_json::Value;

use crate::{BERTH, REPOSITORY};

/// Text in the log before the address of `/readyz`.
const PROBES: &str = "/readyz and /metrics on ";

/// A running `berth hooks`, and a client of it.
pub(crate) struct Hooks {
    process: HooksProcess,
    secret: String,
    http: reqwest::Client,
    probes: String,
}

/// An answer: HTTP status, the JSON object, and `Retry-After`.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) retry_after: Option<String>,
}

impl Hooks {
    /// Starts a process that serves `previews` or `production` of an app, and waits until it is ready.
    pub(crate) async fn start(kind: &str, app: &str, temporal: &str, task_queue: &str, github: &GithubServer) -> Self {
        let hooks = Self::begin(kind, app, temporal, task_queue, &github.url()).await;
        hooks.await_ready().await;
        hooks
    }

    /// The same, but Temporal and the issuer may be away.
    pub(crate) async fn begin(kind: &str, app: &str, temporal: &str, task_queue: &str, issuer: &str) -> Self {
        Self::begin_with(kind, &[(app.to_owned(), REPOSITORY)], temporal, task_queue, issuer).await
    }

    /// The same for several apps, each with the id of its repository.
    pub(crate) async fn begin_with(
        kind: &str,
        app_files: &[(String, u64)],
        temporal: &str,
        task_queue: &str,
        issuer: &str,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = random_secret();
        let served = HooksServed { kind, apps: app_files, temporal, task_queue, issuer };
        let process = HooksProcess::start(BERTH, &served, |command, folder| {
            let file = folder.join("secret");
            fs::write(&file, format!("{secret}\n")).unwrap();
            command.arg("--webhook-secret-file").arg(file);
        });
        let process = process.await;
        let probes = format!("http://{}", process.logged(PROBES).unwrap());
        let http = reqwest::Client::builder().no_proxy().timeout(HOOKS_PATIENCE).build().unwrap();
        Self { process, secret, http, probes }
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Tells it to stop, and waits until it says so.
    pub(crate) async fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.process
            .until("stopping", async || self.probe("readyz").await == (503, "hooks is stopping\n".to_owned()))
            .await;
    }

    /// Waits until it takes no more connections.
    pub(crate) async fn await_refusal(&self) {
        self.process.until("closed", async || std::net::TcpStream::connect(self.address()).is_err()).await;
    }

    /// Waits for its end. Returns whether it ended well.
    pub(crate) async fn ended(self) -> bool {
        self.process.ended().await
    }

    /// Waits until it is ready.
    pub(crate) async fn await_ready(&self) {
        self.process.until("ready", async || self.probe("readyz").await.0 == 200).await;
    }

    /// The URL and the secret of its webhook.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/hooks/github", self.process.url())
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// The file with the public key of its proofs.
    pub(crate) fn public_key_file(&self) -> std::path::PathBuf {
        self.process.folder().join("public")
    }

    /// `host:port` of its requests.
    pub(crate) fn address(&self) -> &str {
        self.process.url().trim_start_matches("http://")
    }

    /// A value of its `/proc/<pid>/status`, in KiB: `VmHWM`, `RssAnon`.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The status and text of a probe.
    pub(crate) async fn probe(&self, path: &str) -> (u16, String) {
        match self.http.get(format!("{}/{path}", self.probes)).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
            Err(_) => (0, String::new()),
        }
    }

    /// GitHub's signature of a body.
    pub(crate) fn signature(&self, body: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()), body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    }

    /// Delivers a webhook as GitHub does.
    pub(crate) async fn webhook(&self, event: &str, payload: &Value) -> Reply {
        let body = payload.to_string().into_bytes();
        let signature = self.signature(&body);
        self.deliver(event, body, Some(&signature)).await
    }

    /// Delivers a body with any signature.
    pub(crate) async fn deliver(&self, event: &str, body: Vec<u8>, signature: Option<&str>) -> Reply {
        reply(self.delivery(event, body, signature)).await
    }

    /// The HTTP status of a delivery. None: the connection was closed before the whole body was sent.
    pub(crate) async fn try_deliver(&self, event: &str, body: Vec<u8>, signature: &str) -> Option<u16> {
        let answer = self.delivery(event, body, Some(signature)).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    fn delivery(&self, event: &str, body: Vec<u8>, signature: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/hooks/github", self.process.url())).header("X-GitHub-Event", event);
        let mut request = request.header("Content-Type", "application/json").body(body);
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        request
    }

    /// A job's POST.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Reply {
        reply(self.http.post(format!("{}{path}", self.process.url())).bearer_auth(token).body(body.to_owned())).await
    }

    /// A job's GET.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        reply(self.http.get(format!("{}{path}", self.process.url())).bearer_auth(token)).await
    }

    /// A request without a token.
    pub(crate) async fn get_without_token(&self, path: &str) -> Reply {
        reply(self.http.get(format!("{}{path}", self.process.url()))).await
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    Reply { status, json: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(), retry_after }
}

fn random_secret() -> String {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).unwrap();
    BASE64_STANDARD.encode(bytes)
}

//! `berth hooks` as a process, and the requests that GitHub and its jobs send to it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use berth_lab::github::GithubServer;
use berth_test_support::holds_within;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::{BERTH, REPOSITORY, claims::PUBLIC_URL};

/// A line of the log, with the address of requests at its end.
const TAKING: &str = "Taking requests on ";
/// Text in the log before the address of `/readyz`.
const PROBES: &str = "/readyz and /metrics on ";
/// The bound of a start. A debug build on a busy machine needs a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `berth hooks`. Dropped, it is killed.
pub(crate) struct Hooks {
    process: Child,
    log: NamedTempFile,
    folder: TempDir,
    secret: String,
    http: reqwest::Client,
    url: String,
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
        let folder = tempfile::tempdir().unwrap();
        let apps = folder.path().join("apps");
        fs::create_dir(&apps).unwrap();
        for (app, repository) in app_files {
            fs::write(apps.join(format!("{app}.yaml")), app_file(app, *repository)).unwrap();
        }
        let secret = random_secret();
        fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
        let key = folder.path().join("key");
        let made = Command::new(BERTH).args(["hooks", "new-key"]).arg(&key).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(folder.path().join("public"), &made.stdout).unwrap();

        let log = NamedTempFile::new().unwrap();
        let mut command = Command::new(BERTH);
        command.args(["hooks", "--serve", kind, "--listen", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"]);
        command.args(["--public-url", PUBLIC_URL, "--oidc-issuer", issuer, "--task-queue", task_queue]);
        command.args(["--temporal-ui", "https://temporal.example.com"]).arg("--apps").arg(apps);
        command.arg("--signing-key-file").arg(key).arg("--webhook-secret-file").arg(folder.path().join("secret"));
        command.env("TEMPORAL_ADDRESS", temporal).env("BERTH_LOG", "info");
        command.stdout(Stdio::null()).stderr(log.reopen().unwrap());
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let process = command.spawn().unwrap();
        let mut hooks = Self { process, log, folder, secret, http, url: String::new(), probes: String::new() };
        hooks.until("started", async || hooks.logged(TAKING).is_some()).await;
        hooks.url = format!("http://{}", hooks.logged(TAKING).unwrap());
        hooks.probes = format!("http://{}", hooks.logged(PROBES).unwrap());
        hooks
    }

    /// The address behind a text of the log.
    fn logged(&self, before: &str) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once(before)?;
        let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        (rest.len() > address.len()).then_some(address)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        assert!(holds_within(PATIENCE, holds).await, "hooks is never {what}: {}", self.log());
    }

    /// Tells it to stop, and waits until it says so.
    pub(crate) async fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.until("stopping", async || self.probe("readyz").await == (503, "hooks is stopping\n".to_owned())).await;
    }

    /// Waits until it takes no more connections.
    pub(crate) async fn await_refusal(&self) {
        self.until("closed", async || std::net::TcpStream::connect(self.address()).is_err()).await;
    }

    /// Waits for its end. Returns whether it ended well.
    pub(crate) async fn ended(mut self) -> bool {
        let waiting = tokio::task::spawn_blocking(move || self.process.wait().unwrap().success());
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap()
    }

    /// Waits until it is ready.
    pub(crate) async fn await_ready(&self) {
        self.until("ready", async || self.probe("readyz").await.0 == 200).await;
    }

    /// The URL and the secret of its webhook.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/hooks/github", self.url)
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// The file with the public key of its proofs.
    pub(crate) fn public_key_file(&self) -> std::path::PathBuf {
        self.folder.path().join("public")
    }

    /// `host:port` of its requests.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
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
        let request = self.http.post(format!("{}/hooks/github", self.url)).header("X-GitHub-Event", event);
        let mut request = request.header("Content-Type", "application/json").body(body);
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        request
    }

    /// A job's POST.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Reply {
        reply(self.http.post(format!("{}{path}", self.url)).bearer_auth(token).body(body.to_owned())).await
    }

    /// A job's GET.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        reply(self.http.get(format!("{}{path}", self.url)).bearer_auth(token)).await
    }

    /// A request without a token.
    pub(crate) async fn get_without_token(&self, path: &str) -> Reply {
        reply(self.http.get(format!("{}{path}", self.url))).await
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.process);
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    Reply { status, json: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(), retry_after }
}

fn app_file(app: &str, repository: u64) -> String {
    format!(
        "app: {app}\nrepository: acme/web\nimages: [acme/web]\ngithub: {{ repository_id: {repository}, label: preview }}\n\
         preview: {{ host: '{app}-{{pr}}.example.com' }}\n\
         production: {{ namespace: {app}-production, host: {app}.example.com }}\n"
    )
}

fn random_secret() -> String {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).unwrap();
    BASE64_STANDARD.encode(bytes)
}

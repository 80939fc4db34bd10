//! `berth hooks` as a process.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::{NamedTempFile, TempDir};

use crate::holds_within;

/// The address that senders know it by: the audience of their tokens.
pub const PUBLIC_URL: &str = "https://hooks.example.com";
/// A line of the log, with the address of requests at its end.
const TAKING: &str = "Taking requests on ";
/// The bound of a start. A debug build on a busy machine needs a second.
pub const HOOKS_PATIENCE: Duration = Duration::from_secs(60);

/// What a process serves, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct HooksServed<'a> {
    /// `previews` or `production`.
    pub kind: &'a str,
    /// Apps, each with the id of its repository.
    pub apps: &'a [(String, u64)],
    pub temporal: &'a str,
    pub task_queue: &'a str,
    /// The issuer of jobs' tokens.
    pub issuer: &'a str,
}

/// A running `berth hooks`. Dropped, it is killed.
pub struct HooksProcess {
    process: Child,
    log: NamedTempFile,
    folder: TempDir,
    url: String,
}

impl HooksProcess {
    /// Starts the binary `berth`, and waits until it takes requests. Temporal and the issuer may be away.
    ///
    /// `configure` adds flags. It gets the folder of the process's files, with the public key of its proofs in `public`.
    pub async fn start(
        berth: impl AsRef<OsStr>,
        served: &HooksServed<'_>,
        configure: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (apps, key) = (folder.path().join("apps"), folder.path().join("key"));
        fs::create_dir(&apps).unwrap();
        for (app, repository) in served.apps {
            fs::write(apps.join(format!("{app}.yaml")), app_file(app, *repository)).unwrap();
        }
        let made = Command::new(&berth).args(["hooks", "new-key"]).arg(&key).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(folder.path().join("public"), &made.stdout).unwrap();

        let log = NamedTempFile::new().unwrap();
        let mut command = Command::new(berth);
        command.args(["hooks", "--serve", served.kind, "--listen", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"]);
        command.args(["--public-url", PUBLIC_URL, "--oidc-issuer", served.issuer, "--task-queue", served.task_queue]);
        command.args(["--temporal-ui", "https://temporal.example.com"]).arg("--apps").arg(apps);
        command.arg("--signing-key-file").arg(key);
        command.env("TEMPORAL_ADDRESS", served.temporal).env("BERTH_LOG", "info");
        command.stdout(Stdio::null()).stderr(log.reopen().unwrap());
        configure(&mut command, folder.path());
        let mut hooks = Self { process: command.spawn().unwrap(), log, folder, url: String::new() };
        hooks.until("started", async || hooks.logged(TAKING).is_some()).await;
        hooks.url = format!("http://{}", hooks.logged(TAKING).unwrap());
        hooks
    }

    /// The URL of its requests.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    /// The address behind a text of the log, once the whole of it is there.
    pub fn logged(&self, before: &str) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once(before)?;
        let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        (rest.len() > address.len()).then_some(address)
    }

    /// Waits until the condition holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        assert!(holds_within(HOOKS_PATIENCE, holds).await, "hooks is never {what}: {}", self.log());
    }

    /// Waits for its end. Returns whether it ended well.
    pub async fn ended(mut self) -> bool {
        let waiting = tokio::task::spawn_blocking(move || self.process.wait().unwrap().success());
        tokio::time::timeout(HOOKS_PATIENCE, waiting).await.unwrap().unwrap()
    }
}

impl Drop for HooksProcess {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.process);
    }
}

fn app_file(app: &str, repository: u64) -> String {
    format!(
        "app: {app}\nrepository: acme/web\nimages: [acme/web]\ngithub: {{ repository_id: {repository}, label: preview }}\n\
         named_images: {{ WORKER: acme/worker }}\n\
         push_variables: {{ FLAGS: {{ example: a }}, GITHUB_RUN_NUMBER: {{ example: '1' }} }}\n\
         preview: {{ host: '{app}-{{pr}}.example.com' }}\n\
         production: {{ namespace: {app}-production, host: {app}.example.com }}\n"
    )
}

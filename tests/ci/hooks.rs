//! `berth hooks` as a process, which believes the tokens of the lab's GitHub.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use berth_lab::github::REPOSITORY;
use berth_test_support::found_within;
use tempfile::{NamedTempFile, TempDir};

use crate::BERTH;

/// The audience of tokens in these tests.
pub(crate) const PUBLIC_URL: &str = "https://hooks.example.com";
/// A line of the log, with the address of requests at its end.
const TAKING: &str = "Taking requests on ";
/// A line of the log once messages can be passed on.
const READY: &str = "Temporal has been reached";
/// The bound of a start. A debug build on a busy machine needs a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `berth hooks`. Dropped, it is killed.
pub(crate) struct Hooks {
    process: Child,
    log: NamedTempFile,
    _folder: TempDir,
    pub(crate) url: String,
}

impl Hooks {
    /// Starts a process that serves `previews` or `production` of an app, and waits until it passes messages on.
    pub(crate) async fn start(kind: &str, app: &str, temporal: &str, task_queue: &str, issuer: &str) -> Self {
        let hooks = Self::begin(kind, app, temporal, task_queue, issuer).await;
        hooks.logged(READY).await;
        hooks
    }

    /// The same, but Temporal may be away.
    pub(crate) async fn begin(kind: &str, app: &str, temporal: &str, task_queue: &str, issuer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apps = folder.path().join("apps");
        fs::create_dir(&apps).unwrap();
        fs::write(apps.join(format!("{app}.yaml")), app_file(app)).unwrap();
        let key = folder.path().join("key");
        let made = Command::new(BERTH).args(["hooks", "new-key"]).arg(&key).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let log = NamedTempFile::new().unwrap();
        let mut command = Command::new(BERTH);
        command.args(["hooks", "--serve", kind, "--listen", "127.0.0.1:0", "--metrics-address", "off"]);
        command.args(["--public-url", PUBLIC_URL, "--oidc-issuer", issuer, "--task-queue", task_queue]);
        command.args(["--temporal-ui", "https://temporal.example.com"]).arg("--apps").arg(apps);
        command.arg("--signing-key-file").arg(key).env("TEMPORAL_ADDRESS", temporal).env("BERTH_LOG", "info");
        let process = command.stdout(Stdio::null()).stderr(log.reopen().unwrap()).spawn().unwrap();
        let mut hooks = Self { process, log, _folder: folder, url: String::new() };
        hooks.url = format!("http://{}", hooks.logged(TAKING).await);
        hooks
    }

    /// Waits for a text of the log, and answers the word behind it.
    async fn logged(&self, text: &str) -> String {
        let log = || fs::read_to_string(self.log.path()).unwrap();
        let look = async || {
            let log = log();
            let (line, _) = log.split_once(text)?.1.split_once('\n')?;
            Some(line.split_whitespace().next().unwrap_or_default().to_owned())
        };
        found_within(PATIENCE, look).await.unwrap_or_else(|| panic!("never {text:?}: {}", log()))
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.process);
    }
}

fn app_file(app: &str) -> String {
    format!(
        "app: {app}\nrepository: acme/web\nimages: [acme/web]\ngithub: {{ repository_id: {REPOSITORY} }}\n\
         preview: {{ host: '{app}-{{pr}}.example.com' }}\n\
         production: {{ namespace: {app}-production, host: {app}.example.com }}\n"
    )
}

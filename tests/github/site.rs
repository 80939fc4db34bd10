//! A GitHub, its App's key, and the app files of one app.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use berth_lab::github::{GithubServer, NewPull, REPOSITORY};
use tempfile::{NamedTempFile, TempDir};

use crate::BERTH;

/// The bound of a wait. A debug build on a busy machine needs some seconds.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Site {
    pub(crate) github: GithubServer,
    folder: TempDir,
}

impl Site {
    /// Pull request 1 is open, at the commit of 40 times `a`.
    pub(crate) fn start() -> Self {
        let github = GithubServer::start().unwrap();
        github.open(REPOSITORY, NewPull::new("web", &head())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let apps = folder.path().join("apps");
        fs::create_dir(&apps).unwrap();
        let app = format!(
            "app: web\nrepository: acme/web\nimages: [registry.example.com/web]\n\
             github: {{ repository_id: {REPOSITORY} }}\npreview: {{ host: 'pr-{{pr}}.example.com' }}\n"
        );
        fs::write(apps.join("web.yaml"), app).unwrap();
        fs::write(folder.path().join("key.pem"), github.app().1).unwrap();
        fs::write(folder.path().join("kubeconfig"), KUBECONFIG).unwrap();
        Self { github, folder }
    }

    /// A command of berth with the flags of the App.
    pub(crate) fn berth(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BERTH);
        command.args(arguments).arg("--apps").arg(self.folder.path().join("apps"));
        command.arg("--github-app-id").arg(self.github.app().0.to_string());
        command.arg("--github-key-file").arg(self.folder.path().join("key.pem"));
        command.arg("--github-api-url").arg(self.github.url());
        command
    }

    /// Starts a worker. Its Kubernetes is away.
    pub(crate) fn worker(&self, temporal: &str, task_queue: &str) -> Worker {
        let log = NamedTempFile::new().unwrap();
        let mut command = self.berth(&["worker", "--task-queue", task_queue, "--metrics-address", "off"]);
        command.args(["--github-writes-per-second", "2", "--drain-seconds", "1"]);
        command.env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        command.env("TEMPORAL_ADDRESS", temporal).env("BERTH_LOG", "info");
        command.stdout(Stdio::null()).stderr(log.reopen().unwrap());
        Worker { process: command.spawn().unwrap(), log }
    }
}

pub(crate) fn head() -> String {
    "a".repeat(40)
}

/// A worker process. Dropped, it is killed.
pub(crate) struct Worker {
    process: Child,
    log: NamedTempFile,
}

impl Worker {
    /// Waits until a condition holds, and shows the worker's log if it never does.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("never {what}: {}", self.log()));
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: none\n\
    clusters: [{name: none, cluster: {server: 'http://127.0.0.1:1'}}]\n\
    users: [{name: none, user: {}}]\n\
    contexts: [{name: none, context: {cluster: none, user: none}}]\n";

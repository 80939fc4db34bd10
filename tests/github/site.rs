//! A GitHub, its App's key, and the app files of one app.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use berth_lab::github::{Description, GithubServer, NewPull, REPOSITORY};
use berth_test_support::holds_within;
use tempfile::{NamedTempFile, TempDir};

use crate::BERTH;

/// The bound of a wait. A debug build on a busy machine needs some seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Site {
    pub(crate) github: GithubServer,
    folder: TempDir,
}

impl Site {
    /// The app `web`. Pull request 1 is open, at the commit of 40 times `a`.
    pub(crate) fn start() -> Self {
        Self::of("web", &[commit('a')])
    }

    /// An app of that name. A pull request is open at each of the commits.
    pub(crate) fn of(name: &str, heads: &[String]) -> Self {
        let github = GithubServer::start().unwrap();
        for (at, head) in heads.iter().enumerate() {
            github.open(REPOSITORY, NewPull::new(&format!("feature-{at}"), head)).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("apps")).unwrap();
        fs::write(folder.path().join("key.pem"), github.app().1).unwrap();
        fs::write(folder.path().join("kubeconfig"), KUBECONFIG).unwrap();
        let site = Self { github, folder };
        site.write_app(name, &format!("github: {{ repository_id: {REPOSITORY} }}\n"));
        site
    }

    /// Writes the app's file, with or without its section `github`.
    pub(crate) fn write_app(&self, name: &str, github: &str) {
        let app = format!(
            "app: {name}\nrepository: acme/web\nimages: [registry.example.com/web]\n{github}\
             preview: {{ host: 'pr-{{pr}}.example.com' }}\n"
        );
        fs::write(self.folder.path().join("apps").join(format!("{name}.yaml")), app).unwrap();
    }

    /// The folder with the app file.
    pub(crate) fn apps(&self) -> PathBuf {
        self.folder.path().join("apps")
    }

    /// The file with the App's private key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// A command of berth with the flags of the App.
    pub(crate) fn berth(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BERTH);
        command.args(arguments).arg("--apps").arg(self.apps());
        command.arg("--github-app-id").arg(self.github.app().0.to_string());
        command.arg("--github-key-file").arg(self.key_file());
        command.arg("--github-api-url").arg(self.github.url());
        command
    }

    /// Asserts that the requests so far, and their answers, are as GitHub describes them. Prints the routes.
    pub(crate) fn check_requests(&self, client: &str) {
        // A request that was never answered has no status.
        let answered: Vec<_> = self.github.requests().into_iter().filter(|request| request.status > 0).collect();
        let checked = Description::load().unwrap().check(&answered);
        assert!(checked.problems.is_empty(), "{:#?}", checked.problems);
        checked.routes.iter().for_each(|route| println!("| {client:<19} | {route:<82} | accepted"));
        println!("{client}: {} requests and {} bodies of answers checked", checked.requests, checked.answers);
    }

    /// Starts a worker. Its Kubernetes is away.
    pub(crate) fn worker(&self, temporal: &str, task_queue: &str) -> Worker {
        self.worker_with(temporal, task_queue, &[])
    }

    /// The same, with more flags.
    pub(crate) fn worker_with(&self, temporal: &str, task_queue: &str, more: &[&str]) -> Worker {
        let log = NamedTempFile::new().unwrap();
        let mut command = self.berth(&["worker", "--task-queue", task_queue, "--metrics-address", "off"]);
        command.args(["--github-writes-per-second", "2", "--drain-seconds", "1"]).args(more);
        command.env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        command.env("TEMPORAL_ADDRESS", temporal).env("BERTH_LOG", "info");
        command.stdout(Stdio::null()).stderr(log.reopen().unwrap());
        Worker { process: command.spawn().unwrap(), log }
    }
}

/// The commit that consists of one digit.
pub(crate) fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// A worker process. Dropped, it is killed.
pub(crate) struct Worker {
    process: Child,
    log: NamedTempFile,
}

impl Worker {
    /// Waits until a condition holds, and shows the worker's log if it never does.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        assert!(holds_within(PATIENCE, async || holds()).await, "never {what}: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.process);
    }
}

const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: none\n\
    clusters: [{name: none, cluster: {server: 'http://127.0.0.1:1'}}]\n\
    users: [{name: none, user: {}}]\n\
    contexts: [{name: none, context: {cluster: none, user: none}}]\n";

//! A step of a job, as GitHub's runner starts it, and what it leaves: exit code, log, outputs, summary.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use berth_lab::github::{GithubServer, Job, REPOSITORY};
use berth_test_support::{HooksProcess, PUBLIC_URL, holds_within, preview::PATIENCE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::BERTH;

/// The commit of a merge, which a job of a pull request runs on.
const MERGE: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// A step that has not run.
pub(crate) struct Step {
    variables: BTreeMap<&'static str, OsString>,
    arguments: Vec<String>,
    folder: TempDir,
}

/// A step that runs.
pub(crate) struct Running {
    process: Child,
    step: Step,
}

/// A step that has run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
}

/// The event `pull_request` of pull request 1 with the head of that digit.
pub(crate) fn pull_request(action: &str, digit: char) -> Value {
    let repository = json!({"id": REPOSITORY, "full_name": "acme/web"});
    json!({
        "action": action, "number": 1, "repository": repository, "sender": {"login": "octocat", "type": "User"},
        "pull_request": {
            "number": 1, "state": if action == "closed" { "closed" } else { "open" }, "draft": false, "locked": false,
            "user": {"login": "octocat", "type": "User"}, "labels": [], "merged": false, "merge_commit_sha": MERGE,
            "head": {"sha": digit.to_string().repeat(40), "ref": "feature", "repo": repository},
            "base": {"sha": "b".repeat(40), "ref": "main", "repo": repository},
            "updated_at": "2026-11-28T07:15:00Z",
        },
    })
}

/// The image of the commit of that digit.
pub(crate) fn image(digit: char) -> String {
    format!("acme/web@sha256:{}", digit.to_string().repeat(64))
}

impl Step {
    /// `berth ci preview` in a job of pull request 1.
    pub(crate) fn preview(app: &str, event: &Value) -> Self {
        Self::new("preview", app, "pull_request", MERGE, event)
    }

    /// `berth ci release` in a job of the main branch, at the commit of that digit.
    pub(crate) fn release(app: &str, digit: char) -> Self {
        let commit = digit.to_string().repeat(40);
        let step = Self::new("release", app, "push", &commit, &json!({"ref": "refs/heads/main", "after": commit}));
        step.with(&["--image", &image(digit)])
    }

    fn new(action: &str, app: &str, event: &str, commit: &str, payload: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).into_os_string();
        fs::write(file("event.json"), payload.to_string()).unwrap();
        let variables = BTreeMap::from([
            ("GITHUB_EVENT_NAME", event.into()),
            ("GITHUB_EVENT_PATH", file("event.json")),
            ("GITHUB_SHA", commit.into()),
            ("GITHUB_REF_NAME", "main".into()),
            ("GITHUB_RUN_ID", "4242".into()),
            ("GITHUB_RUN_NUMBER", "7".into()),
            ("GITHUB_ACTOR", "octocat".into()),
            ("GITHUB_OUTPUT", file("output")),
            ("GITHUB_STEP_SUMMARY", file("summary")),
        ]);
        Self { variables, arguments: ["ci", action, app].map(str::to_owned).into(), folder }
    }

    /// Adds arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Sets a variable.
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// Goes through hooks, as a job that may ask GitHub for tokens.
    pub(crate) fn through(self, hooks: &HooksProcess, github: &GithubServer, job: Job) -> Self {
        self.through_as(PUBLIC_URL, hooks, github, job)
    }

    /// The same, with tokens for another audience.
    pub(crate) fn through_as(self, audience: &str, hooks: &HooksProcess, github: &GithubServer, job: Job) -> Self {
        let run_id = job.run_id.to_string();
        let token = github.begin_job(job);
        self.set("GITHUB_RUN_ID", &run_id)
            .set("ACTIONS_ID_TOKEN_REQUEST_URL", &token.request_url)
            .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token.request_token)
            .with(&["--hooks", hooks.url(), "--audience", audience])
    }

    /// Runs the step, and waits for its end.
    pub(crate) async fn run(self) -> Ran {
        self.begin().end().await
    }

    /// Starts the step.
    pub(crate) fn begin(self) -> Running {
        let mut command = Command::new(BERTH);
        self.describe_to(command.args(&self.arguments));
        let stream = |name: &str| fs::File::create(self.folder.path().join(name)).unwrap();
        command.stdout(stream("stdout")).stderr(stream("stderr"));
        Running { process: command.spawn().unwrap(), step: self }
    }

    /// Gives a command the variables of the job, and no other job's.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["GITHUB_", "ACTIONS_", "TEMPORAL_", "BERTH_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).envs(&self.variables);
    }

    /// A folder of the job alone.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The end of the step: its exit code, its log, and its files.
    pub(crate) fn ended(&self, code: i32) -> Ran {
        let outputs = self.read("output");
        let outputs = outputs.lines().filter_map(|line| line.split_once('='));
        let ran = Ran {
            code,
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
            outputs: outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            summary: self.read("summary"),
        };
        ran.assert_keeps_secrets(&self.variables);
        ran
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Running {
    /// Waits until the log has a text.
    pub(crate) async fn until_logged(&self, text: &str) {
        let is_logged = holds_within(PATIENCE, async || self.step.read("stdout").contains(text)).await;
        assert!(is_logged, "never {text:?}: {}", self.step.read("stdout"));
    }

    /// Waits for the end. The worker of a test runs on its thread, so the wait is on another one.
    pub(crate) async fn end(self) -> Ran {
        let Self { mut process, step } = self;
        let status = tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
        step.ended(status.code().unwrap())
    }
}

impl Ran {
    /// The outcome among the outputs.
    pub(crate) fn outcome(&self) -> &str {
        self.outputs.get("outcome").map(String::as_str).unwrap_or_default()
    }

    /// The commands in the log that GitHub's runner obeys: those that do not stand where commands are stopped.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let mut resume: Option<String> = None;
        let mut obeyed = Vec::new();
        for line in self.stdout.lines().map(str::trim_start).filter(|line| line.starts_with("::")) {
            match (&resume, line.strip_prefix("::stop-commands::")) {
                (Some(token), _) if *line == format!("::{token}::") => resume = None,
                (Some(_), _) => {}
                (None, Some(token)) => resume = Some(token.to_owned()),
                (None, None) => obeyed.push(line),
            }
        }
        obeyed
    }

    /// The message of a notice or an error.
    pub(crate) fn message(&self, kind: &str) -> Option<&str> {
        let found = self.commands().into_iter().find(|line| line.starts_with(&format!("::{kind} ")))?;
        found.splitn(3, "::").nth(2)
    }

    /// Fails if a token, or the right to ask for one, is anywhere in what the step wrote.
    fn assert_keeps_secrets(&self, variables: &BTreeMap<&'static str, OsString>) {
        let right = variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(|right| right.to_string_lossy());
        for written in [&self.stdout, &self.stderr, &self.summary] {
            // A token of GitHub's begins with its header as base64.
            assert!(!written.contains("eyJ") && !written.contains("Bearer"), "{written}");
            assert!(right.as_ref().is_none_or(|right| !written.contains(right.as_ref())), "{written}");
        }
    }
}

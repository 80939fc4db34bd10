//! The programs that the demo uses as anybody would: `berth` and `kubectl`, pointed at the lab.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{process, state::State};

pub(super) const APP: &str = "web";
pub(super) const PULL_REQUEST: &str = "123";

pub(super) struct Tools {
    berth: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    temporal_address: String,
}

/// What `berth` answered, and with which exit code.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: Option<i32>,
    pub(super) json: Value,
    said: String,
}

impl Tools {
    pub(super) fn new(state: &State, berth: PathBuf) -> Self {
        Self {
            berth,
            kubectl: state.tools.get("kubectl").cloned().unwrap_or_default(),
            kubeconfig: state.kubeconfig.clone(),
            temporal_address: state.temporal_address.clone(),
        }
    }

    /// `berth preview <verb> web 123 … --output json`, begun.
    pub(super) fn begin(&self, verb: &str, arguments: &[&str]) -> Result<Child> {
        Command::new(&self.berth)
            .args(["preview", verb, APP, PULL_REQUEST, "--output", "json"])
            .args(arguments)
            .env("TEMPORAL_ADDRESS", &self.temporal_address)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running berth")
    }

    pub(super) fn preview(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        Answer::of(self.begin(verb, arguments)?.wait_with_output()?)
    }

    /// Waits until the environment's status is as it should be.
    pub(super) fn until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.preview("status", &[]).map(|answer| answer.json).unwrap_or_default();
            if is(&status) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the status did not come to say: {what}; it says {status}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::output(Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.kubeconfig).args(arguments))
    }

    /// The preview's page, through the API server: nobody needs an ingress controller for that.
    pub(super) fn page(&self, path: &str) -> Result<String> {
        let namespace = format!("pr-{PULL_REQUEST}");
        let service = format!("{APP}-pr-{PULL_REQUEST}");
        self.kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/namespaces/{namespace}/services/http:{service}:80/proxy{path}"),
        ])
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Answer {
    pub(super) fn of(output: Output) -> Result<Self> {
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            code: output.status.code(),
            json: serde_json::from_str(text.trim()).unwrap_or_default(),
            said: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// The exit code is what scripts go by, the outcome what people read: both must say it.
    pub(super) fn expect(self, code: i32, outcome: &str) -> Result<Value> {
        if self.code == Some(code) && self.json["outcome"] == outcome {
            return Ok(self.json);
        }
        bail!("expected {outcome} with exit code {code}, got exit code {:?}: {}", self.code, self.said.trim())
    }
}

//! A pull request of the sample app, driven with `berth` and `kubectl` as a developer would.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{life::state::State, machine::process};

pub(crate) const APP: &str = "web";

/// A pull request, with the programs that drive it.
pub(crate) struct PullRequest {
    berth: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    temporal: PathBuf,
    temporal_address: String,
    pub(crate) number: u64,
}

/// The answer of `berth`: exit code, JSON and text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl PullRequest {
    /// A pull request of the sample app.
    pub(crate) fn new(state: &State, berth: PathBuf, number: u64) -> Self {
        let tool = |name: &str| state.tools.get(name).cloned().unwrap_or_default();
        Self {
            berth,
            number,
            kubectl: tool("kubectl"),
            temporal: tool("temporal"),
            kubeconfig: state.kubeconfig.clone(),
            temporal_address: state.temporal_address.clone(),
        }
    }

    /// Starts `berth preview <verb> web 123 … --output json`.
    pub(crate) fn begin(&self, verb: &str, arguments: &[&str]) -> Result<Child> {
        let mut berth = self.berth();
        berth.args(["preview", verb, APP, &self.number.to_string(), "--output", "json"]).args(arguments);
        berth.spawn().context("running berth")
    }

    fn berth(&self) -> Command {
        let mut berth = Command::new(&self.berth);
        berth.env("TEMPORAL_ADDRESS", &self.temporal_address).env("KUBECONFIG", &self.kubeconfig);
        berth.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        berth
    }

    pub(crate) fn preview(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        Answer::from_output(self.begin(verb, arguments)?.wait_with_output()?)
    }

    /// Runs `berth preview run web 123 <script>`, whose output is the script's.
    pub(crate) fn run_script(&self, script: &str) -> Result<Answer> {
        let mut berth = self.berth();
        berth.args(["preview", "run", APP, &self.number.to_string(), script]);
        Answer::from_output(berth.output().context("running berth")?)
    }

    /// Waits until the environment's status meets a condition.
    pub(crate) fn wait_until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let mut answer = self.preview("status", &[]).map(|answer| answer.json).unwrap_or_default();
            let status = answer["data"].take();
            if is(&status) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the status did not become `{what}`: {status}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::output(Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.kubeconfig).args(arguments))
    }

    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        process::output_with_input(&mut kubectl, input)
    }

    /// The time of each step of a rollout, from its result.
    pub(crate) fn rollout_steps(&self, number: u64) -> Result<Value> {
        let id = format!("preview-{APP}-{}-rollout-{number}", self.number);
        let mut temporal = Command::new(&self.temporal);
        temporal.args(["workflow", "result", "--workflow-id", &id, "-o", "json", "--address", &self.temporal_address]);
        let result: Value = serde_json::from_str(&process::output(&mut temporal)?)?;
        Ok(result["result"]["steps"].clone())
    }

    /// The environment's namespace.
    pub(crate) fn namespace(&self) -> String {
        format!("pr-{}", self.number)
    }

    /// Fetches the preview's page through the API server, which needs no ingress controller.
    pub(crate) fn page(&self, path: &str) -> Result<String> {
        let namespace = self.namespace();
        let service = format!("{APP}-{namespace}");
        self.kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/namespaces/{namespace}/services/http:{service}:80/proxy{path}"),
        ])
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Answer {
    pub(crate) fn from_output(output: Output) -> Result<Self> {
        let stdout = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            code: output.status.code(),
            json: serde_json::from_str(stdout.trim()).unwrap_or_default(),
            text: format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// Checks the exit code, which scripts read, and the outcome, which people read.
    pub(crate) fn expect(self, code: i32, outcome: &str) -> Result<Value> {
        if self.code == Some(code) && self.json["outcome"] == outcome {
            return Ok(self.json);
        }
        bail!("expected {outcome} with exit code {code}, got exit code {:?}: {}", self.code, self.text.trim())
    }
}

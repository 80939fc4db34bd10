//! The programs that the demo uses as anybody would: `berth` and `kubectl`, pointed at the lab.

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

pub(crate) struct Tools {
    berth: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    temporal: PathBuf,
    temporal_address: String,
    pull_request: u64,
}

/// What `berth` answered, and with which exit code.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) said: String,
}

impl Tools {
    /// For one pull request of the sample app.
    pub(crate) fn for_pull_request(state: &State, berth: PathBuf, pull_request: u64) -> Self {
        let tool = |name: &str| state.tools.get(name).cloned().unwrap_or_default();
        Self {
            berth,
            pull_request,
            kubectl: tool("kubectl"),
            temporal: tool("temporal"),
            kubeconfig: state.kubeconfig.clone(),
            temporal_address: state.temporal_address.clone(),
        }
    }

    /// `berth preview <verb> web 123 … --output json`, begun.
    pub(crate) fn begin(&self, verb: &str, arguments: &[&str]) -> Result<Child> {
        let mut berth = self.berth();
        berth.args(["preview", verb, APP, &self.pull_request.to_string(), "--output", "json"]).args(arguments);
        berth.spawn().context("running berth")
    }

    fn berth(&self) -> Command {
        let mut berth = Command::new(&self.berth);
        berth.env("TEMPORAL_ADDRESS", &self.temporal_address).env("KUBECONFIG", &self.kubeconfig);
        berth.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        berth
    }

    pub(crate) fn preview(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        Answer::of(self.begin(verb, arguments)?.wait_with_output()?)
    }

    /// `berth preview run web 123 <script>`: its output is the script's.
    pub(crate) fn run_script(&self, script: &str) -> Result<Answer> {
        let mut berth = self.berth();
        berth.args(["preview", "run", APP, &self.pull_request.to_string(), script]);
        Answer::of(berth.output().context("running berth")?)
    }

    /// Waits until the environment's status is as it should be.
    pub(crate) fn until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
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

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::output(Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.kubeconfig).args(arguments))
    }

    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        process::output_with_input(&mut kubectl, input)
    }

    /// How long each step of a rollout took, as its result says.
    pub(crate) fn rollout_steps(&self, number: u64) -> Result<Value> {
        let id = format!("preview-{APP}-{}-rollout-{number}", self.pull_request);
        let mut temporal = Command::new(&self.temporal);
        temporal.args(["workflow", "result", "--workflow-id", &id, "-o", "json", "--address", &self.temporal_address]);
        let result: Value = serde_json::from_str(&process::output(&mut temporal)?)?;
        Ok(result["result"]["steps"].clone())
    }

    /// The environment's namespace.
    pub(crate) fn namespace(&self) -> String {
        format!("pr-{}", self.pull_request)
    }

    /// The preview's page, through the API server: nobody needs an ingress controller for that.
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
    pub(crate) fn of(output: Output) -> Result<Self> {
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            code: output.status.code(),
            json: serde_json::from_str(text.trim()).unwrap_or_default(),
            said: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// The exit code is what scripts go by, the outcome what people read: both must say it.
    pub(crate) fn expect(self, code: i32, outcome: &str) -> Result<Value> {
        if self.code == Some(code) && self.json["outcome"] == outcome {
            return Ok(self.json);
        }
        bail!("expected {outcome} with exit code {code}, got exit code {:?}: {}", self.code, self.said.trim())
    }
}

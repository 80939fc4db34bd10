//! A person at a lab: the programs that they call, with the lab's addresses.

use std::{
    env, iter,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{life::state::State, machine::process};

/// Generous: a status becomes what it is to become within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A person, with `berth`, `kubectl` and `temporal`.
pub(crate) struct Person {
    berth: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    temporal: PathBuf,
    temporal_address: String,
}

/// The answer of `berth`: exit code, JSON and text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Person {
    pub(crate) fn new(state: &State, berth: PathBuf) -> Self {
        let tool = |name: &str| state.tools.get(name).cloned().unwrap_or_default();
        Self {
            berth,
            kubectl: tool("kubectl"),
            temporal: tool("temporal"),
            kubeconfig: state.kubeconfig.clone(),
            temporal_address: state.temporal_address.clone(),
        }
    }

    /// Makes the command `berth`, whose output is captured.
    pub(crate) fn berth(&self) -> Command {
        let mut berth = Command::new(&self.berth);
        berth.env("TEMPORAL_ADDRESS", &self.temporal_address).env("KUBECONFIG", &self.kubeconfig);
        berth.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        berth
    }

    /// Asks `berth` for JSON until the command's own object meets a condition. Answers that object.
    pub(crate) fn wait_until(&self, arguments: &[&str], what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.berth().args(arguments).args(["--output", "json"]).output().context("running berth")?;
            let mut answer = Answer::from_output(output)?;
            let data = answer.json["data"].take();
            if is(&data) {
                return Ok(data);
            }
            if Instant::now() > end {
                bail!("{} did not become `{what}`: {data} {}", arguments.join(" "), answer.text.trim());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Makes the command `kubectl`.
    pub(crate) fn kubectl_command(&self) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::output(self.kubectl_command().args(arguments))
    }

    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        process::output_with_input(self.kubectl_command().args(arguments), input)
    }

    /// Runs a command line that berth has printed, in a shell that finds `kubectl`.
    pub(crate) fn shell(&self, line: &str) -> Result<String> {
        let folder = self.kubectl.parent().context("looking for kubectl")?;
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(iter::once(folder.to_owned()).chain(env::split_paths(&path)))?;
        process::output(Command::new("sh").args(["-ec", line]).env("PATH", path).env("KUBECONFIG", &self.kubeconfig))
    }

    /// Runs the `temporal` CLI. Answers its JSON.
    pub(crate) fn temporal(&self, arguments: &[&str]) -> Result<Value> {
        let mut temporal = Command::new(&self.temporal);
        temporal.args(arguments).args(["-o", "json", "--address", &self.temporal_address]);
        serde_json::from_str(&process::output(&mut temporal)?).context("reading an answer of temporal")
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

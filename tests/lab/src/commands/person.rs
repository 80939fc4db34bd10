//! A person at a lab: the programs that they call, with the lab's addresses.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{life::state::State, machine::process};

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

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::output(Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.kubeconfig).args(arguments))
    }

    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        process::output_with_input(&mut kubectl, input)
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

//! A pull request of the sample app, driven with `berth` and `kubectl` as a developer would.

use std::{path::PathBuf, process::Child};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::person::{Answer, Person};
use crate::life::state::State;

pub(crate) const APP: &str = "web";

/// A pull request, with the person that drives it.
pub(crate) struct PullRequest {
    pub(crate) person: Person,
    pub(crate) number: u64,
}

impl PullRequest {
    /// A pull request of the sample app.
    pub(crate) fn new(state: &State, berth: PathBuf, number: u64) -> Self {
        Self { person: Person::new(state, berth), number }
    }

    /// Starts `berth preview <verb> web 123 … --output json`.
    pub(crate) fn begin(&self, verb: &str, arguments: &[&str]) -> Result<Child> {
        let mut berth = self.person.berth();
        berth.args(["preview", verb, APP, &self.number.to_string(), "--output", "json"]).args(arguments);
        berth.spawn().context("running berth")
    }

    pub(crate) fn preview(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        Answer::from_output(self.begin(verb, arguments)?.wait_with_output()?)
    }

    /// Runs `berth preview run web 123 <script>`, whose output is the script's.
    pub(crate) fn run_script(&self, script: &str) -> Result<Answer> {
        let mut berth = self.person.berth();
        berth.args(["preview", "run", APP, &self.number.to_string(), script]);
        Answer::from_output(berth.output().context("running berth")?)
    }

    /// Waits until the environment's status meets a condition.
    pub(crate) fn wait_until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
        let arguments = ["preview", "status", APP, &self.number.to_string()];
        self.person.wait_until(&arguments, what, is).map(drop)
    }

    /// The time of each step of a rollout, from its result.
    pub(crate) fn rollout_steps(&self, number: u64) -> Result<Value> {
        let id = format!("preview-{APP}-{}-rollout-{number}", self.number);
        let result = self.person.temporal(&["workflow", "result", "--workflow-id", &id])?;
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
        self.person.kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/namespaces/{namespace}/services/http:{service}:80/proxy{path}"),
        ])
    }
}

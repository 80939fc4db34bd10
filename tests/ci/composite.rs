//! A composite action, run as GitHub's runner does: its inputs become variables, and bash runs the steps.

use std::{collections::BTreeMap, env, ffi::OsString, fs, path::PathBuf, process::Command};

use serde::Deserialize;

use crate::step::{Ran, Step};

/// An action file.
#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Output>,
    pub(crate) runs: Runs,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    default: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Output {
    value: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Runs {
    pub(crate) steps: Vec<ActionStep>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ActionStep {
    shell: String,
    env: BTreeMap<String, String>,
    pub(crate) run: String,
}

impl Action {
    /// Reads `.github/actions/<name>/action.yml`.
    pub(crate) fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".github/actions").join(name);
        let action: Self = serde_saphyr::from_str(&fs::read_to_string(path.join("action.yml")).unwrap()).unwrap();
        Self { path, ..action }
    }

    /// Runs the steps of the action in the job of `step`. `path` comes before the `PATH` of this process.
    pub(crate) fn run(&self, step: &Step, inputs: &[(&str, &str)], path: &[PathBuf]) -> Ran {
        let given: BTreeMap<_, _> = inputs.iter().copied().collect();
        assert!(given.keys().all(|name| self.inputs.contains_key(*name)), "{given:?}");
        let value = |name: &str| {
            let default = self.inputs[name].default.clone().unwrap_or_default();
            given.get(name).map_or(default, |value| (*value).to_owned())
        };
        let paths = step.folder().join("path");
        let (mut code, mut log, mut errors) = (0, String::new(), String::new());
        for run in &self.runs.steps {
            assert_eq!(run.shell, "bash");
            let script = step.folder().join("script.sh");
            fs::write(&script, &run.run).unwrap();
            let mut command = Command::new("bash");
            step.describe_to(command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(&script));
            command.envs(run.env.iter().map(|(name, text)| (name, evaluated(text, &value))));
            command.env("GITHUB_ACTION_PATH", &self.path).env("GITHUB_PATH", &paths);
            command.env("RUNNER_TEMP", step.folder()).env("PATH", search_path(&paths, path));
            let output = command.output().unwrap();
            log += &String::from_utf8_lossy(&output.stdout);
            errors += &String::from_utf8_lossy(&output.stderr);
            code = output.status.code().unwrap();
            if code != 0 {
                break;
            }
        }
        fs::write(step.folder().join("stdout"), log).unwrap();
        fs::write(step.folder().join("stderr"), errors).unwrap();
        for (name, output) in &self.outputs {
            assert_eq!(output.value, format!("${{{{ steps.berth.outputs.{name} }}}}"));
        }
        step.ended(code)
    }
}

/// The `PATH` of a step: folders that earlier steps have added, then those of the job.
fn search_path(added: &PathBuf, path: &[PathBuf]) -> OsString {
    let added = fs::read_to_string(added).unwrap_or_default();
    let own = env::var_os("PATH").unwrap_or_default();
    let all = added.lines().map(PathBuf::from).chain(path.iter().cloned()).chain(env::split_paths(&own));
    env::join_paths(all).unwrap()
}

/// A text with its expressions evaluated. The actions have two kinds of them.
fn evaluated(text: &str, value: &impl Fn(&str) -> String) -> String {
    let mut parts = text.split("${{ ");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once(" }}").unwrap();
        let (input, then) = expression.split_once(" && ").unwrap_or((expression, ""));
        let value = value(input.strip_prefix("inputs.").unwrap());
        whole += if value.is_empty() || then.is_empty() { &value } else { then.trim_matches('\'') };
        whole += rest;
    }
    whole
}

//! Jobs: `act` runs the workflow file that the documentation prints, with the build action mapped to a local folder.

use std::{
    env, fs, iter,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    github::JobToken,
    machine::{folders, process},
    parts::{self, Part},
};

/// The page with the workflow file, and the line that comes before its block.
const ACTIONS: &str = ".github/actions";
const PAGE: &str = ".github/actions/MOVING.md";
const AFTER: &str = "<!-- the workflow file -->\n\n```yaml\n";

/// The repositories of actions, as the workflow file names them.
const BUILD: &str = "acme/build@v1";
const BERTH: &str = "acme/berth@v0";

/// An action that has built already: the lab's registry has the image.
const BUILT: &str = "name: build
description: Names the image that the lab has built
outputs:
  image: { description: The pushed reference, value: \"${{ steps.built.outputs.image }}\" }
inputs:
  commit: { description: The commit to build, required: true }
runs:
  using: composite
  steps:
    - { id: built, shell: bash, run: 'echo \"image=$LAB_IMAGE\" >> \"$GITHUB_OUTPUT\"' }
";

/// A checkout of the repository, and what a runner brings.
pub(super) struct Runner {
    act: PathBuf,
    repository: PathBuf,
    build: PathBuf,
    /// A repository with berth's actions alone: act reads all of it into memory.
    actions: PathBuf,
    home: PathBuf,
    berth: PathBuf,
}

/// A run of the workflow file.
pub(super) struct Run<'a> {
    pub(super) event: &'a str,
    pub(super) payload: &'a Value,
    pub(super) run_id: u64,
    /// The commit that the checkout is at.
    pub(super) checkout: &'a str,
    /// The image that the build action names.
    pub(super) image: &'a str,
    pub(super) token: JobToken,
    pub(super) hooks_url: &'a str,
}

/// The end of a run.
pub(super) struct Ended {
    pub(super) is_success: bool,
    pub(super) text: String,
}

impl Runner {
    pub(super) fn new(folder: &Path, berth: &Path) -> Result<Self> {
        let act = parts::ensure(&[Part::Act])?.remove(Part::Act.program()).context("looking for act")?;
        let repository = folders::make(folder.join("repository"))?;
        let workflows = folders::make(repository.join(".github/workflows"))?;
        fs::write(workflows.join("deploy.yaml"), workflow_file()?)?;
        let build = folders::make(folder.join("build"))?;
        fs::write(build.join("action.yml"), BUILT)?;
        let actions = folder.join("berth");
        process::output(
            Command::new("cp")
                .arg("-r")
                .arg(folders::workspace().join(ACTIONS))
                .arg(folders::make(actions.join(".github"))?),
        )?;
        Ok(Self { act, repository, build, actions, home: folders::make(folder.join("home"))?, berth: berth.to_owned() })
    }

    /// Begins a run.
    pub(super) fn begin(&self, run: &Run<'_>) -> Result<Child> {
        self.check_out(run.checkout)?;
        let event = self.home.join(format!("event-{}.json", run.run_id));
        fs::write(&event, run.payload.to_string())?;
        let mut act = Command::new(&self.act);
        act.current_dir(&self.repository).arg(run.event).arg("--eventpath").arg(event);
        act.args(["--platform", "ubuntu-latest=-self-hosted", "--action-offline-mode", "--no-cache-server"]);
        act.args(["--actor", "octocat", "--var", &format!("BERTH_HOOKS_URL={}", run.hooks_url)]);
        act.arg("--local-repository").arg(format!("{BUILD}={}", self.build.display()));
        act.arg("--local-repository").arg(format!("{BERTH}={}", self.actions.display()));
        act.arg("--env-file").arg(self.environment(run)?);
        act.env("HOME", &self.home).env("PATH", self.path()?).env_remove("XDG_CACHE_HOME");
        act.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        act.spawn().context("running act")
    }

    /// Runs to the end.
    pub(super) fn run(&self, run: &Run<'_>) -> Result<Ended> {
        Ended::of(self.begin(run)?)
    }

    /// Puts the checkout at a commit. `act` reads the name alone, so no objects are needed.
    fn check_out(&self, commit: &str) -> Result<()> {
        let git = self.repository.join(".git");
        folders::make(git.join("objects"))?;
        let heads = folders::make(git.join("refs/heads"))?;
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(git.join("config"), "[core]\n\trepositoryformatversion = 0\n")?;
        fs::write(heads.join("main"), format!("{commit}\n")).context("writing the checkout's commit")
    }

    /// Writes the variables that GitHub sets for a job.
    fn environment(&self, run: &Run<'_>) -> Result<PathBuf> {
        let file = self.home.join(format!("env-{}", run.run_id));
        let variables = [
            ("GITHUB_RUN_ID", run.run_id.to_string()),
            ("GITHUB_REPOSITORY", "acme/web".to_owned()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", run.token.request_url.clone()),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", run.token.request_token.clone()),
            ("LAB_IMAGE", run.image.to_owned()),
        ];
        let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs::write(&file, lines)?;
        Ok(file)
    }

    /// The PATH with `berth`, which the actions take from there.
    fn path(&self) -> Result<std::ffi::OsString> {
        let folder = self.berth.parent().context("looking for berth")?.to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        Ok(env::join_paths(iter::once(folder).chain(env::split_paths(&path)))?)
    }
}

impl Ended {
    /// Waits for the end of a run.
    pub(super) fn of(run: Child) -> Result<Self> {
        let output = run.wait_with_output().context("running act")?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok(Self { is_success: output.status.success(), text })
    }

    /// Checks how the run ended, and the output `outcome` of its step. Returns the lines that berth wrote into the log.
    pub(super) fn expect(&self, is_success: bool, outcome: &str) -> Result<String> {
        let says = format!("outcome={outcome}");
        ensure!(self.is_success == is_success && self.text.contains(&says), "expected {says}:\n{}", self.text);
        Ok(self.lines())
    }

    /// The lines of the steps, without act's own.
    fn lines(&self) -> String {
        let of_steps = self.text.lines().filter_map(|line| line.split_once("  | ").map(|(_, said)| said));
        let lines: Vec<_> = of_steps.filter(|line| !line.trim().is_empty()).collect();
        lines.join("\n")
    }
}

/// The workflow file, as the page prints it.
fn workflow_file() -> Result<String> {
    let page = folders::workspace().join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let (_, rest) = text.split_once(AFTER).with_context(|| format!("looking for the workflow file in {PAGE}"))?;
    let (file, _) =
        rest.split_once("```\n").with_context(|| format!("looking for the workflow file's end in {PAGE}"))?;
    Ok(file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflow_file_of_the_page_uses_both_actions() {
        let file = workflow_file().unwrap();
        for name in [BUILD, "acme/berth/.github/actions/preview@v0", "acme/berth/.github/actions/release@v0"] {
            assert!(file.contains(&format!("uses: {name}")), "{file}");
        }
    }
}

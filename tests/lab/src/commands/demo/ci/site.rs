//! The parties of the demo: the stand-in for GitHub, two `berth hooks`, a worker that reports, and a runner of jobs.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::runner::Runner;
use crate::{
    commands::person::Person,
    github::{GithubServer, REPOSITORY},
    life::{
        state::State,
        worker::{self, WORKER},
    },
    machine::{folders, ports, process},
};

/// Generous: a report follows a change within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// More than GitHub allows for long, so that the demo is quick.
const WRITES_PER_SECOND: &str = "5";

pub(super) struct Site<'a> {
    pub(super) person: Person,
    pub(super) state: &'a State,
    pub(super) github: GithubServer,
    pub(super) runner: Runner,
    hooks: BTreeMap<&'static str, Process>,
    _worker: Process,
}

/// A process of the demo. Dropped, it ends.
struct Process {
    child: Child,
    url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        process::kill(&mut self.child);
    }
}

impl<'a> Site<'a> {
    pub(super) fn start(state: &'a State, berth: PathBuf) -> Result<Self> {
        let folder = folders::data(&state.name)?.join("ci");
        let _ = fs::remove_dir_all(&folder);
        let folder = folders::make(folder)?;
        let github = GithubServer::start()?;
        let secret = random_secret()?;
        fs::write(folder.join("webhook-secret"), &secret)?;
        fs::write(folder.join("github.pem"), github.app().1)?;
        let key = folder.join("signing-key");
        let person = Person::new(state, berth.clone());
        let public_key = process::output(person.berth().args(["hooks", "new-key"]).arg(&key))?;
        fs::write(folder.join("proof-keys"), public_key)?;

        let mut hooks = BTreeMap::new();
        for kind in ["previews", "production"] {
            hooks.insert(kind, start_hooks(state, &berth, &folder, kind, &github.url())?);
        }
        let worker = start_worker(state, &berth, &folder, &github)?;
        github.send_webhooks(&format!("{}/hooks/github", hooks["previews"].url), &secret);
        let runner = Runner::new(&folder, &berth)?;
        Ok(Self { person, state, github, runner, hooks, _worker: worker })
    }

    /// The URL of the hooks of a kind.
    pub(super) fn hooks_url(&self, kind: &str) -> &str {
        self.hooks.get(kind).map_or("", |hooks| &hooks.url)
    }

    pub(super) fn hooks_urls(&self) -> String {
        self.hooks.iter().map(|(kind, hooks)| format!("{kind} at {}", hooks.url)).collect::<Vec<_>>().join(", ")
    }

    /// Checks the GitHub App as its owner would.
    pub(super) fn doctor(&self) -> Result<String> {
        let mut berth = self.person.berth();
        berth.args(["github", "doctor", "--all", "--apps"]).arg(&self.state.apps_dir);
        let folder = folders::data(&self.state.name)?.join("ci");
        report_to(&mut berth, &self.github, &folder);
        Ok(process::output(&mut berth)?.trim().to_owned())
    }

    /// The comment that berth keeps in a pull request.
    pub(super) fn comment(&self, pull: u64) -> Option<String> {
        let own = self.github.bot();
        let mut comments = self.github.comments(REPOSITORY, pull).into_iter();
        comments.find(|comment| comment.author == own && comment.body.contains("\n### ")).map(|comment| comment.body)
    }

    /// Waits until berth's comment has a text. Returns it.
    pub(super) fn await_comment(&self, pull: u64, text: &str) -> Result<String> {
        let has_it = || self.comment(pull).filter(|body| body.contains(text));
        self.wait(&format!("the comment in pull request {pull} says `{text}`"), has_it)
            .with_context(|| format!("the comment is: {}", self.comment(pull).unwrap_or_default()))
    }

    /// Waits until something is there.
    pub(super) fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            ensure!(Instant::now() < end, "waited for {} s until {what}", PATIENCE.as_secs());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Counts the requests by route, and checks the limit of writes.
    pub(super) fn requests(&self) -> Result<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for request in self.github.requests() {
            *counts.entry(format!("{:6} {}", request.method, request.route)).or_default() += 1;
        }
        let busiest = self.github.busiest(Duration::from_secs(60));
        let lines: Vec<_> = counts.iter().map(|(route, count)| format!("{count:4} {route}")).collect();
        Ok(format!("{}\nat most {busiest} writes within a minute", lines.join("\n")))
    }
}

fn start_hooks(state: &State, berth: &Path, folder: &Path, kind: &str, github: &str) -> Result<Process> {
    let host = IpAddr::from(Ipv4Addr::LOCALHOST);
    let address = SocketAddr::new(host, ports::free(host)?);
    let url = format!("http://{address}");
    let log = state.logs.join(format!("hooks-{kind}.log"));
    let mut command = process::bound_to_parent(&state.name, berth, &log)?;
    command.args(["hooks", "--serve", kind, "--listen", &address.to_string(), "--metrics-address", "off"]);
    command.args(["--public-url", &url, "--oidc-issuer", github, "--temporal-ui", &state.temporal_ui]);
    command.arg("--apps").arg(&state.apps_dir).env("TEMPORAL_ADDRESS", &state.temporal_address);
    command.arg("--signing-key-file").arg(folder.join("signing-key"));
    command.arg("--webhook-secret-file").arg(folder.join("webhook-secret"));
    let mut child = process::spawn_from_lasting_thread(command)?;
    process::wait_until("berth hooks", &mut child, &log, PATIENCE, || process::accepts_connections(address))?;
    Ok(Process { child, url })
}

fn start_worker(state: &State, berth: &Path, folder: &Path, github: &GithubServer) -> Result<Process> {
    let log = state.logs.join(format!("{WORKER}.log"));
    let mut command = process::bound_to_parent(&state.name, berth, &log)?;
    worker::configure(&mut command, state);
    report_to(&mut command, github, folder);
    command.args(["--github-writes-per-second", WRITES_PER_SECOND, "--temporal-ui", &state.temporal_ui]);
    command.arg("--proof-keys").arg(folder.join("proof-keys"));
    Ok(Process { child: process::spawn_from_lasting_thread(command)?, url: String::new() })
}

/// Adds the flags of the GitHub App.
fn report_to(berth: &mut std::process::Command, github: &GithubServer, folder: &Path) {
    berth.args(["--github-app-id", &github.app().0.to_string(), "--github-api-url", &github.url()]);
    berth.arg("--github-key-file").arg(folder.join("github.pem"));
}

fn random_secret() -> Result<String> {
    let mut bytes = [0; 24];
    if getrandom::fill(&mut bytes).is_err() {
        bail!("the machine gives no random bytes");
    }
    Ok(STANDARD.encode(bytes))
}

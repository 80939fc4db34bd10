//! A preview with a whole environment: its developer's commands, its visitor's pages, and checks that it is gone.

use std::{net::SocketAddr, path::PathBuf, process::Child, time::Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    cluster::ingress,
    commands::{
        person::Answer,
        pull_request::{APP, PullRequest},
    },
    life::state::{Full, State},
    machine::http,
    services::postgres::{PASSWORD, USER, psql},
};

const SCRIPT: &str = "send-appointment-reminder";

/// A preview of the demo.
pub(crate) struct Preview<'a> {
    pub(crate) pull_request: PullRequest,
    ingress: SocketAddr,
    full: &'a Full,
}

impl<'a> Preview<'a> {
    pub(crate) fn new(state: &State, full: &'a Full, berth: PathBuf, number: u64) -> Self {
        let pull_request = PullRequest::new(state, berth, number);
        Self { pull_request, ingress: full.ingress, full }
    }

    pub(super) fn begin_push(&self, commit: &str, image: &str) -> Result<Child> {
        self.pull_request.begin("push", &["--commit", commit, "--image", image])
    }

    /// Pushes a commit, and waits until it is live: rolled out, with all gates passed.
    pub(crate) fn push(&self, commit: &str, image: &str) -> Result<String> {
        let begun = Instant::now();
        let live = Answer::from_output(self.begin_push(commit, image)?.wait_with_output()?)?.expect(0, "live")?;
        let url = live["url"].as_str().unwrap_or("?");
        let port = match self.ingress.port() {
            80 => String::new(),
            port => format!(" (here on port {port})"),
        };
        Ok(format!("{url}{port} for commit {}, {:.1} s after the push", &commit[..7], begun.elapsed().as_secs_f32()))
    }

    pub(super) fn steps(&self) -> Result<String> {
        step_times(&self.pull_request.rollout_steps(1)?)
    }

    /// Fetches a page by host name, as a browser does.
    pub(super) fn get(&self, host: &str, path: &str) -> Result<String> {
        let answer = http::get(self.ingress, host, path)?;
        ensure!(
            answer.status == 200,
            "{} answered {}: {}",
            ingress::url(self.ingress, host),
            answer.status,
            answer.body
        );
        Ok(answer.body)
    }

    fn get_json(&self, host: &str, path: &str) -> Result<Value> {
        let body = self.get(host, path)?;
        serde_json::from_str(&body).with_context(|| format!("reading the answer of http://{host}{path}: {body}"))
    }

    pub(super) fn host(&self) -> String {
        format!("{}.localhost", self.pull_request.namespace())
    }

    pub(super) fn ui_host(&self) -> String {
        format!("{}-temporal.localhost", self.pull_request.namespace())
    }

    pub(super) fn page(&self, commit: &str) -> Result<String> {
        let page = self.get(&self.host(), "/")?;
        ensure!(page.contains("id=\"root\""), "this is no page of React's:\n{page}");
        let version = self.get_json(&self.host(), "/api/version")?;
        ensure!(version["commit"] == commit, "it runs another commit: {version}");
        Ok(format!("{} says {version}", ingress::url(self.ingress, &self.host())))
    }

    pub(crate) fn greeting(&self) -> Result<String> {
        let greeting = self.get_json(&self.host(), "/api/greet?name=Ada")?;
        let computed_by = greeting["computed_by"].as_str().unwrap_or_default();
        let pods = self.pods("temporal")?;
        ensure!(pods.iter().any(|pod| pod == computed_by), "{greeting}, but the Temporal pods here are {pods:?}");
        Ok(greeting.to_string())
    }

    /// The names of a component's pods.
    pub(super) fn pods(&self, component: &str) -> Result<Vec<String>> {
        let selector = format!("component={component}");
        let path = "jsonpath={.items[*].metadata.name}";
        let namespace = self.pull_request.namespace();
        let names =
            self.pull_request.person.kubectl(&["get", "pods", "-n", &namespace, "-l", &selector, "-o", path])?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    pub(super) fn workflow_in_ui(&self) -> Result<String> {
        let list = self.get_json(&self.ui_host(), "/api/v1/namespaces/default/workflows")?;
        let executions = list["executions"].as_array().context("reading the list of workflows")?;
        let rows: Vec<_> = executions.iter().map(|row| (&row["type"]["name"], &row["status"])).collect();
        ensure!(rows.iter().any(|(name, _)| *name == "Greeting"), "no Greeting among {rows:?}");
        let rows: Vec<_> = rows.iter().map(|(name, status)| format!("{name} {status}")).collect();
        Ok(format!("{} lists {}", ingress::url(self.ingress, &self.ui_host()), rows.join(", ")))
    }

    pub(crate) fn script(&self) -> Result<String> {
        let run = self.pull_request.run_script(SCRIPT)?;
        ensure!(run.code == Some(0), "berth preview run {APP} {} {SCRIPT}: {run:?}", self.pull_request.number);
        let events = self.get(&self.host(), "/api/events")?;
        ensure!(events.contains("reminder"), "the page shows no row of the script's: {events}");
        Ok(format!("{}\nthe page shows {}", run.text.trim(), events.trim()))
    }

    pub(super) fn objects(&self, other: &Self) -> Result<String> {
        let of = |preview: &Self| {
            let kinds = "pods,services,ingresses,networkpolicies";
            preview.pull_request.person.kubectl(&["get", kinds, "-n", &preview.pull_request.namespace()])
        };
        Ok(format!("{}\n{}", of(self)?, of(other)?))
    }

    /// The memory of each container, as the kubelet counts it.
    pub(super) fn memory(&self) -> Result<String> {
        let summary = self.pull_request.person.kubectl(&["get", "--raw", "/api/v1/nodes/lab/proxy/stats/summary"])?;
        let summary: Value = serde_json::from_str(&summary)?;
        let pods = summary["pods"].as_array().context("reading the node's summary")?;
        let ours = pods.iter().filter(|pod| pod["podRef"]["namespace"] == self.pull_request.namespace());
        let containers = ours.flat_map(|pod| pod["containers"].as_array().into_iter().flatten());
        let lines = containers.map(|container| {
            let megabytes = container["memory"]["rssBytes"].as_f64().unwrap_or_default() / 1e6;
            format!("{} {megabytes:.0} MB", container["name"].as_str().unwrap_or_default())
        });
        Ok(lines.collect::<Vec<_>>().join(", "))
    }

    fn sql(&self, sql: &str) -> Result<String> {
        psql(self.full.postgres, (USER, PASSWORD), "postgres", sql)
    }

    /// The databases and roles, without those that every server has.
    pub(super) fn databases(&self) -> Result<String> {
        let databases = self.sql("select datname from pg_database where not datistemplate order by 1")?;
        let roles = self.sql("select rolname from pg_roles where rolname !~ '^pg_' order by 1")?;
        let line = |rows: &str| rows.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(format!("databases: {}\nroles: {}", line(&databases), line(&roles)))
    }

    pub(super) fn no_database(&self) -> Result<String> {
        let left = self.databases()?;
        ensure!(left == format!("databases: postgres\nroles: {USER}"), "still there: {left}");
        Ok(left)
    }

    pub(super) fn no_namespace(&self) -> Result<String> {
        let selector = format!("berth.dev/app={APP}");
        let left =
            self.pull_request.person.kubectl(&["get", "namespaces", "--selector", &selector, "--output", "name"])?;
        ensure!(left.trim().is_empty(), "still there: {left}");
        Ok(format!("kubectl get namespaces --selector {selector}: none"))
    }
}

/// The steps of a rollout on one line, each with its time.
pub(crate) fn step_times(steps: &Value) -> Result<String> {
    let all = steps.as_array().context("reading the rollout's steps")?;
    let line = |step: &Value| {
        let seconds = step["ms"].as_f64().unwrap_or_default() / 1e3;
        format!("{} {seconds:.1} s", step["step"].as_str().unwrap_or_default())
    };
    Ok(all.iter().map(line).collect::<Vec<_>>().join(", "))
}

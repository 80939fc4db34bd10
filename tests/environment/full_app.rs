//! A pull request of the full sample app: its own Doppler and worker on the full lab, and what a person would look at.

use std::{collections::BTreeMap, fs, path::Path};

use berth_lab::{DopplerServer, Lab};
use berth_test_support::{Berth, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BERTH, places::Places};

/// The project and config that the token in berth's namespace opens.
const CONFIG: (&str, &str) = ("web", "preview");

/// A pull request of the full sample app.
pub(crate) struct Environment {
    pub(crate) berth: Berth,
    pub(crate) pr: u64,
    doppler: DopplerServer,
    /// The test's own folder of apps, if its worker does not read the lab's.
    apps: Option<TempDir>,
    _places: Places,
}

impl Environment {
    /// Starts it with these values in Doppler. Other tests run beside it.
    pub(crate) fn start(pr: u64, values: &[(&str, &str)]) -> Self {
        Self::on(Places::take(1), pr, values, None)
    }

    /// Starts it while no other test runs: for a test that measures times or stops a part of the lab.
    pub(crate) fn alone(pr: u64, values: &[(&str, &str)]) -> Self {
        Self::on(Places::take(Places::ALL), pr, values, None)
    }

    /// Starts it with these lines at the end of the app file, which ends with `preview`.
    pub(crate) fn with_lines(pr: u64, lines: &str) -> Self {
        let environment = Self::on(Places::take(1), pr, &[], Some(tempfile::tempdir().unwrap()));
        environment.set_lines(lines);
        environment
    }

    fn on(places: Places, pr: u64, values: &[(&str, &str)], apps: Option<TempDir>) -> Self {
        let lab = Lab::full().unwrap();
        let doppler = DopplerServer::start().unwrap();
        doppler.put(CONFIG.0, CONFIG.1, values);
        let berth = serve(&lab, pr, &doppler, apps.as_ref().map_or_else(|| lab.apps_dir(), TempDir::path));
        Self { berth, pr, doppler, apps, _places: places }
    }

    /// Sets those lines for the next rollout.
    pub(crate) fn set_lines(&self, lines: &str) {
        let app = fs::read_to_string(self.berth.lab.apps_dir().join("web.yaml")).unwrap();
        fs::write(self.apps.as_ref().unwrap().path().join("web.yaml"), app + lines).unwrap();
    }

    /// Replaces the worker by one that is not told the ingress controller's address.
    pub(crate) fn forget_ingress_address(&mut self) {
        let (apps, doppler) = (self.apps.as_ref().unwrap().path().to_owned(), self.doppler.url());
        self.berth.restart_worker(|worker| {
            worker.env("BERTH_APPS", apps).env("DOPPLER_API_HOST", doppler).env_remove("BERTH_INGRESS_ADDRESS");
        });
    }

    /// Another pull request, beside this one and with the same secrets.
    pub(crate) fn beside(&self, pr: u64) -> Berth {
        serve(&self.berth.lab, pr, &self.doppler, self.berth.lab.apps_dir())
    }

    /// Pushes a version of the sample app, which must become live.
    pub(crate) fn live(&self, digit: char, version: &str) {
        live(&self.berth, digit, version);
    }

    /// The host name of the page.
    pub(crate) fn host(&self) -> String {
        host(self.pr)
    }

    /// The app's answer, through the ingress controller.
    pub(crate) fn api(&self, path: &str) -> Value {
        api(&self.berth.lab, self.pr, path)
    }

    /// Signals `redeploy`, and waits until that rollout has ended.
    pub(crate) fn redeploy(&self) -> Value {
        let rollouts = || self.berth.status()["rollouts"].as_array().map_or(0, Vec::len);
        let before = rollouts();
        let id = format!("preview-web-{}", self.pr);
        self.berth.temporal(&["workflow", "signal", "--workflow-id", &id, "--name", "redeploy"]);
        until("rolled out once more", || rollouts() > before);
        self.berth.status()
    }

    /// Changes Doppler's values, and redeploys until the environment has them. A worker does not ask Doppler again within
    /// five seconds.
    pub(crate) fn redeploy_with(&self, values: &[(&str, &str)]) -> Value {
        let namespace = format!("pr-{}", self.pr);
        let secrets = ["get", "secrets", "-n", &namespace, "-l", "berth.dev/content=secrets", "-o", "name"];
        // The status has those of what serves. A release that does not start has a Secret all the same.
        let version = || (self.berth.status()["secrets"]["version"].clone(), self.berth.kubectl(&secrets));
        let before = version();
        self.doppler.put(CONFIG.0, CONFIG.1, values);
        let mut status = Value::Null;
        until("the new values have arrived", || {
            status = self.redeploy();
            version() != before
        });
        status
    }

    /// The UIDs of its pods by name. If they are equal before and after, no pod was replaced.
    pub(crate) fn pods(&self) -> BTreeMap<String, String> {
        pods(&self.berth.lab, self.pr)
    }

    /// The value of a variable in a running container.
    pub(crate) fn given(&self, container: &str, variable: &str) -> String {
        let deployment = if container == "web" { "web" } else { "temporal" };
        let target = format!("deployment/web-pr-{}-{deployment}", self.pr);
        let print = format!("import os; print(os.environ.get('{variable}', ''))");
        let namespace = format!("pr-{}", self.pr);
        self.berth.kubectl(&["exec", "-n", &namespace, &target, "-c", container, "--", "python", "-c", &print])
    }
}

fn serve(lab: &Lab, pr: u64, doppler: &DopplerServer, apps: &Path) -> Berth {
    Berth::on(lab.clone(), BERTH, ("web", pr), |worker| {
        worker.env("BERTH_APPS", apps).env("DOPPLER_API_HOST", doppler.url());
    })
}

pub(crate) fn live(berth: &Berth, digit: char, version: &str) {
    let answer = berth.push(digit, &berth.lab.image(version), &[]);
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
}

pub(crate) fn host(pr: u64) -> String {
    format!("pr-{pr}.localhost")
}

pub(crate) fn api(lab: &Lab, pr: u64, path: &str) -> Value {
    let (status, body) = lab.get(&host(pr), path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|_| json!(body))
}

pub(crate) fn pods(lab: &Lab, pr: u64) -> BTreeMap<String, String> {
    let columns = "custom-columns=:.metadata.name,:.metadata.uid";
    let listed = lab.kubectl(&["get", "pods", "-n", &format!("pr-{pr}"), "-o", columns, "--no-headers"]).unwrap();
    let pair = |line: &str| line.split_once(' ').map(|(name, uid)| (name.to_owned(), uid.trim().to_owned()));
    listed.lines().filter_map(pair).collect()
}

/// The databases and roles of the server, without those that each server has and those of other previews.
pub(crate) fn databases_and_roles(lab: &Lab, pr: u64) -> Vec<String> {
    let query = "SELECT datname::text FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'
                 UNION ALL SELECT rolname || ' (role)' FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres' ORDER BY 1";
    let own = format!("web_pr_{pr}");
    let names = lab.psql("postgres", query).unwrap();
    names.lines().filter(|name| !name.starts_with("web_pr_") || name.starts_with(&own)).map(str::to_owned).collect()
}

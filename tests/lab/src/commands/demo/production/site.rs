//! Production of the sample app, driven with `berth production` and `kubectl` as its team would.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    cluster::ingress,
    commands::{
        demo::preview::step_times,
        person::{Answer, Person},
        pull_request::APP,
    },
    life::state::{Full, State},
    machine::http,
    services::postgres::{PASSWORD, USER, psql},
};

pub(crate) const NAMESPACE: &str = "web-production";
pub(crate) const HOST: &str = "web.localhost";
pub(crate) const UI_HOST: &str = "web-temporal.localhost";
/// The person who merges, approves and rolls back.
const PERSON: &str = "octocat";
/// The longest wait of a command: far more than a rollout takes.
const PATIENCE: &str = "3m";
/// The role and the databases of production. berth makes none.
const ROLE: &str = "web";
pub(super) const DATABASE: &str = "web_production";

/// A commit of the main branch, with its image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) number: u64,
    pub(crate) commit: &'static str,
    pub(crate) variant: &'static str,
}

/// Production of the sample app.
pub(crate) struct Site<'a> {
    pub(crate) person: Person,
    pub(crate) state: &'a State,
    full: &'a Full,
}

impl<'a> Site<'a> {
    pub(crate) fn new(state: &'a State, full: &'a Full, berth: PathBuf) -> Self {
        Self { person: Person::new(state, berth), state, full }
    }

    /// Runs `berth production <verb> web … --output json`.
    pub(crate) fn berth(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        let mut berth = self.person.berth();
        berth.args(["production", verb, APP, "--output", "json"]).args(arguments);
        Answer::from_output(berth.output().context("running berth")?)
    }

    /// Runs a verb that needs a person's name.
    pub(crate) fn berth_by(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        self.berth(verb, &[&["--by", PERSON], arguments].concat())
    }

    /// Runs a verb that waits.
    pub(crate) fn await_berth(&self, verb: &str, arguments: &[&str]) -> Result<Answer> {
        self.berth(verb, &[&["--timeout", PATIENCE], arguments].concat())
    }

    /// Hands a merged commit in, and waits until it is live or it is clear why it will not be.
    pub(crate) fn release(&self, merge: Merge) -> Result<Answer> {
        let image = self.image(merge)?;
        let sequence = (1000 + merge.number).to_string();
        let release = ["--commit", merge.commit, "--image", image, "--sequence", &sequence, "--author", PERSON];
        self.await_berth("release", &release)
    }

    pub(super) fn image(&self, merge: Merge) -> Result<&str> {
        let image = self.state.images.get(merge.variant).map(String::as_str);
        image.with_context(|| format!("looking for the image {}", merge.variant))
    }

    /// Releases a merged commit, which must go live, and looks at its page.
    pub(crate) fn goes_live(&self, merge: Merge) -> Result<String> {
        self.release(merge)?.expect(0, "live")?;
        self.serves(merge)
    }

    /// Waits for the release of a merged commit, which must go live, and looks at its page.
    pub(crate) fn wait_until_live(&self, merge: Merge) -> Result<String> {
        self.await_berth("wait", &["--release", &merge.number.to_string()])?.expect(0, "live")?;
        self.serves(merge)
    }

    /// Waits until the status meets a condition. Answers it.
    pub(crate) fn wait_until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_until_status(&self.person, what, is)
    }

    /// See [`make_namespace`].
    pub(crate) fn make_namespace(&self) -> Result<String> {
        make_namespace(&self.person)
    }

    /// Makes the role and databases of production, and of the rollout by hand beside it. Their names go into Doppler.
    pub(crate) fn make_databases(&self, by_hand: &str) -> Result<String> {
        self.sql(&format!("create role {ROLE} login password '{PASSWORD}'"))?;
        let names: Vec<_> = [DATABASE, by_hand].into_iter().flat_map(databases).collect();
        for name in &names {
            self.sql(&format!("create database {name} owner {ROLE}"))?;
        }
        self.set_greeting("Hello")?;
        Ok(format!("databases {}\nDoppler's config production has their names", names.join(", ")))
    }

    fn sql(&self, sql: &str) -> Result<String> {
        psql(self.full.postgres, (USER, PASSWORD), "postgres", sql)
    }

    /// Changes a secret in Doppler. The others stay.
    pub(crate) fn set_greeting(&self, greeting: &str) -> Result<()> {
        let mut values = self.database_values();
        values.insert("GREETING", greeting.to_owned());
        values.insert("API_KEY", "lab-canary-api-key".to_owned());
        let doppler: SocketAddr = self.state.doppler_url.trim_start_matches("http://").parse()?;
        let answer = http::put(doppler, "/lab/configs/web/production", &json!(values))?;
        ensure!(answer.status == 204, "the Doppler stand-in answered {}: {}", answer.status, answer.body);
        Ok(())
    }

    fn database_values(&self) -> BTreeMap<&'static str, String> {
        let address = self.full.postgres;
        let [app, temporal, visibility] = databases(DATABASE);
        BTreeMap::from([
            ("DATABASE_URL", format!("postgresql://{ROLE}:{PASSWORD}@{address}/{app}?sslmode=require")),
            ("DATABASE_HOST", address.ip().to_string()),
            ("DATABASE_PORT", address.port().to_string()),
            ("DATABASE_USER", ROLE.to_owned()),
            ("DATABASE_PASSWORD", PASSWORD.to_owned()),
            ("DATABASE_NAME", app),
            ("DATABASE_TLS", "true".to_owned()),
            ("TEMPORAL_DATABASE_NAME", temporal),
            ("TEMPORAL_VISIBILITY_DATABASE_NAME", visibility),
        ])
    }

    /// Sets whether a release waits for a person, in the app file that the platform team owns.
    pub(crate) fn set_approval(&self, approval: &str) -> Result<()> {
        let file = self.state.apps_dir.join("web.yaml");
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let line = |line: &str| match line.trim_start().starts_with("approval:") {
            true => format!("  approval: {approval}\n"),
            false => format!("{line}\n"),
        };
        let text: String = text.lines().map(line).collect();
        ensure!(text.contains(&format!("  approval: {approval}\n")), "{} has no approval", file.display());
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    }

    /// The time of each step of a rollout.
    pub(super) fn steps(&self, rollout: u64) -> Result<String> {
        let id = format!("production-{APP}-rollout-{rollout}");
        let result = self.person.temporal(&["workflow", "result", "--workflow-id", &id])?;
        step_times(&result["result"]["steps"])
    }

    /// The address through which visitors come.
    pub(crate) fn ingress(&self) -> SocketAddr {
        self.full.ingress
    }

    fn get_json(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.full.ingress, HOST, path)?;
        ensure!(answer.status == 200, "http://{HOST}{path} answered {}: {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).with_context(|| format!("reading http://{HOST}{path}: {}", answer.body))
    }

    /// Checks that the page is a release's.
    pub(crate) fn serves(&self, merge: Merge) -> Result<String> {
        let version = self.get_json("/api/version")?;
        ensure!(version["commit"] == merge.commit, "it runs another commit than {}: {version}", merge.commit);
        let page = ingress::url(self.full.ingress, HOST);
        Ok(format!("{page} answers for commit {} of release {}", short(merge.commit), merge.number))
    }

    /// A greeting, which the python-worker computes with Temporal and with the secret `GREETING` that its pod has.
    pub(crate) fn greeting(&self) -> Result<String> {
        let greeting = self.get_json("/api/greet?name=Ada")?["greeting"].take();
        Ok(greeting.as_str().context("the page has no greeting")?.to_owned())
    }
}

/// Makes and labels production's namespace, with the commands that berth prints.
pub(crate) fn make_namespace(person: &Person) -> Result<String> {
    let is_missing = |status: &Value| trouble(status).contains("kubectl create namespace");
    let status = wait_until_status(person, "it asks for the namespace", is_missing)?;
    let said = trouble(&status);
    let begin = said.find("kubectl create namespace").context("looking for the command")?;
    let command = said[begin..].trim_end_matches(')');
    person.shell(command)?;
    wait_until_status(person, "the namespace is found", |status| {
        status["phase"] == "AwaitingRelease" && trouble(status).is_empty()
    })?;
    Ok(format!("status says: {}\n$ {}", &said[..begin].trim_end_matches(" ("), command.replace(" && ", "\n$ ")))
}

fn wait_until_status(person: &Person, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    person.wait_until(&["production", "status", APP], what, is)
}

/// Why the current step of production is tried again.
fn trouble(status: &Value) -> String {
    status["trouble"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn databases(name: &str) -> [String; 3] {
    [name.to_owned(), format!("{name}_temporal"), format!("{name}_visibility")]
}

pub(crate) fn short(commit: &str) -> &str {
    &commit[..7]
}

//! Check runs.

use axum::{body::Bytes, extract::State, http::Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, created, ok},
    caller::{Caller, Visit},
    pages,
    repositories::Repository,
    state,
};

/// GitHub's limit for an output's summary and text, in characters.
const LONGEST: usize = 65_535;
const STATUSES: [&str; 6] = ["queued", "in_progress", "completed", "waiting", "requested", "pending"];
const CONCLUSIONS: [&str; 8] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"];

/// A check run as the stand-in keeps it.
#[derive(Debug, Clone, Default)]
pub struct CheckRun {
    pub id: u64,
    pub head: String,
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub external_id: String,
    pub details_url: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
    pub started_at: Option<String>,
    pub completed_at: Option<String>,
}

impl CheckRun {
    /// The suite's id: one for each commit, since there is one App.
    pub(super) fn suite(&self) -> u64 {
        let digits = self.head.get(..8).unwrap_or_default();
        7_000_000_000 + u64::from(u32::from_str_radix(digits, 16).unwrap_or_default())
    }

    pub(super) fn json(&self, state: &state::State, repository: &Repository) -> Value {
        let url = format!("{}/check-runs/{}", repository.url(&state.base), self.id);
        let page = format!("{}/{}/runs/{}", state.base, repository.full_name(), self.id);
        json!({
            "id": self.id, "node_id": format!("CR_{}", self.id), "head_sha": self.head, "name": self.name,
            "url": url, "html_url": page, "details_url": self.details_url.as_ref().unwrap_or(&page),
            "external_id": self.external_id, "status": self.status, "conclusion": self.conclusion,
            "started_at": self.started_at, "completed_at": self.completed_at, "check_suite": {"id": self.suite()},
            "app": state.app.json(state), "pull_requests": self.pulls(state, repository),
            "output": {
                "title": self.title, "summary": self.summary, "text": self.text,
                "annotations_count": 0, "annotations_url": format!("{url}/annotations"),
            },
        })
    }

    /// The open pull requests of the commit, as far as a check run names them.
    pub(super) fn pulls(&self, state: &state::State, repository: &Repository) -> Vec<Value> {
        let url = repository.url(&state.base);
        let of = json!({"id": repository.id, "url": url, "name": repository.name});
        let is_own = |pull: &&super::Pull| pull.is_open && pull.head == self.head;
        let minimal = |pull: &super::Pull| {
            json!({
                "id": pull.id, "number": pull.number, "url": format!("{url}/pulls/{}", pull.number),
                "head": {"ref": pull.branch, "sha": pull.head, "repo": of},
                "base": {"ref": pull.base, "sha": repository.commit(&pull.base), "repo": of},
            })
        };
        repository.pulls.values().filter(is_own).map(minimal).collect()
    }

    /// Takes what a request says. `completed` needs a conclusion, and a conclusion completes.
    fn change(&mut self, change: Change, now: &str) -> Result<(), Refusal> {
        let invalid = |field| Refusal::invalid("CheckRun", field, "invalid", None);
        let one_of =
            |value: &Option<String>, known: &[&str]| value.as_ref().is_none_or(|value| known.contains(&value.as_str()));
        if !one_of(&change.status, &STATUSES) {
            return Err(invalid("status"));
        }
        if !one_of(&change.conclusion, &CONCLUSIONS) {
            return Err(invalid("conclusion"));
        }
        let is_completed = change.conclusion.is_some() || change.status.as_deref() == Some("completed");
        if is_completed && change.conclusion.is_none() && self.conclusion.is_none() {
            return Err(Refusal::invalid("CheckRun", "conclusion", "missing_field", None));
        }
        if let Some(output) = change.output {
            self.show(output)?;
        }
        let status = if is_completed { Some("completed".to_owned()) } else { change.status };
        if status.as_deref().is_some_and(|status| status != "completed") {
            self.conclusion = None;
            self.completed_at = None;
        }
        if is_completed {
            self.conclusion = change.conclusion.or_else(|| self.conclusion.take());
            self.completed_at = change.completed_at.or_else(|| Some(now.to_owned()));
        }
        self.status = status.unwrap_or_else(|| std::mem::take(&mut self.status));
        self.started_at = change.started_at.or_else(|| self.started_at.take());
        self.name = change.name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.external_id = change.external_id.unwrap_or_else(|| std::mem::take(&mut self.external_id));
        self.details_url = change.details_url.or_else(|| self.details_url.take());
        Ok(())
    }

    fn show(&mut self, output: Output) -> Result<(), Refusal> {
        let summary = output.summary.ok_or_else(|| {
            Refusal::unprocessable(
                "Invalid request.\n\nNo subschema in \"anyOf\" matched.\n\"summary\" wasn't supplied.",
            )
        })?;
        let too_long = |text: &str| text.chars().count() > LONGEST;
        if too_long(&summary) || output.text.as_deref().is_some_and(too_long) {
            return Err(Refusal::unprocessable(&format!(
                "Invalid request.\n\nOnly {LONGEST} characters are allowed; more were supplied."
            )));
        }
        self.title = output.title.or_else(|| self.title.take());
        self.summary = Some(summary);
        self.text = output.text.or_else(|| self.text.take());
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    name: Option<String>,
    head_sha: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    external_id: Option<String>,
    details_url: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    output: Option<Output>,
}

#[derive(Debug, Deserialize)]
struct Output {
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
}

/// Refuses people: only an App writes check runs.
fn needs_write(state: &state::State, visit: &Visit) -> Result<(), Refusal> {
    visit.needs(state, &["checks=write"])?;
    match visit.caller {
        Caller::Installation { .. } => Ok(()),
        _ => Err(Refusal::new(axum::http::StatusCode::FORBIDDEN, "You must authenticate via a GitHub App.")),
    }
}

/// `POST /repos/{owner}/{repo}/check-runs`
pub(super) async fn create(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    needs_write(&state, &visit)?;
    let change: Change = answers::body(&bytes)?;
    let missing = |field: &str| Refusal::unprocessable(&format!("Invalid request.\n\n\"{field}\" wasn't supplied."));
    if change.name.is_none() {
        return Err(missing("name"));
    }
    let head = change.head_sha.clone().ok_or_else(|| missing("head_sha"))?;
    if !visit.repository(&state)?.commits.contains(&head) {
        return Err(Refusal::unprocessable(&format!("No commit found for SHA: {head}")));
    }
    let (id, now) = (state.new_id(), state.clock.text());
    let mut run = CheckRun { id, head, status: "queued".to_owned(), ..CheckRun::default() };
    run.started_at = Some(now.clone());
    run.change(change, &now)?;
    visit.repository_mut(&mut state)?.checks.insert(id, run.clone());
    created(&run.json(&state, visit.repository(&state)?))
}

/// `PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) async fn update(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    needs_write(&state, &visit)?;
    let (id, now) = (visit.number("check_run_id")?, state.clock.text());
    let mut run = visit.repository(&state)?.checks.get(&id).cloned().ok_or_else(Refusal::not_found)?;
    run.change(answers::body(&bytes)?, &now)?;
    visit.repository_mut(&mut state)?.checks.insert(id, run.clone());
    ok(&run.json(&state, visit.repository(&state)?))
}

/// `GET /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) async fn get(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &["checks=read"])?;
    let repository = visit.repository(&state)?;
    let run = repository.checks.get(&visit.number("check_run_id")?).ok_or_else(Refusal::not_found)?;
    ok(&run.json(&state, repository))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`, filtered by `check_name`, `status`, `app_id` and `filter`.
pub(super) async fn list(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let state = github.state();
    visit.needs(&state, &["checks=read"])?;
    let repository = visit.repository(&state)?;
    let reference = visit.text("ref")?;
    let head = repository
        .commit(reference)
        .ok_or_else(|| Refusal::unprocessable(&format!("No commit found for SHA: {reference}")))?;
    let fits = |name: &str, value: &str| visit.query(name).is_none_or(|asked| asked == value);
    let is_latest = |run: &&CheckRun| {
        let is_newer = |other: &CheckRun| other.head == run.head && other.name == run.name && other.id > run.id;
        visit.query("filter") == Some("all") || !repository.checks.values().any(is_newer)
    };
    let own = |run: &&CheckRun| run.head == head && fits("check_name", &run.name) && fits("status", &run.status);
    let runs = repository.checks.values().rev().filter(|run| own(run) && is_latest(run));
    let runs = runs.filter(|_| fits("app_id", &state.app.id.to_string()));
    let runs: Vec<_> = runs.map(|run| run.json(&state, repository)).collect();
    let total = runs.len();
    pages::answer(&state.base, repository.id, &uri, runs, |page| json!({"total_count": total, "check_runs": page}))
}

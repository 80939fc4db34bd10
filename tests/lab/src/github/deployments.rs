//! Deployments. Their statuses are in `statuses`.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::IntoResponse as _,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, created, ok},
    caller::Visit,
    pages,
    repositories::Repository,
    state,
    statuses::DeploymentStatus,
};

/// GitHub's limit for a description, in characters.
pub(super) const LONGEST: usize = 140;

/// A Deployment as the stand-in keeps it.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: u64,
    pub sha: String,
    pub reference: String,
    pub task: String,
    pub environment: String,
    pub description: Option<String>,
    pub is_transient: bool,
    pub is_production: bool,
    pub payload: Value,
    pub creator: String,
    pub created_at: String,
    pub updated_at: String,
    /// Statuses, the oldest first.
    pub statuses: Vec<DeploymentStatus>,
}

impl Deployment {
    /// The newest status' state, such as `success`; none before the first.
    pub fn state(&self) -> Option<&str> {
        self.statuses.last().map(|status| status.state.as_str())
    }

    pub(super) fn url(&self, state: &state::State, repository: &Repository) -> String {
        format!("{}/deployments/{}", repository.url(&state.base), self.id)
    }

    /// GitHub names the creator, and not the App behind it.
    fn json(&self, state: &state::State, repository: &Repository) -> Value {
        let url = self.url(state, repository);
        json!({
            "id": self.id, "node_id": format!("DE_{}", self.id), "url": url, "sha": self.sha, "ref": self.reference,
            "task": self.task, "payload": self.payload, "environment": self.environment,
            "original_environment": self.environment, "description": self.description,
            "creator": state.account(&self.creator).json(&state.base),
            "created_at": self.created_at, "updated_at": self.updated_at, "statuses_url": format!("{url}/statuses"),
            "repository_url": repository.url(&state.base), "transient_environment": self.is_transient,
            "production_environment": self.is_production, "performed_via_github_app": null,
        })
    }
}

#[derive(Debug, Deserialize)]
struct New {
    #[serde(rename = "ref")]
    reference: Option<String>,
    task: Option<String>,
    auto_merge: Option<bool>,
    required_contexts: Option<Vec<String>>,
    payload: Option<Value>,
    environment: Option<String>,
    description: Option<String>,
    transient_environment: Option<bool>,
    production_environment: Option<bool>,
}

/// `POST /repos/{owner}/{repo}/deployments`
pub(super) async fn create(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    visit.needs(&state, &["deployments=write"])?;
    let new: New = answers::body(&bytes)?;
    let reference =
        new.reference.clone().ok_or_else(|| Refusal::unprocessable("Invalid request.\n\n\"ref\" wasn't supplied."))?;
    let repository = visit.repository(&state)?;
    let no_ref = || Refusal::unprocessable(&format!("No ref found for: {reference}"));
    let sha = repository.commit(&reference).ok_or_else(no_ref)?;
    bounded("Deployment", new.description.as_deref())?;
    if let Some(answer) = merged(repository, &new, &reference)? {
        return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
    }
    check_contexts(repository, &new, &reference, &sha)?;
    let deployment = made(&mut state, &visit, new, (reference, sha));
    let answer = deployment.json(&state, visit.repository(&state)?);
    visit.repository_mut(&mut state)?.deployments.insert(deployment.id, deployment);
    created(&answer)
}

fn made(state: &mut state::State, visit: &Visit, new: New, (reference, sha): (String, String)) -> Deployment {
    let environment = new.environment.unwrap_or_else(|| "production".to_owned());
    let now = state.clock.text();
    Deployment {
        id: state.new_id(),
        sha,
        reference,
        task: new.task.unwrap_or_else(|| "deploy".to_owned()),
        description: new.description,
        is_transient: new.transient_environment.unwrap_or_default(),
        is_production: new.production_environment.unwrap_or(environment == "production"),
        environment,
        payload: new.payload.unwrap_or_else(|| json!({})),
        creator: visit.author(state),
        created_at: now.clone(),
        updated_at: now,
        statuses: Vec::new(),
    }
}

pub(super) fn bounded(resource: &str, description: Option<&str>) -> Result<(), Refusal> {
    if description.is_none_or(|text| text.chars().count() <= LONGEST) {
        return Ok(());
    }
    let message = format!("description is too long (maximum is {LONGEST} characters)");
    Err(Refusal::invalid(resource, "description", "custom", Some(&message)))
}

/// Merges the default branch first, unless `auto_merge` is false: then no Deployment is made.
fn merged(repository: &Repository, new: &New, reference: &str) -> Result<Option<Value>, Refusal> {
    if !new.auto_merge.unwrap_or(true) {
        return Ok(None);
    }
    let base = &repository.default_branch;
    match repository.behind.get(reference) {
        None => Ok(None),
        Some(false) => Ok(Some(json!({"message": format!("Auto-merged {base} into {reference} on deployment.")}))),
        Some(true) => Err(Refusal::new(StatusCode::CONFLICT, &format!("Conflict merging {base} into {reference}."))),
    }
}

/// Refuses a commit whose checks have not passed: all of them, or those that `required_contexts` names.
fn check_contexts(repository: &Repository, new: &New, reference: &str, sha: &str) -> Result<(), Refusal> {
    let state_of = |name: &str| {
        let run = repository.checks.values().rev().find(|run| run.head == sha && run.name == name);
        match run.map(|run| run.conclusion.as_deref()) {
            Some(Some("success" | "neutral" | "skipped")) => "success",
            Some(Some(_)) => "failure",
            Some(None) | None => "pending",
        }
    };
    let all = || repository.checks.values().filter(|run| run.head == sha).map(|run| run.name.clone()).collect();
    let required: Vec<String> = new.required_contexts.clone().unwrap_or_else(all);
    let contexts: Vec<_> = required.iter().map(|name| json!({"context": name, "state": state_of(name)})).collect();
    if contexts.iter().all(|context| context["state"] == "success") {
        return Ok(());
    }
    let error = json!({
        "contexts": contexts, "resource": "Deployment", "field": "required_contexts", "code": "invalid",
    });
    let message = format!("Conflict: Commit status checks failed for {reference}.");
    Err(Refusal::new(StatusCode::CONFLICT, &message).with("errors", json!([error])))
}

/// `GET /repos/{owner}/{repo}/deployments`, filtered by `sha`, `ref`, `task` and `environment`. The newest comes first.
pub(super) async fn list(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let state = github.state();
    visit.needs(&state, &["deployments=read"])?;
    let repository = visit.repository(&state)?;
    let fits = |name: &str, value: &str| visit.query(name).is_none_or(|asked| asked == value || asked == "none");
    let wanted = |one: &&Deployment| {
        fits("sha", &one.sha)
            && fits("ref", &one.reference)
            && fits("task", &one.task)
            && fits("environment", &one.environment)
    };
    let found = repository.deployments.values().rev().filter(wanted);
    let found = found.map(|deployment| deployment.json(&state, repository)).collect();
    pages::answer(&state.base, repository.id, &uri, found, |page| page)
}

/// `GET /repos/{owner}/{repo}/deployments/{deployment_id}`
pub(super) async fn get(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &["deployments=read"])?;
    let repository = visit.repository(&state)?;
    let deployment = repository.deployments.get(&visit.number("deployment_id")?).ok_or_else(Refusal::not_found)?;
    ok(&deployment.json(&state, repository))
}

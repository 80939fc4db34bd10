//! The statuses of Deployments.

use axum::{body::Bytes, extract::State, http::Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, created},
    caller::Visit,
    deployments::{self, Deployment},
    pages,
    repositories::Repository,
    state,
};

const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

/// A Deployment's status as the stand-in keeps it.
#[derive(Debug, Clone)]
pub struct DeploymentStatus {
    pub id: u64,
    pub state: String,
    pub description: String,
    pub log_url: String,
    pub environment_url: String,
    pub environment: String,
    pub creator: String,
    pub created_at: String,
}

impl DeploymentStatus {
    fn json(&self, state: &state::State, repository: &Repository, deployment: &Deployment) -> Value {
        let url = deployment.url(state, repository);
        json!({
            "id": self.id, "node_id": format!("DES_{}", self.id), "url": format!("{url}/statuses/{}", self.id),
            "state": self.state, "description": self.description, "log_url": self.log_url, "target_url": self.log_url,
            "environment_url": self.environment_url, "environment": self.environment,
            "creator": state.account(&self.creator).json(&state.base),
            "created_at": self.created_at, "updated_at": self.created_at, "deployment_url": url,
            "repository_url": repository.url(&state.base), "performed_via_github_app": null,
        })
    }
}

#[derive(Debug, Deserialize)]
struct New {
    state: Option<String>,
    target_url: Option<String>,
    log_url: Option<String>,
    description: Option<String>,
    environment: Option<String>,
    environment_url: Option<String>,
    auto_inactive: Option<bool>,
}

/// `POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses`
pub(super) async fn create(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    visit.needs(&state, &["deployments=write"])?;
    let id = visit.number("deployment_id")?;
    let new: New = answers::body(&bytes)?;
    let kind = new.state.clone().unwrap_or_default();
    if !STATES.contains(&kind.as_str()) {
        return Err(Refusal::invalid(
            "DeploymentStatus",
            "state",
            "inclusion",
            Some("state is not included in the list"),
        ));
    }
    deployments::bounded("DeploymentStatus", new.description.as_deref())?;
    let deployment = visit.repository(&state)?.deployments.get(&id).cloned().ok_or_else(Refusal::not_found)?;
    let status = made(&mut state, &visit, &deployment, &new, &kind);
    let answer = status.json(&state, visit.repository(&state)?, &deployment);
    if kind == "success" && new.auto_inactive.unwrap_or(true) {
        retire_others(&mut state, &visit, &deployment)?;
    }
    let repository = visit.repository_mut(&mut state)?;
    let deployment = repository.deployments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    deployment.updated_at.clone_from(&status.created_at);
    deployment.statuses.push(status);
    created(&answer)
}

fn made(state: &mut state::State, visit: &Visit, of: &Deployment, new: &New, kind: &str) -> DeploymentStatus {
    DeploymentStatus {
        id: state.new_id(),
        state: kind.to_owned(),
        description: new.description.clone().unwrap_or_default(),
        log_url: new.log_url.clone().or_else(|| new.target_url.clone()).unwrap_or_default(),
        environment_url: new.environment_url.clone().unwrap_or_default(),
        environment: new.environment.clone().unwrap_or_else(|| of.environment.clone()),
        creator: visit.author(state),
        created_at: state.clock.text(),
    }
}

/// Makes the earlier successes of the same environment inactive, unless they are transient or production's.
fn retire_others(state: &mut state::State, visit: &Visit, of: &Deployment) -> Result<(), Refusal> {
    let is_retired = |one: &Deployment| {
        let is_other = one.id != of.id && one.environment == of.environment;
        is_other && !one.is_transient && !one.is_production && one.state() == Some("success")
    };
    let retired: Vec<_> =
        visit.repository(state)?.deployments.values().filter(|one| is_retired(one)).cloned().collect();
    let new = New {
        state: None,
        target_url: None,
        log_url: None,
        description: None,
        environment: None,
        environment_url: None,
        auto_inactive: None,
    };
    for deployment in retired {
        let status = made(state, visit, &deployment, &new, "inactive");
        let found = visit.repository_mut(state)?.deployments.get_mut(&deployment.id).ok_or_else(Refusal::not_found)?;
        found.statuses.push(status);
    }
    Ok(())
}

/// `GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses`. The newest comes first.
pub(super) async fn list(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let state = github.state();
    visit.needs(&state, &["deployments=read"])?;
    let repository = visit.repository(&state)?;
    let deployment = repository.deployments.get(&visit.number("deployment_id")?).ok_or_else(Refusal::not_found)?;
    let found = deployment.statuses.iter().rev().map(|status| status.json(&state, repository, deployment)).collect();
    pages::answer(&state.base, repository.id, &uri, found, |page| page)
}

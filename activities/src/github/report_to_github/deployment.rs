//! Deployments of commits, and their statuses.

use berth_workflows::contract::report::{GithubWrite, ReportInput, Reported};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ByAccount, ByApp, Identified, Myself};
use crate::{failure::Failure, github::repository::Repository};

#[derive(Debug, Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    creator: Option<ByAccount>,
    /// Null even where an App has made it.
    #[serde(default)]
    performed_via_github_app: Option<ByApp>,
}

/// The payload by which berth knows its deployment again.
fn marker(workflow: &str, task: &str, reference: &str, environment: &str) -> Value {
    json!({"berth": {"workflow": workflow, "task": task, "reference": reference, "environment": environment}})
}

/// The newest deployment of berth's own that has the marker.
fn find(known: &[Deployment], marker: &Value, myself: &Myself<'_>) -> Option<u64> {
    let is_own = |known: &&Deployment| {
        known.payload == *marker && myself.has_made(known.performed_via_github_app.as_ref(), known.creator.as_ref())
    };
    known.iter().filter(is_own).map(|own| own.id).max()
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Status {
    id: u64,
    state: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    log_url: Option<String>,
    #[serde(default)]
    environment_url: Option<String>,
}

/// Makes a deployment, unless berth has made it already: the one of that task, reference and environment.
pub(super) async fn create(repository: Repository<'_>, report: &ReportInput) -> Result<Reported, Failure> {
    let GithubWrite::Deployment { reference, environment, task, transient, production } = &report.write else {
        return Ok(Reported::default());
    };
    let parameters = [("ref", reference.as_str()), ("task", task), ("environment", environment), ("per_page", "100")];
    let answer = repository.find("/deployments", &parameters).await?;
    let known: Vec<Deployment> = answer.read("looking for the deployment")?;
    let marker = marker(&report.environment, task, reference.as_str(), environment);
    if let Some(id) = find(&known, &marker, &repository.myself().await?) {
        return Ok(Reported { id: Some(id), gone: false });
    }
    // The defaults would merge the base branch first, and wait for every check, berth's own included.
    let deployment = json!({
        "ref": reference, "environment": environment, "task": task, "transient_environment": transient,
        "production_environment": production, "auto_merge": false, "required_contexts": [], "payload": marker,
    });
    let made: Identified = repository.post("/deployments", &deployment).await?.read("making a deployment")?;
    Ok(made.into())
}

/// Sets the status of a deployment, unless the newest one says the same.
pub(super) async fn set_status(repository: Repository<'_>, write: &GithubWrite) -> Result<Reported, Failure> {
    let GithubWrite::DeploymentStatus { deployment, state, log_url, environment_url, description } = write else {
        return Ok(Reported::default());
    };
    let path = format!("/deployments/{deployment}/statuses");
    let answer = repository.find(&path, &[("per_page", "100")]).await?;
    let known: Vec<Status> = answer.read("reading the deployment's statuses")?;
    // The workflow sets earlier deployments inactive itself: the one before stays until the new one is live.
    let mut status = json!({"state": state, "description": description, "auto_inactive": false});
    let urls = [("log_url", log_url), ("environment_url", environment_url)];
    for (name, url) in urls.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?))) {
        status[name] = json!(url);
    }
    let newest = known.into_iter().max_by_key(|known| known.id);
    // GitHub shows an empty text for a URL that was not given.
    let is = |shown: &Option<String>, wanted: &Option<String>| {
        shown.as_deref().unwrap_or_default() == wanted.as_deref().unwrap_or_default()
    };
    let is_set = |newest: &Status| {
        status["state"] == newest.state.as_str()
            && newest.description.as_deref().unwrap_or_default() == description
            && is(&newest.log_url, log_url)
            && is(&newest.environment_url, environment_url)
    };
    if let Some(newest) = newest.filter(is_set) {
        return Ok(Reported { id: Some(newest.id), gone: false });
    }
    let made: Identified = repository.post(&path, &status).await?.read("setting the deployment's status")?;
    Ok(made.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployment_is_found_by_its_payload_and_its_creator() {
        let myself = Myself { id: 7, login: "berth[bot]" };
        let marker = marker("preview-web-1", "preview-web-1", "4f2a9c1", "preview");
        let found = |change: &dyn Fn(&mut Value)| {
            // As GitHub shows it: it does not name the App.
            let mut known = json!({
                "id": 42, "payload": marker, "creator": {"login": "berth[bot]", "type": "Bot"}, "performed_via_github_app": null,
            });
            change(&mut known);
            find(&[serde_json::from_value(known).unwrap()], &marker, &myself)
        };
        assert_eq!(found(&|_| {}), Some(42));
        assert_eq!(found(&|known| known["performed_via_github_app"] = json!({"id": 7})), Some(42));
        let foreign: [&dyn Fn(&mut Value); 6] = [
            &|known| known["payload"] = json!({}),
            &|known| known["payload"] = Value::Null,
            &|known| known["payload"]["berth"]["workflow"] = json!("production-web"),
            &|known| known["creator"] = json!({"login": "octocat", "type": "User"}),
            &|known| known["creator"] = Value::Null,
            &|known| known["performed_via_github_app"] = json!({"id": 8}),
        ];
        for (at, change) in foreign.into_iter().enumerate() {
            assert_eq!(found(change), None, "{at}");
        }
    }
}

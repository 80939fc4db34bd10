//! The check run of a commit.

use berth_workflows::contract::report::{GithubWrite, ReportInput, Reported};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ByApp, Identified};
use crate::{failure::Failure, github::repository::Repository};

#[derive(Debug, Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
struct CheckRun {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    app: Option<ByApp>,
}

/// Writes the check run: the one of that id, else berth's own of that external id, else a new one.
pub(super) async fn write(repository: Repository<'_>, report: &ReportInput) -> Result<Reported, Failure> {
    let GithubWrite::Check { head, external_id, id, status, conclusion, title, summary, details_url } = &report.write
    else {
        return Ok(Reported::default());
    };
    let mut check = json!({
        "status": status, "external_id": external_id, "output": {"title": title, "summary": summary},
    });
    if let Some(conclusion) = conclusion {
        check["conclusion"] = json!(conclusion);
    }
    if let Some(url) = details_url {
        check["details_url"] = json!(url);
    }
    let found = match id {
        Some(id) => Some(*id),
        None => find(repository, head.as_str(), external_id).await?,
    };
    let (answer, what) = match found {
        Some(id) => (repository.patch(&format!("/check-runs/{id}"), &check).await?, "updating the check run"),
        None => {
            check["name"] = Value::String(name(report));
            check["head_sha"] = json!(head);
            (repository.post("/check-runs", &check).await?, "making a check run")
        }
    };
    let written: Identified = answer.read(what)?;
    Ok(written.into())
}

/// The name of the check run. Branch protection names it, so it must never change.
fn name(report: &ReportInput) -> String {
    let kind = if report.environment.starts_with("production-") { "Production" } else { "Preview" };
    format!("{kind} of {}", report.app)
}

/// Finds the newest check run of berth's own with that external id.
async fn find(repository: Repository<'_>, head: &str, external_id: &str) -> Result<Option<u64>, Failure> {
    let app = repository.github.app.id.to_string();
    let parameters = [("app_id", app.as_str()), ("filter", "all"), ("per_page", "100")];
    let answer = repository.find(&format!("/commits/{head}/check-runs"), &parameters).await?;
    let CheckRuns { check_runs } = answer.read("looking for the check run")?;
    let is_own = |run: &&CheckRun| {
        run.external_id.as_deref() == Some(external_id)
            && run.app.as_ref().is_some_and(|app| app.id == repository.github.app.id)
    };
    Ok(check_runs.iter().filter(is_own).map(|run| run.id).max())
}

//! Check suites: one for each commit with a check run, since there is one App.

use serde_json::{Value, json};

use super::{checks::CheckRun, repositories::Repository, state};

/// The JSON of the suite of a check run that is to run again.
pub(super) fn json(state: &state::State, repository: &Repository, run: &CheckRun) -> Value {
    let (id, head) = (run.suite(), &run.head);
    let url = format!("{}/check-suites/{id}", repository.url(&state.base));
    let branch = repository.pulls.values().find(|pull| pull.head == *head).map(|pull| &pull.branch);
    let runs = repository.checks.values().filter(|one| one.head == *head).count();
    let committer = json!({"name": "octocat", "email": "octocat@users.noreply.github.com"});
    json!({
        "id": id, "node_id": format!("CS_{id}"), "head_branch": branch, "head_sha": head, "before": null, "after": head,
        "status": "queued", "conclusion": null, "url": url, "check_runs_url": format!("{url}/check-runs"),
        "latest_check_runs_count": runs, "rerequestable": true, "runs_rerequestable": true,
        "app": state.app.json(state), "pull_requests": run.pulls(state, repository),
        "created_at": run.started_at, "updated_at": run.started_at,
        "head_commit": {
            "id": head, "tree_id": head, "message": "Change the app", "timestamp": run.started_at, "author": committer,
            "committer": committer,
        },
    })
}

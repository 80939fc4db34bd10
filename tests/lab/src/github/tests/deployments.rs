use super::*;

const ALL: &str = "/repos/acme/web/deployments";

fn preview(more: Value) -> Value {
    let preview = json!({
        "ref": HEAD, "environment": "preview", "task": "preview-web-1", "transient_environment": true,
        "auto_merge": false, "required_contexts": [],
    });
    crate::github::answers::joined([preview, more])
}

#[tokio::test]
async fn deployment_is_made_and_found_by_each_filter() {
    let client = Client::with_pull().await;
    let made = client.post(ALL, preview(json!({}))).await;
    assert_eq!(
        (made.status, &made.body["sha"], &made.body["production_environment"]),
        (201, &json!(HEAD), &json!(false))
    );
    let production = client.post(ALL, json!({"ref": "main", "auto_merge": false, "required_contexts": []})).await.body;
    assert_eq!((&production["environment"], &production["task"]), (&json!("production"), &json!("deploy")));
    assert_eq!(production["production_environment"], true);
    for (query, count) in [
        ("", 2),
        ("?environment=preview", 1),
        ("?task=preview-web-1&environment=preview", 1),
        ("?task=preview-web-2", 0),
        ("?ref=main", 1),
        (&format!("?sha={HEAD}"), 1),
    ] {
        assert_eq!(client.get(&format!("{ALL}{query}")).await.body.as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(
        client.post(ALL, preview(json!({"ref": NEXT}))).await.refusal(),
        (422, &*format!("No ref found for: {NEXT}"))
    );
    assert_eq!(client.post(ALL, preview(json!({"description": "x".repeat(141)}))).await.status, 422);
}

#[tokio::test]
async fn deployment_waits_for_checks_unless_none_is_required() {
    let client = Client::with_pull().await;
    let run = json!({"name": "tests", "head_sha": HEAD, "status": "in_progress"});
    let run = client.post("/repos/acme/web/check-runs", run).await.body["id"].clone();
    let all = json!({"ref": HEAD, "auto_merge": false});
    let named = json!({"ref": HEAD, "auto_merge": false, "required_contexts": ["tests"]});
    for body in [all.clone(), named.clone()] {
        let conflict = client.post(ALL, body).await;
        assert_eq!(conflict.refusal(), (409, &*format!("Conflict: Commit status checks failed for {HEAD}.")));
        assert_eq!(conflict.body["errors"][0]["contexts"][0]["state"], "pending");
    }
    assert_eq!(client.post(ALL, preview(json!({}))).await.status, 201);
    client.patch(&format!("/repos/acme/web/check-runs/{run}"), json!({"conclusion": "success"})).await;
    for body in [all, named] {
        assert_eq!(client.post(ALL, body).await.status, 201);
    }
}

#[tokio::test]
async fn deployment_of_a_branch_behind_merges_or_conflicts() {
    let client = Client::with_pull().await;
    client.github.set_behind(REPOSITORY, "feature", false);
    let merged = client.post(ALL, json!({"ref": "feature"})).await;
    assert_eq!(merged.refusal(), (202, "Auto-merged main into feature on deployment."));
    client.github.set_behind(REPOSITORY, "feature", true);
    assert_eq!(
        client.post(ALL, json!({"ref": "feature"})).await.refusal(),
        (409, "Conflict merging main into feature.")
    );
    assert!(client.github.deployments(REPOSITORY).is_empty());
    assert_eq!(client.post(ALL, json!({"ref": "feature", "auto_merge": false})).await.status, 201);
}

#[tokio::test]
async fn success_makes_earlier_ones_inactive_unless_transient() {
    let client = Client::with_pull().await;
    let create = async |body: Value| client.post(ALL, body).await.body["id"].as_u64().unwrap();
    let staging = json!({"environment": "staging", "transient_environment": false, "task": "deploy"});
    let mut ids = Vec::new();
    for more in [staging.clone(), staging, json!({}), json!({})] {
        let id = create(preview(more)).await;
        let status =
            json!({"state": "success", "log_url": "http://example.com/log", "environment_url": "http://example.com"});
        let made = client.post(&format!("{ALL}/{id}/statuses"), status).await;
        assert_eq!((made.status, &made.body["target_url"]), (201, &json!("http://example.com/log")));
        ids.push(id);
    }
    let deployments = client.github.deployments(REPOSITORY);
    let states: Vec<_> = deployments.iter().map(|one| one.state().unwrap()).collect();
    assert_eq!(states, ["inactive", "success", "success", "success"]);
    let statuses = client.get(&format!("{ALL}/{}/statuses", ids[0])).await.body;
    assert_eq!((&statuses[0]["state"], &statuses[1]["state"]), (&json!("inactive"), &json!("success")));
    assert_eq!(client.post(&format!("{ALL}/{}/statuses", ids[0]), json!({"state": "live"})).await.status, 422);
    assert_eq!(client.post(&format!("{ALL}/9/statuses"), json!({"state": "success"})).await.status, 404);
}

use super::*;

const RUNS: &str = "/repos/acme/web/check-runs";

fn of_head(more: Value) -> Value {
    crate::github::answers::joined([json!({"name": "berth", "head_sha": HEAD}), more])
}

#[tokio::test]
async fn check_run_goes_from_queued_to_completed() {
    let client = Client::with_pull().await;
    let made = client.post(RUNS, of_head(json!({"external_id": "preview-web-1"}))).await;
    assert_eq!((made.status, &made.body["status"], &made.body["conclusion"]), (201, &json!("queued"), &Value::Null));
    assert_eq!(made.body["pull_requests"][0]["number"], 1);
    let own = format!("{RUNS}/{}", made.body["id"]);
    let output = json!({"title": "rolling out", "summary": "waits for pods"});
    let running = client.patch(&own, json!({"status": "in_progress", "output": output})).await.body;
    assert_eq!((&running["status"], &running["output"]["title"]), (&json!("in_progress"), &json!("rolling out")));
    let done = client.patch(&own, json!({"conclusion": "success"})).await.body;
    assert_eq!((&done["status"], &done["external_id"]), (&json!("completed"), &json!("preview-web-1")));
    assert!(done["completed_at"].is_string());
    let again = client.patch(&own, json!({"status": "in_progress"})).await.body;
    assert_eq!((&again["conclusion"], &again["completed_at"]), (&Value::Null, &Value::Null));
    assert_eq!(client.patch(&format!("{RUNS}/9"), json!({})).await.status, 404);
}

#[tokio::test]
async fn check_run_that_github_would_refuse_is_refused() {
    let client = Client::with_pull().await;
    for wrong in [
        json!({"name": "berth"}),
        json!({"head_sha": HEAD}),
        json!({"name": "berth", "head_sha": NEXT}),
        of_head(json!({"status": "live"})),
        of_head(json!({"status": "completed"})),
        of_head(json!({"conclusion": "fine"})),
        of_head(json!({"output": {"title": "x"}})),
        of_head(json!({"output": {"title": "x", "summary": "x".repeat(65_536)}})),
    ] {
        assert_eq!(client.post(RUNS, wrong.clone()).await.status, 422, "{wrong}");
    }
    assert!(client.github.checks(REPOSITORY, HEAD).is_empty());
}

#[tokio::test]
async fn check_runs_of_a_commit_are_found_by_name_and_app() {
    let client = Client::with_pull().await;
    for name in ["berth", "tests", "berth"] {
        client.post(RUNS, json!({"name": name, "head_sha": HEAD})).await;
    }
    let app = client.github.app().0;
    for (query, count) in [
        (String::new(), 2),
        ("filter=all".to_owned(), 3),
        ("check_name=berth&filter=all".to_owned(), 2),
        (format!("app_id={app}"), 2),
        ("app_id=7".to_owned(), 0),
        ("status=completed".to_owned(), 0),
    ] {
        for reference in [HEAD, "feature", "heads/feature"] {
            let found = client
                .get(&format!("/repos/acme/web/commits/{}/check-runs?{query}", reference.replace('/', "%2F")))
                .await;
            assert_eq!(found.body["total_count"], count, "{reference} {query}");
        }
    }
    assert_eq!(client.get(&format!("/repos/acme/web/commits/{NEXT}/check-runs")).await.status, 422);
}

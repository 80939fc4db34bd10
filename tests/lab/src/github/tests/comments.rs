use super::*;

const OF_PULL: &str = "/repos/acme/web/issues/1/comments";

#[tokio::test]
async fn comment_is_made_found_edited_and_removed() {
    let client = Client::with_pull().await;
    let made = client.post(OF_PULL, json!({"body": "rolling out"})).await;
    assert_eq!((made.status, &made.body["user"]["login"]), (201, &json!("berth[bot]")));
    assert_eq!(made.body["performed_via_github_app"]["id"], client.github.app().0);
    let own = format!("/repos/acme/web/issues/comments/{}", made.body["id"]);
    assert_eq!(client.patch(&own, json!({"body": "live"})).await.body["body"], "live");
    assert_eq!(client.get(&own).await.body["body"], "live");
    client.github.comment(REPOSITORY, 1, "octocat", "thanks");
    assert_eq!(client.get(OF_PULL).await.body.as_array().unwrap().len(), 2);
    assert_eq!(client.ask_as(&client.token, "DELETE", &own, Value::Null).await.status, 204);
    for gone in [client.get(&own).await, client.patch(&own, json!({"body": "x"})).await] {
        assert_eq!(gone.refusal(), (404, "Not Found"));
    }
    let bodies: Vec<_> = client.github.comments(REPOSITORY, 1).into_iter().map(|comment| comment.body).collect();
    assert_eq!(bodies, ["thanks"]);
}

#[tokio::test]
async fn comment_that_github_would_refuse_is_refused() {
    let client = Client::with_pull().await;
    for (body, status) in [
        (json!({}), 422),
        (json!({"body": " "}), 422),
        (json!({"body": "x".repeat(65_537)}), 422),
        (json!({"body": 5}), 422),
        (json!({"body": "ä".repeat(65_536)}), 201),
    ] {
        assert_eq!(client.post(OF_PULL, body).await.status, status);
    }
    assert_eq!(client.post("/repos/acme/web/issues/9/comments", json!({"body": "x"})).await.status, 404);
    client.github.set_locked(REPOSITORY, 1, true);
    let locked = client.post(OF_PULL, json!({"body": "x"})).await;
    assert_eq!(locked.refusal(), (403, "Unable to create comment because issue is locked."));
}

#[tokio::test]
async fn reaction_is_made_once() {
    let client = Client::with_pull().await;
    let id = client.github.comment(REPOSITORY, 1, "octocat", "/berth redeploy");
    let path = format!("/repos/acme/web/issues/comments/{id}/reactions");
    let before = client.get(&format!("/repos/acme/web/issues/comments/{id}")).await.body["updated_at"].clone();
    let (first, again) =
        (client.post(&path, json!({"content": "eyes"})).await, client.post(&path, json!({"content": "eyes"})).await);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(client.post(&path, json!({"content": "cheese"})).await.status, 422);
    assert_eq!(client.get(&path).await.body.as_array().unwrap().len(), 1);
    let comment = &client.github.comments(REPOSITORY, 1)[0];
    assert_eq!(comment.reactions().collect::<Vec<_>>(), [("berth[bot]", "eyes")]);
    assert_eq!(before, comment.updated_at, "a reaction is no edit");
}

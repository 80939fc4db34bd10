use std::time::Duration;

use super::*;

const WEB: &str = "/repos/acme/web";

#[tokio::test]
async fn app_finds_its_installation_and_reads_the_repository() {
    let client = Client::start().await;
    let app = client.app_token(&client.app_claims());
    let app_of = |path: &'static str| client.ask_as(&app, "GET", path, Value::Null);
    assert_eq!(app_of("/app").await.body["slug"], "berth");
    let id = client.github.installation();
    for path in ["/repos/acme/web/installation", "/repositories/123456789/installation", "/orgs/acme/installation"] {
        assert_eq!(app_of(path).await.body["id"], id, "{path}");
    }
    assert_eq!(app_of("/app/installations").await.body[0]["app_id"], client.github.app().0);
    assert_eq!(app_of("/orgs/octocat/installation").await.status, 404);
    let repository = client.get(WEB).await;
    assert_eq!((repository.status, &repository.body["id"]), (200, &json!(REPOSITORY)));
    assert_eq!(client.get("/installation/repositories").await.body["total_count"], 1);
}

#[tokio::test]
async fn token_of_an_app_is_refused_with_github_s_reason() {
    let client = Client::start().await;
    let now = clock::machine().as_secs();
    let refusal = |change: Value| {
        let mut claims = client.app_claims();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        client.app_token(&claims)
    };
    for (change, message) in [
        (json!({"iss": "77"}), "Integration not found"),
        (json!({"exp": now - 90}), "'Expiration time' claim ('exp') must be a numeric value"),
        (json!({"exp": now + 3600}), "'Expiration time' claim ('exp') is too far in the future"),
        (json!({"iat": now + 600}), "'Issued at' claim ('iat') must be an Integer"),
    ] {
        let answer = client.ask_as(&refusal(change.clone()), "GET", "/app", Value::Null).await;
        assert!(answer.status == 401 && answer.refusal().1.starts_with(message), "{change}: {}", answer.body);
    }
    let other = Key::generate("other").unwrap().sign(&client.app_claims()).unwrap();
    let answer = client.ask_as(&other, "GET", "/app", Value::Null).await;
    assert_eq!(answer.refusal(), (401, "A JSON web token could not be decoded"));
    assert_eq!(client.get("/app").await.status, 401, "a token of the installation is not the App's");
}

#[tokio::test]
async fn installation_token_ends_after_an_hour() {
    let client = Client::start().await;
    client.github.advance(Duration::from_secs(3599));
    assert_eq!(client.get(WEB).await.status, 200);
    client.github.advance(Duration::from_secs(2));
    assert_eq!(client.get(WEB).await.refusal(), (401, "Bad credentials"));
}

#[tokio::test]
async fn installation_token_opens_no_more_than_it_was_asked_for() {
    let client = Client::start().await;
    client.github.add_repository(7, "acme", "site", true);
    let token = client.installation_token(json!({"repository_ids": [7], "permissions": {"checks": "read"}})).await;
    let checks = "/repos/acme/site/commits/main/check-runs";
    assert_eq!(client.ask_as(&token, "GET", checks, Value::Null).await.status, 200);
    assert_eq!(client.ask_as(&token, "GET", "/repos/acme/web/commits/main/check-runs", Value::Null).await.status, 404);
    let denied = client.ask_as(&token, "POST", "/repos/acme/site/check-runs", json!({})).await;
    assert_eq!(denied.refusal(), (403, "Resource not accessible by integration"));
    assert_eq!(denied.header("x-accepted-github-permissions"), "checks=write");
    let app = client.app_token(&client.app_claims());
    let path = format!("/app/installations/{}/access_tokens", client.github.installation());
    for wrong in [json!({"permissions": {"contents": "write"}}), json!({"repository_ids": [8]})] {
        assert_eq!(client.ask_as(&app, "POST", &path, wrong).await.status, 422);
    }
}

#[tokio::test]
async fn lost_rights_of_the_app_are_told_apart() {
    let client = Client::start().await;
    client.github.set_app_permission("checks", None);
    assert_eq!(client.post("/repos/acme/web/check-runs", json!({})).await.status, 403);
    client.github.uninstall(REPOSITORY);
    assert_eq!(client.get(WEB).await.refusal(), (404, "Not Found"));
    client.github.suspend_app(true);
    assert_eq!(client.get(WEB).await.refusal(), (401, "Bad credentials"));
    let app = client.app_token(&client.app_claims());
    let path = format!("/app/installations/{}/access_tokens", client.github.installation());
    let answer = client.ask_as(&app, "POST", &path, json!({})).await;
    assert_eq!(answer.refusal(), (403, "This installation has been suspended"));
}

#[tokio::test]
async fn renamed_repository_redirects_to_its_id() {
    let client = Client::start().await;
    client.github.rename(REPOSITORY, "site");
    let moved = client.get("/repos/acme/web/pulls?state=all").await;
    assert_eq!(moved.refusal(), (301, "Moved Permanently"));
    let url = format!("{}/repositories/{REPOSITORY}/pulls?state=all", client.github.url());
    assert_eq!(moved.header("location"), url);
    assert_eq!(client.get(&url).await.status, 200);
    assert_eq!(client.post("/repos/acme/web/check-runs", json!({})).await.status, 307);
    assert_eq!(client.get("/repositories/123456789").await.body["full_name"], "acme/site");
    client.github.delete_repository(REPOSITORY);
    assert_eq!(client.get("/repositories/123456789").await.status, 404);
}

#[tokio::test]
async fn permission_of_a_person_is_told_in_github_s_four_words() {
    let client = Client::start().await;
    for (role, permission) in
        [("admin", "admin"), ("maintain", "write"), ("write", "write"), ("triage", "read"), ("none", "none")]
    {
        client.github.set_role(REPOSITORY, "octocat", role);
        let answer = client.get("/repos/acme/web/collaborators/OctoCat/permission").await;
        assert_eq!((&answer.body["permission"], &answer.body["role_name"]), (&json!(permission), &json!(role)));
    }
    assert_eq!(client.get("/repos/acme/web/collaborators/nobody/permission").await.status, 404);
}

#[tokio::test]
async fn person_sees_what_their_role_shows() {
    let client = Client::start().await;
    let (member, stranger) = (client.github.person_token("octocat"), client.github.person_token("hubot"));
    assert_eq!(client.ask_as(&member, "GET", WEB, Value::Null).await.status, 200);
    assert_eq!(client.ask_as(&stranger, "GET", WEB, Value::Null).await.status, 404);
    assert_eq!(client.ask_as(&member, "GET", "/user", Value::Null).await.body["login"], "octocat");
    let check = client.ask_as(&member, "POST", "/repos/acme/web/check-runs", json!({})).await;
    assert_eq!(check.refusal(), (403, "You must authenticate via a GitHub App."));
}

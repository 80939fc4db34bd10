use super::*;

#[tokio::test]
async fn pull_request_shows_what_people_did() {
    let client = Client::with_pull().await;
    let one = "/repos/acme/web/pulls/1";
    let opened = client.get(one).await.body;
    assert_eq!(
        (&opened["state"], &opened["head"]["sha"], &opened["draft"]),
        (&json!("open"), &json!(HEAD), &json!(false))
    );
    assert_eq!(opened["head"]["repo"]["id"], opened["base"]["repo"]["id"]);
    client.github.push(REPOSITORY, 1, NEXT);
    client.github.add_label(REPOSITORY, 1, "preview");
    client.github.set_draft(REPOSITORY, 1, true);
    client.github.set_locked(REPOSITORY, 1, true);
    let changed = client.get(one).await.body;
    assert_eq!((&changed["head"]["sha"], &changed["labels"][0]["name"]), (&json!(NEXT), &json!("preview")));
    assert_eq!((&changed["draft"], &changed["locked"]), (&json!(true), &json!(true)));
    client.github.merge(REPOSITORY, 1);
    let merged = client.get(one).await.body;
    assert_eq!((&merged["state"], &merged["merged"]), (&json!("closed"), &json!(true)));
    assert_eq!(client.get("/repos/acme/web/pulls/2").await.status, 404);
}

#[tokio::test]
async fn pull_request_of_a_fork_names_another_repository() {
    let client = Client::start().await;
    let new = NewPull { fork_of: Some("hubot".to_owned()), ..NewPull::new("fix", HEAD) };
    client.github.open(REPOSITORY, new).unwrap();
    let one = client.get("/repositories/123456789/pulls/1").await.body;
    assert_eq!((&one["head"]["repo"]["full_name"], &one["head"]["label"]), (&json!("hubot/web"), &json!("hubot:fix")));
    assert_eq!(one["head"]["repo"]["fork"], true);
    client.github.delete_head_repository(REPOSITORY, 1);
    assert_eq!(client.get("/repos/acme/web/pulls/1").await.body["head"]["repo"], Value::Null);
}

#[tokio::test]
async fn pull_requests_are_listed_in_pages_with_the_newest_first() {
    let client = Client::start().await;
    for number in 1..=5 {
        client.github.open(REPOSITORY, NewPull::new(&format!("feature-{number}"), HEAD)).unwrap();
    }
    client.github.close(REPOSITORY, 3);
    let numbers = |page: &Answer| -> Vec<u64> {
        page.body.as_array().unwrap().iter().map(|pull| pull["number"].as_u64().unwrap()).collect()
    };
    let first = client.get("/repos/acme/web/pulls?per_page=3").await;
    assert_eq!(numbers(&first), [5, 4, 2]);
    let next = first.header("link").split([';', ',']).next().unwrap().trim_matches(['<', '>']).to_owned();
    assert_eq!(next, format!("{}/repositories/{REPOSITORY}/pulls?per_page=3&page=2", client.github.url()));
    let second = client.get(&next).await;
    assert_eq!(numbers(&second), [1]);
    assert!(second.header("link").contains("rel=\"prev\""));
    assert_eq!(numbers(&client.get("/repos/acme/web/pulls?state=closed").await), [3]);
    assert_eq!(numbers(&client.get("/repos/acme/web/pulls?head=acme:feature-4").await), [4]);
}

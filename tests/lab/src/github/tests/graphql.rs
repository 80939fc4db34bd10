use super::*;

const OPEN: &str = "query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequests(states: OPEN, first: 2, after: $after, orderBy: {field: CREATED_AT, direction: ASC}) {
      pageInfo { hasNextPage endCursor }
      nodes { number state headRefOid isDraft isCrossRepository updatedAt locked author { login } labels(first: 100) { nodes { name } } }
    }
    pr2: pullRequest(number: 2) { state }
    pr9: pullRequest(number: 9) { state }
  }
}";

async fn asked(client: &Client, query: &str, variables: Value) -> Value {
    let answer = client.post("/graphql", json!({"query": query, "variables": variables})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn open_pull_requests_are_listed_beside_named_ones() {
    let client = Client::with_pull().await;
    let fork = NewPull { fork_of: Some("hubot".to_owned()), ..NewPull::new("fix", NEXT) };
    let draft = NewPull { is_draft: true, labels: vec!["preview".to_owned()], ..NewPull::new("docs", NEXT) };
    for new in [NewPull::new("closed", NEXT), fork, draft] {
        client.github.open(REPOSITORY, new).unwrap();
    }
    client.github.merge(REPOSITORY, 2);
    let mut variables = json!({"owner": "acme", "name": "web"});
    let first = asked(&client, OPEN, variables.clone()).await;
    let repository = &first["data"]["repository"];
    let nodes = &repository["pullRequests"]["nodes"];
    assert_eq!((&nodes[0]["number"], &nodes[0]["headRefOid"]), (&json!(1), &json!(HEAD)));
    assert_eq!((&nodes[0]["author"]["login"], &nodes[0]["isCrossRepository"]), (&json!("octocat"), &json!(false)));
    assert_eq!((&nodes[1]["number"], &nodes[1]["isCrossRepository"]), (&json!(3), &json!(true)));
    assert_eq!((&repository["pr2"]["state"], &repository["pr9"]), (&json!("MERGED"), &Value::Null));
    assert_eq!(first["errors"][0]["type"], "NOT_FOUND");
    assert_eq!(first["errors"][0]["path"], json!(["repository", "pr9"]));
    assert_eq!(repository["pullRequests"]["pageInfo"]["hasNextPage"], true);
    variables["after"] = repository["pullRequests"]["pageInfo"]["endCursor"].clone();
    let second = asked(&client, OPEN, variables).await;
    let page = &second["data"]["repository"]["pullRequests"];
    assert_eq!(
        (&page["nodes"][0]["isDraft"], &page["nodes"][0]["labels"]["nodes"][0]["name"]),
        (&json!(true), &json!("preview"))
    );
    assert_eq!((page["nodes"].as_array().unwrap().len(), &page["pageInfo"]["hasNextPage"]), (1, &json!(false)));
}

#[tokio::test]
async fn repository_is_found_by_its_node_id() {
    let client = Client::with_pull().await;
    let id = client.get("/repositories/123456789").await.body["node_id"].clone();
    let query = "query($id: ID!) { node(id: $id) { id ... on Repository { nameWithOwner databaseId pullRequest(number: 1) { title } } } }";
    let answer = asked(&client, query, json!({"id": id})).await;
    let node = &answer["data"]["node"];
    assert_eq!((&node["nameWithOwner"], &node["databaseId"]), (&json!("acme/web"), &json!(REPOSITORY)));
    assert_eq!(answer.get("errors"), None, "an answer without errors has no such field");
    assert_eq!(node["pullRequest"]["title"], "Add feature");
    client.github.rename(REPOSITORY, "site");
    assert_eq!(asked(&client, query, json!({"id": id})).await["data"]["node"]["nameWithOwner"], "acme/site");
}

#[tokio::test]
async fn query_that_github_would_refuse_is_refused() {
    let client = Client::start().await;
    for (query, message) in [
        ("{", "expected"),
        ("{ nothing }", "nothing"),
        ("{ repository(owner: \"acme\") { id } }", "name"),
        ("{ repository(owner: \"acme\", name: \"web\") { pullRequests { totalCount } } }", "`first` or `last`"),
        ("{ repository(owner: \"acme\", name: \"web\") { pullRequests(first: 101) { totalCount } } }", "limit of 100"),
        ("{ repository(owner: \"acme\", name: \"none\") { id } }", "Could not resolve to a Repository"),
    ] {
        let errors = asked(&client, query, json!({})).await["errors"].to_string();
        assert!(errors.contains(message), "{query}: {errors}");
    }
    let request = json!({"query": "{ rateLimit { limit } }"});
    assert_eq!(client.ask_as("wrong", "POST", "/graphql", request.clone()).await.status, 401);
    assert_eq!(client.post("/api/graphql", request).await.body["data"]["rateLimit"]["limit"], 5000);
}

use serde_json::json;

use super::*;
use crate::{context::TestContext, fake_api_server::FakeApiServer};

const NAMESPACES: &str = "/api/v1/namespaces";

fn namespace(name: &str, workflow: &str, installation: &str) -> serde_json::Value {
    let labels = json!({labels::MANAGED_BY: "berth", labels::APP: "web", labels::WORKFLOW: workflow,
        labels::INSTALLATION: installation});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

async fn list(cluster: &FakeApiServer) -> ListedEnvironments {
    list_environments(TestContext::new(cluster.client()).context(), "web").await.with_workflows(Vec::new())
}

#[tokio::test]
async fn namespaces_of_previews_are_listed_and_nothing_is_changed() {
    let cluster = FakeApiServer::default();
    for object in [
        namespace("pr-7", "preview-web-7", "berth"),
        namespace("pr-8", "preview-web-8", "other"),
        namespace("web-production", "production-web", "berth"),
        namespace("odd", "preview-web-x", "berth"),
    ] {
        cluster.put(NAMESPACES, &object);
    }
    for _ in 0..2 {
        let listed = list(&cluster).await;
        let expected = vec![ListedPart { object: "Namespace/pr-7".to_owned(), pr: 7 }];
        assert_eq!((listed.namespaces, listed.databases), (Some(expected), Some(Vec::new())));
        assert_eq!((listed.unseen.len(), listed.interval_seconds), (0, 300));
    }
    assert!(cluster.requests().iter().all(|request| request.starts_with("GET ")), "{:?}", cluster.requests());
}

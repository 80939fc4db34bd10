//! Pull secrets of a release's `ServiceAccount`s.

use super::*;

const ACCOUNTS: &str = "/api/v1/namespaces/pr-1/serviceaccounts";

fn account(named: &[&str]) -> Value {
    let named: Vec<_> = named.iter().map(|name| json!({"name": name})).collect();
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}, "imagePullSecrets": named})
}

fn named(cluster: &FakeApiServer) -> Vec<String> {
    let live = cluster.get(&format!("{ACCOUNTS}/web")).unwrap();
    let named = live["imagePullSecrets"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn pull_secrets_of_others_stay_and_those_of_the_release_go_with_it() {
    let serving = release("a", vec![account(&["own", "regcred"])]);
    let cluster = cluster_with(&serving).await;
    let mut live = cluster.get(&format!("{ACCOUNTS}/web")).unwrap();
    live["imagePullSecrets"].as_array_mut().unwrap().push(json!({"name": "theirs"}));
    cluster.put(ACCOUNTS, &live);
    let next = release("b", vec![account(&["regcred"])]);
    for deploy_id in [2, 3, 4] {
        Apply::first(&cluster, deploy_id).over(&serving).run(&next).await.unwrap();
        assert_eq!(named(&cluster), ["regcred", "theirs"], "{deploy_id}");
    }
    let applied = Apply::first(&cluster, 5).over(&next).run(&next).await.unwrap();
    assert_eq!(applied.plan.changed, [""; 0]);
}

#[tokio::test]
async fn release_of_production_adds_its_pull_secret_to_the_default_account() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred"}});
    let cluster = FakeApiServer::default();
    let release = StoredRelease { pull_secret: Some("regcred".into()), ..release("a", vec![secret]) };
    Apply::first(&cluster, 1).run(&release).await.unwrap();
    let account = cluster.get(&format!("{ACCOUNTS}/default")).unwrap();
    assert_eq!(account["imagePullSecrets"], json!([{"name": "regcred"}]));
}

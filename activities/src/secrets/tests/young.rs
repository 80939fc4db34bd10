//! Namespaces that are created concurrently: their `RoleBinding` propagates a moment later.

use super::*;

fn put_young_namespace(cluster: &FakeApiServer) {
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let metadata = json!({"name": "pr-1", "labels": own(1), "creationTimestamp": now});
    cluster.put(NAMESPACES, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
}

#[tokio::test]
async fn a_403_of_a_young_namespace_is_retried_in_place() {
    let (cluster, stub) = (cluster([]), doppler().await);
    put_young_namespace(&cluster);
    let create = "POST /api/v1/namespaces/pr-1/secrets";
    cluster.refuse_times(create, 403, 2);
    sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await.unwrap();
    let requests = cluster.requests();
    let there: Vec<_> = requests.iter().filter(|request| request.contains("/pr-1/")).collect();
    assert_eq!(there, [create; 3]);
}

#[tokio::test]
async fn an_existing_secret_is_found_even_if_the_quota_is_used_up() {
    let stub = doppler().await;
    for code in [403, 409] {
        let cluster = cluster([]);
        put_young_namespace(&cluster);
        let doppler = DopplerReader::new(&stub.url).unwrap();
        let first = sync(&cluster, &doppler, 1).await.unwrap();
        // More refusals than attempts.
        cluster.refuse_times("POST /api/v1/namespaces/pr-1/secrets", code, 9);
        tokio::time::pause();
        let again = sync(&cluster, &doppler, 1).await;
        tokio::time::resume();
        assert_eq!(again.unwrap(), first, "{code}");
    }
}

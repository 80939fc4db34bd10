//! Stored releases of any size.

use serde_json::json;

use super::*;
use crate::{
    context::TestContext, examples::environment, failure::Failure, fake_api_server::FakeApiServer, kubernetes::labels,
};

const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";

/// A release whose object names its Secret and its deploy.
fn stored(secret: &str, deploy_id: u64, content: &str) -> StoredRelease {
    let release: Release =
        serde_json::from_value(json!({"commit": "4f2a9c1", "image": format!("web@sha256:{}", "a".repeat(64))}))
            .unwrap();
    let secrets = SyncedSecrets {
        secret: secret.into(),
        version: secret.into(),
        set_by_berth: Vec::new(),
        stale: Vec::new(),
        temporal_server_address: String::new(),
        temporal_server_address_from_doppler: false,
    };
    let data = json!({"job": format!("migrate-{deploy_id}"), "id": deploy_id, "from": secret, "content": content});
    StoredRelease {
        commit: "4f2a9c1".into(),
        version: Some(Box::new(ReleaseVersion { release, secrets, deploy_id })),
        secret: secret.into(),
        objects: vec![data],
        pod_security: None,
        pull_secret: None,
        gates: Vec::new(),
    }
}

#[test]
fn comparable_objects_differ_in_neither_secret_nor_deploy_id() {
    let objects = |secret, deploy_id, content| stored(secret, deploy_id, content).comparable().objects;
    assert_eq!(objects("web-1", 27_000_001, "a"), objects("web-2", 27_000_002, "a"));
    assert_ne!(objects("web-1", 27_000_001, "a"), objects("web-1", 27_000_001, "b"));
}

/// Returns a text that no compression makes much smaller.
pub(super) fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let next = || {
        // Knuth's multiplier of a linear congruential generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(33 + ((state >> 40) % 90) as u8)
    };
    std::iter::repeat_with(next).filter(|c| !matches!(c, '"' | '\\')).take(bytes).collect()
}

/// A release of some size, and its Secrets.
async fn large(bytes: usize) -> (StoredRelease, ReleaseSecrets) {
    let file = |n: usize| json!({"kind": "ConfigMap", "metadata": {"name": format!("file-{n}")}, "data": {"a": noise(bytes / 2)}});
    let release = StoredRelease { objects: vec![file(1), file(2)], ..stored("web-1", 1, "x") };
    // The same noise twice would be compressed.
    let mut release = release;
    release.objects[1]["data"]["a"] = json!(noise(bytes)[bytes / 2..]);
    let secrets = release.to_secrets(&environment(), "berth").await.unwrap();
    (release, secrets)
}

async fn find(cluster: &FakeApiServer, name: &str) -> Result<Option<StoredRelease>, Failure> {
    StoredRelease::find(&cluster.client(), "pr-1", name).await
}

#[tokio::test]
async fn large_release_is_stored_in_parts_and_read_back() {
    for (bytes, count) in [(1_000, 1), (1_400_000, 2), (4_500_000, 4)] {
        let (release, secrets) = large(bytes).await;
        let cluster = FakeApiServer::default();
        secrets.create(&cluster.client()).await.unwrap();
        assert_eq!(cluster.below(SECRETS).len(), count, "{bytes}");
        assert_eq!(find(&cluster, &secrets.name()).await.unwrap().as_ref(), Some(&release));
        let test = TestContext::new(cluster.client());
        let own = StoredRelease::find_own(test.context(), &environment(), &secrets.name()).await.unwrap();
        assert_eq!(own, Some(release));
        let head = cluster.get(&format!("{SECRETS}/{}", secrets.name())).unwrap();
        for path in cluster.below(&format!("{SECRETS}/{}-", secrets.name())) {
            let part = cluster.get(&path).unwrap();
            assert_eq!(part["metadata"]["ownerReferences"][0]["uid"], head["metadata"]["uid"]);
        }
        let writes = cluster.writes().len();
        secrets.create(&cluster.client()).await.unwrap();
        let created = cluster.writes().split_off(writes).into_iter().filter(|write| write.starts_with("POST"));
        assert_eq!((created.count(), cluster.below(SECRETS).len()), (count, count), "the second time nothing is new");
    }
}

#[tokio::test]
async fn release_that_is_stored_half_way_is_never_read() {
    let (release, secrets) = large(2_500_000).await;
    let cluster = FakeApiServer::default();
    for (n, part) in secrets.parts().iter().enumerate() {
        crate::kubernetes::content_secret::create_once(&cluster.client(), part).await.unwrap();
        assert_eq!(find(&cluster, &secrets.name()).await.unwrap(), None, "{n}");
    }
    // Another attempt goes on.
    secrets.create(&cluster.client()).await.unwrap();
    assert_eq!(find(&cluster, &secrets.name()).await.unwrap(), Some(release));
}

#[tokio::test]
async fn release_with_a_missing_or_foreign_part_is_damaged() {
    let (_, secrets) = large(2_500_000).await;
    let part = format!("{}-1", secrets.name());
    for foreign in [None, Some(labels::CONTENT), Some(labels::WORKFLOW)] {
        let cluster = FakeApiServer::default();
        secrets.create(&cluster.client()).await.unwrap();
        let mut found = cluster.get(&format!("{SECRETS}/{part}")).unwrap();
        match foreign {
            None => cluster.remove(&format!("{SECRETS}/{part}")),
            Some(label) => {
                found["metadata"]["labels"][label] = json!("another");
                cluster.put(SECRETS, &found);
            }
        }
        let result = find(&cluster, &secrets.name()).await;
        let expected = format!("is damaged: its part {part} is gone");
        assert!(matches!(&result, Err(Failure::Permanent(v)) if v.message.ends_with(&expected)), "{result:?}");
    }
}

#[tokio::test]
async fn release_of_an_earlier_berth_is_one_secret() {
    let (release, secrets) = large(1_000).await;
    let mut head = secrets.head.clone();
    assert!(head.metadata.annotations.as_mut().unwrap().remove(labels::PARTS).is_none());
    let cluster = FakeApiServer::default();
    cluster.put(SECRETS, &json!(head));
    assert_eq!(find(&cluster, &secrets.name()).await.unwrap(), Some(release));
}

#[tokio::test]
async fn release_beyond_the_limit_is_refused() {
    let release = StoredRelease { objects: vec![json!({"data": noise(6_000_000)})], ..stored("web-1", 1, "x") };
    let result = release.to_secrets(&environment(), "berth").await;
    let invalid = berth_workflows::contract::verdict::FailureType::ManifestInvalid;
    assert!(
        matches!(&result, Err(Failure::Permanent(v)) if v.failure == invalid && v.message.contains("at most 4 MB"))
    );
}

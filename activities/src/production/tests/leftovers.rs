//! Leftovers of plans that were never rolled out.

use super::*;
use crate::kubernetes::labels;

#[tokio::test]
async fn plan_removes_what_earlier_plans_have_left_and_nothing_that_is_kept() {
    let bench = Bench::new();
    let old = |name: &str, annotations: serde_json::Value| {
        let labels = labels::content_labels(&environment(), "berth", labels::RELEASE);
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations,
            "creationTimestamp": "2020-01-01T00:00:00Z"});
        bench.cluster.put(SECRETS, &json!({"metadata": metadata}));
    };
    old("berth-release-rejected", json!({}));
    old("berth-release-waiting", json!({}));
    old("berth-release-proven", json!({labels::PROVEN_AT: "2020-01-02T00:00:00Z"}));
    let input = PlanReleaseInput {
        keep: Some(vec!["berth-release-waiting".into()]),
        keep_proven: 1,
        ..Bench::input(1, '1', "web-secrets-1", None)
    };
    let planned = bench.plan(&input).await.unwrap();
    let left = |name: &str| bench.cluster.get(&format!("{SECRETS}/{name}")).is_some();
    assert!(left("berth-release-waiting") && left("berth-release-proven") && left(&planned.stored_release));
    assert!(!left("berth-release-rejected"));
}

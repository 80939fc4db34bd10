//! Secrets from Doppler on the lab's cluster, with a stand-in for Doppler over a real socket.

mod answers;
pub(crate) mod bench;
mod canary;

use std::{collections::BTreeSet, time::Duration};

use bench::Bench;
use berth_lab::Failure;
use berth_test_support::{Begun, until};
use serde_json::{Value, json};

/// An app without pods: its release is live as soon as it is applied. A suspended `CronJob` has the pushed image.
const WITHOUT_PODS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: $KUBE_APP}
data: {secret: $DOPPLER_MANAGED_SECRET_NAME, temporal: $TEMPORAL_SERVER_ADDRESS}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: $KUBE_APP}
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]}}}
";

#[test]
fn many_environments_pushed_at_once_make_one_request() {
    let bench = Bench::start("berth-d630", &[]);
    simple_app(&bench, "d630");
    // All pushes begin within these 8 s. Later readers find an answer that is younger than 5 s.
    let slow = Failure { delay_ms: 8_000, times: Some(1), ..Failure::default() };
    bench.doppler.fail("d630", "preview", Some(slow));
    let image = bench.lab.image("v1");
    let pushes: Vec<_> = (630..642).map(|pr| bench.begin_push("d630", pr, '1', &image)).collect();
    let answers: Vec<_> = pushes.into_iter().map(Begun::wait).collect();
    assert!(answers.iter().all(|answer| answer.json["outcome"] == "live"), "{answers:?}");
    // At most one request per interval: on a busy machine the pushes take longer than the slow answer.
    let intervals = answers.iter().map(|answer| answer.took.as_secs()).max().unwrap() / 5;
    let requests = bench.doppler.requests("d630", "preview").0;
    eprintln!("12 environments: {requests} requests in {intervals} intervals");
    assert!(requests <= intervals.max(1), "{requests} requests in {intervals} intervals of 5 s");
    (630..642).for_each(|pr| assert_eq!(bench.close("d630", pr).code, 0));
}

#[test]
fn changed_secret_rolls_once_and_an_outage_keeps_the_live_release() {
    let mut bench = Bench::start("berth-d645", &[]);
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  \
         template:\n    metadata: {labels: {app: web}}\n    spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      \
         - name: web\n        image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST\n        \
         envFrom: [{secretRef: {name: $DOPPLER_MANAGED_SECRET_NAME}}]\n";
    simple_app(&bench, "d645");
    bench.app("d645", "preview", "", &[("core/app.yaml", WITHOUT_PODS), ("core/web.yaml", deployment)]);
    assert_eq!(bench.push("d645", 645, '1', &bench.lab.image("v1")).json["outcome"], "live");
    let first = bench.status("d645", 645);
    let own = "d645-temporal.d645-pr-645.svc.cluster.local:7233";
    let secrets = &first["secrets"];
    assert_eq!(
        (&secrets["temporal_server_address"], &secrets["temporal_server_address_from"]),
        (&json!(own), &json!("environment"))
    );
    assert_eq!(revisions(&bench), (1, 1));

    // After 5 s the cache is validated by its version: one more request, with the answer 304.
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    let unchanged = bench.redeploy("d645", 645);
    let (requests, not_modified) = bench.doppler.requests("d645", "preview");
    assert_eq!(requests - not_modified, 1, "an unchanged config is fetched once");
    assert!(not_modified > 0, "and asked about by its version");
    assert_eq!(unchanged["secrets"], first["secrets"]);
    assert_eq!(revisions(&bench), (1, 1), "an unchanged secret changes no object");

    bench.doppler.put(
        "d645",
        "preview",
        &[("API_KEY", "another"), ("TEMPORAL_SERVER_ADDRESS", "temporal.example.com:7233")],
    );
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    let changed = bench.redeploy("d645", 645);
    assert_eq!(changed["phase"], "Live", "{changed}");
    assert_eq!(revisions(&bench), (2, 2), "a changed secret is one rollout");
    let secrets = &changed["secrets"];
    assert_ne!(secrets["version"], first["secrets"]["version"]);
    assert_eq!(
        (&secrets["temporal_server_address"], &secrets["temporal_server_address_from"]),
        (&json!("temporal.example.com:7233"), &json!("doppler"))
    );
    assert_eq!(secrets["set_by_berth"], json!([]));

    bench.doppler.stop();
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    bench.temporal(&["workflow", "signal", "--workflow-id", "preview-d645-645", "--name", "redeploy"]);
    let described =
        || bench.temporal(&["workflow", "describe", "--workflow-id", "preview-d645-645-rollout-4", "-o", "json"]);
    until("the refused connection is reported", || {
        bench.status("d645", 645)["rolling_out"].is_object() && described().contains("Connection refused")
    });
    let during = bench.status("d645", 645);
    assert_eq!(
        (during["serving"]["rollout"].as_str(), during["failed"].clone()),
        (Some("preview-d645-645-rollout-3"), json!(null))
    );
    assert!(cache(&bench).is_some(), "the last good values stay");
    bench.doppler.start_again().unwrap();
    until("it goes on by itself", || {
        bench.status("d645", 645)["rollouts"].as_array().is_some_and(|all| all.len() == 4)
    });
    assert_eq!((&bench.status("d645", 645)["phase"], revisions(&bench)), (&json!("Live"), (2, 2)));
    assert_eq!(bench.close("d645", 645).code, 0);
}

/// The generation of the Deployment, and the number of its `ReplicaSet`s so far.
fn revisions(bench: &Bench) -> (i64, usize) {
    let generation =
        bench.kubectl(&["get", "deployment", "web", "-n", "d645-pr-645", "-o", "jsonpath={.metadata.generation}"]);
    let sets = bench.kubectl(&["get", "replicasets", "-n", "d645-pr-645", "-o", "name"]);
    (generation.parse().unwrap(), sets.lines().collect::<BTreeSet<_>>().len())
}

fn cache(bench: &Bench) -> Option<Value> {
    let secrets: Value =
        serde_json::from_str(&bench.kubectl(&["get", "secrets", "-n", &bench.name, "-o", "json"])).unwrap();
    let is_cache = |secret: &&Value| secret["metadata"]["name"].as_str().unwrap().starts_with("berth-doppler-");
    secrets["items"].as_array().unwrap().iter().find(is_cache).cloned()
}

fn cache_age(bench: &Bench) -> Duration {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let fetched =
        cache(bench).unwrap()["data"]["fetched_ms"].as_str().map(|text| STANDARD.decode(text).unwrap()).unwrap();
    let fetched = Duration::from_millis(String::from_utf8(fetched).unwrap().parse().unwrap());
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH + fetched).unwrap_or_default()
}

/// An app with one secret, and a token for it.
fn simple_app(bench: &Bench, app: &str) {
    let token = format!("dp.st.preview.{app}");
    bench.doppler.put(app, "preview", &[("API_KEY", "a value")]);
    bench.doppler.bind(&token, app, "preview");
    bench.token(app, "serviceToken", &token);
    bench.app(app, "preview", "", &[("core/app.yaml", WITHOUT_PODS)]);
}

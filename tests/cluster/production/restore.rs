//! The namespace that a person makes, the record in it, and a restore while Temporal is away.

use berth_test_support::lab_production::{LabProduction, web};
use serde_json::json;

use super::{assert_ended, recorded};
use crate::{BERTH, contested::own_apps::paste};

/// Nothing listens on port 1.
const NO_TEMPORAL: &str = "127.0.0.1:1";

#[test]
fn release_waits_for_its_namespace_and_a_restore_needs_no_temporal() {
    let mut production = LabProduction::without_namespace(BERTH, "p-first", "", &[("core/web.yaml", &web())]);
    let first = production.begin_release('1', "v1", &["--author", "octocat"]);
    let status = production.until("it says what is missing", |status| status["trouble"].is_string());
    let trouble = status["trouble"].as_str().unwrap();
    let (_, command) = trouble.split_once('(').unwrap();
    assert!(command.starts_with("kubectl create namespace p-first-production && kubectl label"), "{trouble}");
    assert!(paste(&production.lab, command.trim_end_matches(')')).status.success());
    assert_ended(&first.wait(), 0, "live");

    let record = recorded(&production, 1);
    assert_eq!((&record["release"], &record["live"], &record["begun"]), (&json!(1), &record["proven"], &json!(null)));
    let stored = format!("secret/{}", record["live"]["stored_release"].as_str().unwrap());
    let annotation = |name: &str| production.field(&stored, &format!(r"{{.metadata.annotations.berth\.dev/{name}}}"));
    let named = ["release", "released-by", "secret"].map(annotation);
    assert_eq!(named, ["1", "octocat", record["live"]["secrets"]["secret"].as_str().unwrap()]);
    assert!(!annotation("proven-at").is_empty());
    assert_ended(&production.berth("status", &[]), 0, "live");
    assert_ended(&production.berth("plan", &[]), 4, "not_found");

    assert_ended(&production.release('2', "v2", &[]), 0, "live");
    recorded(&production, 2);
    let history = production.begin_at(NO_TEMPORAL, "history", &["--namespace", "p-first-production"]).wait();
    let numbers: Vec<_> =
        history.data["releases"].as_array().unwrap().iter().map(|stored| &stored["release"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)], "{history:#?}");

    production.worker.kill();
    let restored = production.begin_at(NO_TEMPORAL, "restore", &["--release", "1", "--by", "ops"]).wait();
    assert_ended(&restored, 0, "live");
    assert_eq!(production.page().unwrap().0, "v1");
    assert_eq!(production.record()["restored"]["by"], "ops");

    production.start_worker();
    assert_ended(&production.release('3', "v3", &["--no-wait"]), 0, "queued");
    let status = production.until("the restore is a freeze", |status| status["frozen"].is_object());
    assert_eq!(status["frozen"]["reason"], "restored by hand to release 1");
    assert_eq!((&status["serving"]["number"], &status["queued"]["number"]), (&json!(1), &json!(3)), "{status:#}");
    assert_eq!(production.page().unwrap().0, "v1");
    assert_ended(&production.berth("unfreeze", &["--by", "ops"]), 0, "unfrozen");
    assert_ended(&production.berth("wait", &["--release", "3"]), 0, "live");
    assert_eq!(production.page().unwrap().0, "v3");
}

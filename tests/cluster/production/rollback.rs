//! Rollbacks: by itself after a release that fails, and by hand.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use berth_test_support::{
    lab_production::{LabProduction, broken_web, config_map, web},
    until,
};
use serde_json::json;

use super::assert_ended;
use crate::BERTH;

/// A Job that ends at once.
const MIGRATE: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: $KUBE_DEPLOYMENT_IMAGE, args: ['run:say-greeting']}]
";

#[test]
fn failed_release_is_rolled_back_and_the_next_one_goes_on() {
    let manifests = [("core/web.yaml", web()), ("core/job.yaml", MIGRATE.into()), ("core/old.yaml", config_map("old"))];
    let manifests: Vec<_> = manifests.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let production = LabProduction::start(BERTH, "p-bad", "", &manifests);
    assert_ended(&production.release('1', "v1", &[]), 0, "live");
    let job = || production.field("job/migrate", "{.metadata.uid}");
    let first = job();

    production.write("core/web.yaml", &broken_web());
    production.write("core/new.yaml", &config_map("new"));
    production.remove("core/old.yaml");
    let failed = production.begin_release('2', "v2", &[]);
    production.until("its pods are awaited", |status| status["rolling_out"]["step"] == "awaiting_rollout");
    assert!(production.exists("configmap/new"), "something of it was applied");
    let second = job();
    assert_ne!(second, first, "the Job of another image runs anew");
    let failed = failed.wait();
    assert_ended(&failed, 1, "rolled_back");
    assert_eq!(failed.json["verdict"]["failure"], "CrashLoop", "{failed:#?}");
    assert_eq!(production.page().unwrap().0, "v1");
    assert!(production.exists("configmap/old") && !production.exists("configmap/new"), "as before the release");
    assert_eq!(job(), second, "a rollback runs no Job");
    let rollouts = production.status()["rollouts"].clone();
    let rollouts = rollouts.as_array().unwrap().iter();
    let rollouts: Vec<_> = rollouts.map(|past| json!([past["release"], past["outcome"], past["rollback"]])).collect();
    assert_eq!(rollouts, [json!([1, "live", null]), json!([2, "failed", null]), json!([1, "live", true])]);

    // The next release may be the fix.
    production.write("core/web.yaml", &web());
    assert_ended(&production.release('3', "v3", &[]), 0, "live");
    assert_eq!(production.page().unwrap().0, "v3");
    assert_ne!(job(), second);
}

#[test]
fn rollback_by_hand_brings_back_objects_and_secrets() {
    let (before, after) = ("canary-greeting-before", "canary-greeting-after");
    let (web, extra) = (web(), config_map("extra"));
    let production = LabProduction::start(BERTH, "p-back", "", &[("core/web.yaml", &web), ("core/extra.yaml", &extra)]);
    let greet = |greeting: &str| production.doppler.put("p-back", "production", &[("GREETING", greeting)]);
    let page = |version: &str, greeting: &str| Some((version.to_owned(), greeting.to_owned()));
    greet(before);
    assert_ended(&production.release('1', "v1", &[]), 0, "live");
    let read = Instant::now();
    assert_eq!(production.page(), page("v1", before));
    greet(after);
    production.remove("core/extra.yaml");
    until("an answer of Doppler is too old to be used again", || read.elapsed() > Duration::from_secs(5));
    assert_ended(&production.release('2', "v2", &[]), 0, "live");
    assert_eq!(production.page(), page("v2", after));
    assert!(!production.exists("configmap/extra"));

    // Works while production is frozen, and goes before what is queued.
    assert_ended(&production.berth("freeze", &["--reason", "incident", "--by", "ops"]), 0, "frozen");
    assert_ended(&production.release('3', "v3", &["--no-wait"]), 0, "queued");
    let back = production.begin("rollback", &["--by", "ops", "--reason", "checkout is broken"]);
    let mut seen = BTreeSet::new();
    until("the old release answers", || {
        seen.extend(production.page());
        seen.iter().any(|(version, _)| version == "v1")
    });
    let back = back.wait();
    assert_ended(&back, 0, "live");
    eprintln!("pages during the rollback: {seen:?}");
    let whole = [page("v1", before), page("v2", after)];
    assert!(seen.into_iter().all(|page| whole.contains(&Some(page))), "a pod never has another release's secrets");
    let reason = back.json["reason"].as_str().unwrap();
    assert!(reason.contains("secrets: stored, values that change: GREETING"), "{back:#?}");
    assert!(!format!("{back:?}").contains("canary"), "names of secrets, never values: {back:#?}");
    assert_eq!(production.page(), page("v1", before));
    assert!(production.exists("configmap/extra"), "release 2 had removed it");
    let status = production.until("frozen", |status| status["phase"] == "Frozen");
    assert_eq!((&status["serving"]["number"], &status["queued"]["number"]), (&json!(1), &json!(3)), "{status:#}");
    assert_eq!(status["frozen"]["reason"], "rolled back to release 1: checkout is broken");

    let current = production.berth("rollback", &["--to", "1", "--secrets", "current", "--by", "ops"]);
    assert_ended(&current, 0, "live");
    assert_eq!(production.page(), page("v1", after));
    assert_ended(&production.berth("unfreeze", &["--by", "ops"]), 0, "unfrozen");
    assert_ended(&production.berth("wait", &["--release", "3"]), 0, "live");
    assert_eq!(production.page(), page("v3", after));
}

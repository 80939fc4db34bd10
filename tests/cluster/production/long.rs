//! Two hundred releases in a row, on fake nodes.

use std::{collections::BTreeMap, time::Instant};

use berth_lab::Lab;
use berth_test_support::lab_production::{LabProduction, web};
use serde_json::{Value, json};

use super::recorded;
use crate::BERTH;

const RELEASES: u64 = 200;
/// The release that serves, and as many before it as the app file says by default.
const KEPT: usize = 11;

/// The current run of the workflow, and the length of its history.
fn run(production: &LabProduction) -> (String, u64) {
    let described: Value = serde_json::from_str(&production.temporal("describe", &["--output", "json"])).unwrap();
    let info = &described["workflowExecutionInfo"];
    let length = info["historyLength"].as_str().unwrap().parse().unwrap();
    (info["execution"]["runId"].as_str().unwrap().to_owned(), length)
}

/// The names of the Secrets with this part.
fn secrets(production: &LabProduction, part: &str) -> Vec<String> {
    let names = production.kubectl(&["get", "secrets", "-o", "name"]);
    names.lines().filter(|name| name.contains(part)).map(str::to_owned).collect()
}

#[test]
#[ignore = "takes five minutes: cargo test --test cluster long -- --ignored --nocapture"]
fn two_hundred_releases_keep_the_last_with_their_secrets() {
    let lab = Lab::with_fake_nodes("p-long", 1).unwrap();
    let production = LabProduction::start_on(lab, BERTH, "p-long", "", &[("core/web.yaml", &web())]);
    let (begun, mut runs) = (Instant::now(), BTreeMap::new());
    for number in 1..=RELEASES {
        let greeting = format!("hello {number}");
        production.doppler.put("p-long", "production", &[("GREETING", &greeting)]);
        let (commit, sequence) = (format!("{number:040x}"), number.to_string());
        let image = production.lab.image("v1");
        let release = ["--commit", &commit, "--image", &image, "--sequence", &sequence];
        let answer = production.berth("release", &release);
        assert_eq!(answer.json["outcome"], "live", "{answer:?}");
        let (id, length) = run(&production);
        runs.insert(id, length);
    }
    let record = recorded(&production, RELEASES);
    let (stored, values) = (secrets(&production, "berth-release-"), secrets(&production, "-secrets-"));
    eprintln!(
        "{RELEASES} releases in {:.0} s: {} runs, the longest of {:?} events; Secrets kept: {} releases, {} of values",
        begun.elapsed().as_secs_f64(),
        runs.len(),
        runs.values().max(),
        stored.len(),
        values.len(),
    );
    let status = production.status();
    assert_eq!((&status["phase"], &status["serving"]["number"]), (&json!("Live"), &json!(RELEASES)), "{status:#}");
    assert_eq!(status["sequence"], RELEASES);
    assert_eq!((record["release"].as_u64(), record["rollout"].as_u64()), (Some(RELEASES), Some(RELEASES)));
    assert_eq!(stored.len(), KEPT, "{stored:?}");
    // The worker reads Doppler once per interval: releases in close succession share a Secret.
    assert!((1..=KEPT).contains(&values.len()), "{values:?}");
}

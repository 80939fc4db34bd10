//! The order of releases, their approval, and objects that a newer rollout has written.

use std::collections::BTreeMap;

use berth_test_support::{
    Answer, commit,
    lab_production::{LabProduction, WITHOUT_PODS, config_map},
};
use serde_json::json;

use super::{assert_ended, recorded};
use crate::BERTH;

#[test]
fn ten_releases_at_once_end_with_the_highest_sequence() {
    let production = LabProduction::start(BERTH, "p-ten", "", &[("core/app.yaml", WITHOUT_PODS)]);
    let sequences = [5_u64, 3, 9, 1, 10, 7, 2, 8, 4, 6];
    let begun = sequences.map(|sequence| {
        let digit = char::from_digit(u32::try_from(sequence).unwrap(), 16).unwrap();
        production.begin_release(digit, "v1", &["--sequence", &sequence.to_string()])
    });
    let answers = begun.map(|begun| begun.wait());
    let outcome = |answer: &Answer| (answer.code, answer.json["outcome"].as_str().unwrap().to_owned());
    let outcomes: BTreeMap<_, _> = sequences.into_iter().zip(answers.iter().map(outcome)).collect();
    eprintln!("sequence: outcome {outcomes:?}");
    assert_eq!(outcomes[&10], (0, "live".to_owned()), "{answers:#?}");

    let status = production.status();
    assert_eq!((&status["serving"]["commit"], &status["sequence"]), (&json!(commit('a').as_str()), &json!(10)));
    let sequence_of = |commit: &str| u64::from_str_radix(&commit[..1], 16).unwrap();
    let rollouts = status["rollouts"].as_array().unwrap();
    let rolled_out: Vec<_> = rollouts.iter().map(|past| sequence_of(past["commit"].as_str().unwrap())).collect();
    assert!(rolled_out.is_sorted(), "nothing older was rolled out after something newer: {rolled_out:?}");
    for (sequence, outcome) in outcomes {
        let expected = if rolled_out.contains(&sequence) { (0, "live") } else { (3, "superseded") };
        assert_eq!((outcome.0, outcome.1.as_str()), expected, "sequence {sequence} of {rolled_out:?}");
    }
    assert_eq!(production.field("configmap/web", "{.data.commit}"), commit('a').as_str());
}

#[test]
fn approval_covers_the_plan_that_was_shown_and_no_other() {
    let production =
        LabProduction::start(BERTH, "p-plan", "  approval: required\n", &[("core/app.yaml", WITHOUT_PODS)]);
    let plan = |answer: &Answer| answer.data["queued"]["plan"]["id"].as_str().unwrap().to_owned();
    let waiting = production.release('1', "v1", &[]);
    assert_ended(&waiting, 5, "awaiting_approval");
    let first = plan(&waiting);
    let shown = production.berth("plan", &[]);
    assert_ended(&shown, 0, "planned");
    assert_eq!(shown.data["plan"]["created"], json!(["ConfigMap/web", "CronJob/web"]), "{shown:#?}");
    assert!(shown.json.to_string().contains(&format!("+    \\\"commit\\\": \\\"{}\\\"", commit('1'))), "{shown:#?}");

    let approve = |id: &str| production.berth("approve", &["--release", "1", "--plan", id, "--by", "lead"]);
    let other = approve("0123456789abcdef");
    assert_ended(&other, 10, "refused");
    assert_eq!(other.data["plan"], first.as_str());
    // Somebody edits the manifests between the plan and its approval.
    production.write("core/more.yaml", &config_map("more"));
    assert_ended(&approve(&first), 0, "approved");
    let status = production.until("it is planned anew", |status| {
        let id = &status["queued"]["plan"]["id"];
        status["phase"] == "AwaitingApproval" && id.is_string() && *id != first.as_str()
    });
    assert!(!production.exists("configmap/web"), "planning has written nothing of the release");
    let second = status["queued"]["plan"]["id"].as_str().unwrap().to_owned();
    assert!(status["notes"].to_string().contains("the approval of release 1 by lead is void"), "{status:#}");
    assert_ended(&approve(&second), 0, "approved");
    assert_ended(&production.berth("wait", &["--release", "1"]), 0, "live");
    recorded(&production, 1);
    let releases = production.berth("history", &[]).data["releases"].clone();
    let approved: Vec<_> =
        releases.as_array().unwrap().iter().filter(|release| release["approved_by"] == "lead").collect();
    assert!(approved.len() == 1 && approved[0]["proven_at"].is_string(), "{releases:#}");
}

#[test]
fn release_that_meets_a_newer_rollout_leaves_nothing() {
    let production = LabProduction::start(BERTH, "p-over", "", &[("core/app.yaml", WITHOUT_PODS)]);
    assert_ended(&production.release('1', "v1", &[]), 0, "live");
    let label = r"{.metadata.labels.berth\.dev/deploy-id}";
    let met = production.field("configmap/web", label).parse::<u64>().unwrap() + 1_000;
    production.kubectl(&["label", "configmap/web", &format!("berth.dev/deploy-id={met}"), "--overwrite"]);
    production.write("core/more.yaml", &config_map("more"));
    let refused = production.release('2', "v2", &[]);
    assert_ended(&refused, 1, "failed");
    let verdict = &refused.json["verdict"];
    assert_eq!((&verdict["failure"], &verdict["met_deploy_id"]), (&json!("Overtaken"), &json!(met)), "{refused:#?}");
    assert!(!production.exists("configmap/more"), "nothing of it stays");
    assert_eq!(production.field("configmap/web", "{.data.commit}"), commit('1').as_str());
    assert_eq!(refused.data["serving"]["number"], 1);
    // A person who has looked releases again.
    assert_ended(&production.release('3', "v3", &[]), 0, "live");
    assert!(production.field("configmap/more", label).parse::<u64>().unwrap() > met);
}

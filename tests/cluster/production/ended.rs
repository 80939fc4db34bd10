//! Ends from outside, terminate and reset: what has begun is finished or rolled back, and nothing is done twice.

use berth_test_support::lab_production::{LabProduction, broken_web, slow_web, web};
use serde_json::json;

use super::{assert_ended, recorded};
use crate::BERTH;

/// Terminates the workflow in the middle of a rollout, and starts it again.
fn terminate_and_start(production: &LabProduction) {
    production.until("its pods are awaited", |status| status["rolling_out"]["step"] == "awaiting_rollout");
    production.terminate();
    production.start_again(&json!({"app": "p-end"}));
}

#[test]
fn terminate_and_reset_lose_nothing_and_repeat_nothing() {
    let production = LabProduction::start(BERTH, "p-end", "", &[("core/web.yaml", &web())]);
    let generation = || production.field("deployment/web", "{.metadata.generation}");
    let serves = |number: u64| {
        move |status: &serde_json::Value| status["serving"]["number"] == number && status["rolling_out"].is_null()
    };
    assert_ended(&production.release('1', "v1", &[]), 0, "live");

    production.write("core/web.yaml", &slow_web());
    assert_ended(&production.release('2', "v2", &["--sequence", "20", "--no-wait"]), 0, "queued");
    terminate_and_start(&production);
    production.until("release 2 is finished", serves(2));
    assert_eq!(
        (production.page().unwrap().0.as_str(), generation().as_str()),
        ("v2", "2"),
        "applied once more, unchanged"
    );

    production.write("core/web.yaml", &web());
    assert_ended(&production.release('3', "v3", &["--sequence", "30"]), 0, "live");
    let before = recorded(&production, 3);
    production.temporal("reset", &["--type", "FirstWorkflowTask", "--reason", "a test"]);
    let status = production.until("it has read its record again", serves(3));
    assert_eq!((&status["queued"], &status["sequence"]), (&json!(null), &json!(30)), "{status:#}");
    // An older one is still older.
    assert_ended(&production.release('4', "v4", &["--sequence", "25"]), 3, "superseded");
    assert_eq!((recorded(&production, 3)["rollout"].clone(), generation().as_str()), (before["rollout"].clone(), "3"));

    production.write("core/web.yaml", &broken_web());
    assert_ended(&production.release('5', "v2", &["--sequence", "50", "--no-wait"]), 0, "queued");
    terminate_and_start(&production);
    let status = production.until("it is rolled back", |status| status["phase"] == "RolledBack");
    assert_eq!((&status["serving"]["number"], &status["failed"]["release"]["number"]), (&json!(3), &json!(4)));
    assert_eq!(production.page().unwrap().0, "v3");
}

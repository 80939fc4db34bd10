//! Production on the lab's cluster, as people see it: with the built binary, `kubectl` and `temporal`.

mod ended;
mod long;
mod order;
mod restore;
mod rollback;
mod two_images;

use berth_test_support::{Answer, lab_production::LabProduction, until};
use serde_json::Value;

/// Asserts the exit code and the outcome of a command.
#[track_caller]
fn assert_ended(answer: &Answer, code: i32, outcome: &str) {
    assert_eq!((answer.code, answer.json["outcome"].as_str()), (code, Some(outcome)), "{answer:#?}");
}

/// Waits until the namespace's record says that this release is live and nothing has begun, and returns it.
fn recorded(production: &LabProduction, release: u64) -> Value {
    let mut record = Value::Null;
    until("the record says that it is live", || {
        record = production.record();
        record["live"]["release"]["number"] == release && record["begun"].is_null()
    });
    record
}

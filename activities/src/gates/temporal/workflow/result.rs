//! The comparison of a workflow's result with the gate.

use berth_workflows::contract::verdict::truncate;
use serde_json::Value;
use temporalio_common::protos::temporal::api::common::v1::Payloads;

use super::super::super::attempt::Miss;
use crate::redaction::message::Message;

/// The most bytes of a result, and of the expectation, in a verdict.
const SHOWN_BYTES: usize = 300;

const ADVICE: &str = "The workflow's result differs from the gate's expectation. Correct one of the two.";

/// Checks that the result contains the expected part. A miss is final: a workflow has one result.
pub(super) fn contains(expect: Option<&Value>, result: Option<&Payloads>) -> Result<(), Miss> {
    let Some(expect) = expect else { return Ok(()) };
    let payload = result.and_then(|result| result.payloads.first());
    let data = payload.map_or(&[][..], |payload| &payload.data);
    let text = String::from_utf8_lossy(data);
    let json = if data.is_empty() { Value::Null } else { serde_json::from_slice(data).unwrap_or(Value::Null) };
    let is_there = match expect {
        Value::String(looked_for) => text.contains(looked_for.as_str()) || has_text(&json, looked_for),
        other => has(&json, other),
    };
    if is_there {
        return Ok(());
    }
    let mut expected = expect.to_string();
    truncate(&mut expected, SHOWN_BYTES);
    let message = Message::from(format!("its result should contain {expected} and is "));
    let message = if data.is_empty() { message.own("nothing") } else { message.foreign(text, SHOWN_BYTES) };
    Err(Miss::new(message).advise(ADVICE).finally())
}

/// Returns whether `json` has every part of `looked_for`: each field of an object, each element of a list.
fn has(json: &Value, looked_for: &Value) -> bool {
    match (json, looked_for) {
        (Value::Object(json), Value::Object(fields)) => {
            fields.iter().all(|(name, field)| json.get(name).is_some_and(|json| has(json, field)))
        }
        (Value::Array(json), Value::Array(elements)) => {
            elements.iter().all(|element| json.iter().any(|json| has(json, element)))
        }
        _ => json == looked_for,
    }
}

/// Returns whether a string in the JSON contains the text. JSON may have escaped it.
fn has_text(json: &Value, looked_for: &str) -> bool {
    match json {
        Value::String(text) => text.contains(looked_for),
        Value::Array(elements) => elements.iter().any(|element| has_text(element, looked_for)),
        Value::Object(fields) => fields.values().any(|field| has_text(field, looked_for)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::json_payload, *};

    fn is_met(expect: &Value, result: &Value) -> bool {
        contains(Some(expect), Some(&Payloads { payloads: vec![json_payload(result)] })).is_ok()
    }

    #[test]
    fn text_may_be_anywhere_in_the_result_and_json_must_be_a_part_of_it() {
        for (expect, result, met) in [
            (json!("hello"), json!("hello world"), true),
            (json!("a \"b\""), json!({"message": ["a \"b\" c"]}), true),
            (json!("world"), json!("hello"), false),
            (json!({"ok": true}), json!({"ok": true, "n": 1}), true),
            (json!({"a": {"b": [2]}}), json!({"a": {"b": [1, 2, 3], "c": 0}}), true),
            (json!({"ok": true}), json!({"ok": false}), false),
            (json!([1]), json!(1), false),
            (json!(7), json!(7), true),
            (json!(true), json!("true"), false),
        ] {
            assert_eq!(is_met(&expect, &result), met, "{expect} in {result}");
        }
    }

    #[test]
    fn a_workflow_without_a_result_passes_a_gate_without_expectation() {
        assert!(contains(None, None).is_ok());
        let miss = contains(Some(&json!("x")), None).unwrap_err();
        let expected = "its result should contain \"x\" and is nothing";
        assert_eq!((miss.message.unredacted().as_str(), miss.is_final), (expected, true));
    }

    #[test]
    fn a_long_result_is_truncated() {
        let miss =
            contains(Some(&json!("y")), Some(&Payloads { payloads: vec![json_payload(&json!("x".repeat(5000)))] }));
        assert!(miss.unwrap_err().message.unredacted().len() < 400);
    }
}

//! The API server's message about a refused request, short enough for a person. About a field it repeats the field's value, and a
//! pod template has thousands of characters: the reason comes after it.

use kube::core::Status;

/// The length up to which a message is shown as it is, in bytes.
const SHORT: usize = 500;
/// How much is shown of a field's part of a longer message, in bytes: its beginning, and the reason at its end.
const BEGINNING: usize = 40;
const END: usize = 200;

/// Returns the message, with the values of fields left out if it is long.
pub(super) fn readable(status: &Status) -> String {
    if status.message.len() <= SHORT {
        return status.message.clone();
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<_> = causes.map(|cause| format!("{}: {}", cause.field, without_value(&cause.message))).collect();
    match status.message.split_once(" is invalid: ") {
        Some((object, _)) if !fields.is_empty() => format!("{object} is invalid: {}", fields.join("; ")),
        Some((object, rest)) => format!("{object} is invalid: {}", without_value(rest)),
        None => status.message.clone(),
    }
}

/// Returns a field's message without its value: `Invalid value: …: field is immutable`.
fn without_value(message: &str) -> String {
    if message.len() <= BEGINNING + END {
        return message.to_owned();
    }
    let beginning = message.find("value: ").map_or(BEGINNING, |at| at + "value: ".len()).min(BEGINNING);
    let reason = message.rfind(": ").map_or("", |at| &message[at..]);
    let end = if reason.len() > END { last(message, END) } else { reason };
    format!("{}…{end}", first(message, beginning))
}

fn first(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn last(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(message: &str, causes: &[(&str, &str)]) -> Status {
        let causes: Vec<_> =
            causes.iter().map(|(field, message)| json!({"field": field, "message": message})).collect();
        serde_json::from_value(json!({"message": message, "code": 422, "details": {"causes": causes}})).unwrap()
    }

    #[test]
    fn a_long_message_keeps_the_field_and_the_reason() {
        let template = format!("core.PodTemplateSpec{{{}}}", "ObjectMeta: v1.ObjectMeta{Labels: nil}, ".repeat(100));
        let cause = format!("Invalid value: {template}: field is immutable");
        let message = format!("Job.batch \"migrate\" is invalid: spec.template: {cause}");
        let expected = "Job.batch \"migrate\" is invalid: spec.template: Invalid value: …: field is immutable";
        assert_eq!(readable(&status(&message, &[("spec.template", &cause)])), expected);
        assert_eq!(
            readable(&status(&message, &[])),
            "Job.batch \"migrate\" is invalid: spec.template: Invalid value: …: field is immutable"
        );
    }

    #[test]
    fn every_field_of_a_long_message_is_named() {
        let long = format!("Invalid value: \"{}\": must be shorter", "é".repeat(600));
        let both = [("metadata.labels", long.as_str()), ("spec.replicas", "Invalid value: -1: must not be negative")];
        let message = format!("Deployment.apps \"web\" is invalid: [metadata.labels: {long}, spec.replicas: …]");
        let text = readable(&status(&message, &both));
        assert!(text.ends_with("metadata.labels: Invalid value: …: must be shorter; spec.replicas: Invalid value: -1: must not be negative"), "{text}");
    }

    #[test]
    fn other_messages_stay_as_they_are() {
        for message in ["Job.batch \"migrate\" is invalid: spec.template: Required value", &"x".repeat(3000)] {
            assert_eq!(readable(&status(message, &[])), message);
        }
    }
}

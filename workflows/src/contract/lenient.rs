//! Decoding of input from outside: bad JSON becomes a value for the handler, never a wedged workflow.
//!
//! The SDK fails the workflow *task* when an input cannot be decoded, and retries it for ever: one bad signal would
//! poison an environment. A [`Lenient`] always decodes; the handler decides what to do with a bad input.

use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use temporalio_common::{
    data_converters::{
        GenericPayloadConverter, PayloadConversionError, SerializationContext, TemporalDeserializable,
        TemporalSerializable,
    },
    protos::temporal::api::common::v1::Payload,
};

use crate::contract::{release::is_harmless, verdict::truncate};
use nearest::with_nearest;

mod nearest;

/// Bound on an input from outside. Ordinary ones are a few hundred bytes; a history keeps every input.
pub const MAX_INPUT_BYTES: usize = 16 * 1024;

/// Bound on an error: it is shown in `status`, carried from run to run, and printed on terminals.
const MAX_ERROR_BYTES: usize = 400;

/// An input that can be sent to a workflow as JSON.
pub trait Input: DeserializeOwned {
    /// A valid input, shown in the error about an invalid one. Empty if no person sends this input.
    const EXAMPLE: &'static str;

    /// Bound on its JSON.
    const MAX_BYTES: usize = MAX_INPUT_BYTES;

    /// Decodes the JSON of an object.
    ///
    /// # Errors
    /// serde's own message, with the nearest name to an unknown field.
    fn from_json(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|e| with_nearest(e.to_string()))
    }
}

/// An input from outside: its value, or the reason why it was not decoded.
#[derive(Debug, Clone)]
pub struct Lenient<T>(pub Result<T, String>);

impl<T> From<T> for Lenient<T> {
    fn from(value: T) -> Self {
        Self(Ok(value))
    }
}

impl<T: Serialize + 'static> TemporalSerializable for Lenient<T> {
    fn to_payload(&self, context: &SerializationContext<'_>) -> Result<Payload, PayloadConversionError> {
        let encoding_error = |e: Box<dyn std::error::Error + Send + Sync>| PayloadConversionError::EncodingError(e);
        match &self.0 {
            Ok(value) => {
                let value = serde_json::to_value(value).map_err(|e| encoding_error(e.into()))?;
                context.converter.to_payload(context, &value)
            }
            Err(why) => Err(encoding_error(why.clone().into())),
        }
    }
}

impl<T: Input + 'static> TemporalDeserializable for Lenient<T> {
    fn from_payload(context: &SerializationContext<'_>, payload: Payload) -> Result<Self, PayloadConversionError> {
        Self::from_payloads(context, vec![payload])
    }

    fn from_payloads(_: &SerializationContext<'_>, payloads: Vec<Payload>) -> Result<Self, PayloadConversionError> {
        Ok(Self(match payloads.as_slice() {
            [] => empty(),
            [payload] => decode(payload),
            others => Err(explained::<T>(&format!("expected one JSON argument, got {}", others.len()))),
        }))
    }
}

fn decode<T: Input>(payload: &Payload) -> Result<T, String> {
    refuse_if_too_long::<T>(payload)?;
    decode_unbounded(payload)
}

/// Refuses an input that is longer than its bound.
pub(super) fn refuse_if_too_long<T: Input>(payload: &Payload) -> Result<(), String> {
    let bytes = payload.data.len();
    if bytes <= T::MAX_BYTES {
        return Ok(());
    }
    Err(explained::<T>(&format!("the input has {bytes} bytes, the limit is {}", T::MAX_BYTES)))
}

/// Decodes plain JSON only: the CLI, the UI and every SDK's default converter send that.
pub(super) fn decode_unbounded<T: Input>(payload: &Payload) -> Result<T, String> {
    match payload.metadata.get("encoding").map(Vec::as_slice) {
        Some(b"json/plain") if is_nothing(&payload.data) => empty(),
        Some(b"json/plain") => object(&payload.data).map_err(|why| explained::<T>(&why)),
        Some(b"binary/null") => empty(),
        other => {
            let other = other.map_or_else(|| "no encoding".into(), String::from_utf8_lossy);
            Err(explained::<T>(&format!("expected an argument of encoding json/plain, got {other}")))
        }
    }
}

/// Whether the JSON says that there is no argument, as some clients write one that is missing.
fn is_nothing(json: &[u8]) -> bool {
    serde_json::from_slice(json).is_ok_and(|value: Option<[(); 0]>| value.is_none_or(|nothing| nothing.is_empty()))
}

/// Decodes an object only. serde would also read an array as a struct, field by field, which no sender intends.
fn object<T: Input>(json: &[u8]) -> Result<T, String> {
    if json.trim_ascii_start().starts_with(b"{") {
        return T::from_json(json);
    }
    serde_json::from_slice::<IgnoredAny>(json).map_err(|e| e.to_string())?;
    Err("expected a JSON object".to_owned())
}

/// Decodes a missing argument as an object without fields, so that `temporal workflow signal --name close` is complete.
fn empty<T: Input>() -> Result<T, String> {
    serde_json::from_str("{}").map_err(|_| explained::<T>("there is no argument"))
}

/// Shortens an error, escapes every character that a terminal would obey, and appends a valid example.
fn explained<T: Input>(why: &str) -> String {
    let mut plain = String::new();
    for c in why.chars() {
        if is_harmless(c) { plain.push(c) } else { plain.extend(c.escape_unicode()) }
    }
    let example = if T::EXAMPLE.is_empty() { String::new() } else { format!("; send {}", T::EXAMPLE) };
    truncate(&mut plain, MAX_ERROR_BYTES.saturating_sub(example.len()));
    plain + &example
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        environment::PullRequest,
        pull_request::PullRequestFacts,
        run_script::RunScript,
        signals::{Approve, Close, Push, Redeploy},
    };

    fn payload(encoding: &str, data: &[u8]) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), encoding.as_bytes().to_vec())].into(),
            data: data.to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn json_decodes_if_its_shape_is_right() {
        let input = decode::<PullRequest>(&payload("json/plain", br#"{"app":"web","pr":123}"#));
        assert_eq!(input, Ok(PullRequest::new("web", 123)));
    }

    #[test]
    fn missing_argument_decodes_as_an_object_without_fields() {
        assert_eq!(decode::<Close>(&payload("binary/null", b"")), Ok(Close::default()));
        for json in ["null", "[]", "{}", " [ ]\n"] {
            assert_eq!(decode::<Close>(&payload("json/plain", json.as_bytes())), Ok(Close::default()), "{json}");
        }
    }

    #[test]
    fn decoding_reports_the_cause_for_every_bad_input() {
        let cases = [
            (payload("json/plain", br#"{"app":"web","pr":"12x"}"#), "invalid value: string"),
            (payload("json/plain", br#"{"app":"web""#), "EOF while parsing"),
            (payload("json/plain", br#"["web", 123]"#), "expected a JSON object; send"),
            (payload("json/plain", b"[{}]"), "expected a JSON object; send"),
            (payload("json/plain", b"null"), "there is no argument; send"),
            (payload("binary/null", b""), "there is no argument; send {\"app\":\"web\",\"pr\":123}"),
            (payload("binary/plain", b"123"), "expected an argument of encoding json/plain, got binary/plain"),
            (payload("json/plain", &[b' '; MAX_INPUT_BYTES + 1]), "the limit is 16384"),
        ];
        for (payload, expected) in cases {
            let error = decode::<PullRequest>(&payload).unwrap_err();
            assert!(error.contains(expected), "{error} should contain {expected}");
        }
    }

    #[test]
    fn error_is_short_harmless_and_ends_with_the_example() {
        let field = format!("\u{1b}]0;x\u{7}\u{202e}{}", "y".repeat(10_000));
        let json = serde_json::to_vec(&serde_json::json!({ field: 1 })).unwrap();
        let error = decode::<Push>(&payload("json/plain", &json)).unwrap_err();
        assert!(error.len() <= MAX_ERROR_BYTES && error.chars().all(is_harmless), "{error}");
        assert!(error.starts_with("unknown field `\\u{1b}]0;x") && error.ends_with(Push::EXAMPLE), "{error}");
    }

    #[test]
    fn every_example_decodes_as_its_input() {
        fn is_good<T: Input>() {
            assert!(decode::<T>(&payload("json/plain", T::EXAMPLE.as_bytes())).is_ok(), "{}", T::EXAMPLE);
        }
        is_good::<PullRequest>();
        is_good::<Push>();
        is_good::<Close>();
        is_good::<Approve>();
        is_good::<Redeploy>();
        is_good::<RunScript>();
        is_good::<PullRequestFacts>();
    }
}

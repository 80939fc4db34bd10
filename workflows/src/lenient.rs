//! Decoding of what comes from outside: bad JSON becomes a value to be dealt with, never a wedged workflow.
//!
//! The SDK fails the workflow *task* when an input cannot be decoded, and retries it for ever: one bad signal would
//! poison an environment. A [`Lenient`] always decodes; the handler decides what a bad one means.

use serde::{Serialize, de::DeserializeOwned};
use temporalio_common::{
    data_converters::{
        GenericPayloadConverter, PayloadConversionError, SerializationContext, TemporalDeserializable,
        TemporalSerializable,
    },
    protos::temporal::api::common::v1::Payload,
};

/// The bound on one input from outside. Ours are a few hundred bytes; a history keeps every one of them.
pub const MAX_INPUT_BYTES: usize = 16 * 1024;

/// An input from outside: the value, or why it is not one.
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

impl<T: DeserializeOwned + 'static> TemporalDeserializable for Lenient<T> {
    fn from_payload(context: &SerializationContext<'_>, payload: Payload) -> Result<Self, PayloadConversionError> {
        Self::from_payloads(context, vec![payload])
    }

    fn from_payloads(_: &SerializationContext<'_>, payloads: Vec<Payload>) -> Result<Self, PayloadConversionError> {
        Ok(Self(match payloads.as_slice() {
            [] => empty(),
            [payload] => decode(payload),
            others => Err(format!("expected one JSON argument, got {}", others.len())),
        }))
    }
}

/// Only plain JSON is taken: a payload from the CLI, the UI or any SDK's default converter is that.
fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, String> {
    if payload.data.len() > MAX_INPUT_BYTES {
        return Err(format!("the input has {} bytes, the limit is {MAX_INPUT_BYTES}", payload.data.len()));
    }
    match payload.metadata.get("encoding").map(Vec::as_slice) {
        Some(b"json/plain") => serde_json::from_slice(&payload.data).map_err(|e| e.to_string()),
        Some(b"binary/null") => empty(),
        other => Err(format!("expected plain JSON, got {}", String::from_utf8_lossy(other.unwrap_or(b"no encoding")))),
    }
}

/// No argument is an object without fields: `temporal workflow signal --name close` is a whole sentence.
fn empty<T: DeserializeOwned>() -> Result<T, String> {
    serde_json::from_str("{}").map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{environment::PullRequest, mailbox::Close};

    fn payload(encoding: &str, data: &[u8]) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), encoding.as_bytes().to_vec())].into(),
            data: data.to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn json_of_the_right_shape_decodes() {
        let input = decode::<PullRequest>(&payload("json/plain", br#"{"app":"web","pr":123}"#));
        assert_eq!(input, Ok(PullRequest::new("web", 123)));
    }

    #[test]
    fn no_argument_is_an_object_without_fields() {
        assert_eq!(decode::<Close>(&payload("binary/null", b"")), Ok(Close::default()));
    }

    #[test]
    fn every_other_input_says_what_is_wrong_with_it() {
        let cases = [
            (payload("json/plain", br#"{"app":"web","pr":"123"}"#), "invalid type: string"),
            (payload("json/plain", br#"{"app":"web""#), "EOF while parsing"),
            (payload("binary/null", b""), "missing field `app`"),
            (payload("binary/plain", b"123"), "expected plain JSON, got binary/plain"),
            (payload("json/plain", &[b' '; MAX_INPUT_BYTES + 1]), "the limit is 16384"),
        ];
        for (payload, expected) in cases {
            let error = decode::<PullRequest>(&payload).unwrap_err();
            assert!(error.contains(expected), "{error} should contain {expected}");
        }
    }
}

//! The input of a workflow that continues as new: what a caller sends, or what a run has written for the next one.

use serde::Serialize;
use serde_json::Value;
use temporalio_common::{
    data_converters::{PayloadConversionError, SerializationContext, TemporalDeserializable, TemporalSerializable},
    protos::temporal::api::common::v1::Payload,
};

use crate::contract::lenient::{Input, Lenient, decode_unbounded, refuse_if_too_long};

/// An input that can carry state from run to run.
pub trait CarriesState: Input {
    /// Takes the carried state out.
    fn take_carried(&mut self) -> Option<Value>;

    /// Checks the names, which the workflow's id and objects follow from.
    ///
    /// # Errors
    /// A message that names the field, its bounds and its value.
    fn check_names(&self) -> Result<(), String>;

    /// Checks what decoding does not: the names, and the bounds of a start.
    ///
    /// # Errors
    /// As [`Self::check_names`].
    fn check(&self) -> Result<(), String>;
}

/// An input as [`Lenient`], whose bound holds for a caller only: the state of a run that continues another may be longer.
#[derive(Debug, Clone)]
pub struct Carrying<T> {
    decoded: Lenient<T>,
    too_long: Option<String>,
}

impl<T> Carrying<T> {
    /// The input that a caller has sent, or the reason why it is refused.
    pub fn into_input_of_caller(self) -> Result<T, String> {
        self.too_long.map_or(self.decoded.0, Err)
    }

    /// The input that the run before has written, or the reason why it was not decoded.
    pub fn into_input_of_earlier_run(self) -> Result<T, String> {
        self.decoded.0
    }
}

impl<T> From<T> for Carrying<T> {
    fn from(value: T) -> Self {
        Self { decoded: value.into(), too_long: None }
    }
}

impl<T: Serialize + 'static> TemporalSerializable for Carrying<T> {
    fn to_payload(&self, context: &SerializationContext<'_>) -> Result<Payload, PayloadConversionError> {
        self.decoded.to_payload(context)
    }
}

impl<T: Input + 'static> TemporalDeserializable for Carrying<T> {
    fn from_payload(context: &SerializationContext<'_>, payload: Payload) -> Result<Self, PayloadConversionError> {
        Self::from_payloads(context, vec![payload])
    }

    fn from_payloads(
        context: &SerializationContext<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Self, PayloadConversionError> {
        Ok(match payloads.as_slice() {
            [payload] => {
                Self { decoded: Lenient(decode_unbounded(payload)), too_long: refuse_if_too_long::<T>(payload).err() }
            }
            _ => Self { decoded: Lenient::from_payloads(context, payloads)?, too_long: None },
        })
    }
}

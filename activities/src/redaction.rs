//! Redaction: no text that people read contains the value of a secret.
//!
//! A text is redacted first and cut afterwards, at its own end: half a secret is not found any more. Words of berth's own are
//! kept apart from those of others in a [`message::Message`], and stay as they are.

mod edges;
pub(crate) mod known_secrets;
pub(crate) mod message;
pub(crate) mod redacted_failure;
pub(crate) mod redactor;
pub(crate) mod secret_keys;
mod values;
mod views;

//! Redaction: no text that people read contains the value of a secret.

pub(crate) mod known_secrets;
pub(crate) mod redacted_failure;
pub(crate) mod redactor;
pub(crate) mod secret_keys;

//! No value of a secret is in what people read.

pub(crate) mod known_secrets;
pub(crate) mod redacted_failure;
pub(crate) mod redactor;
pub(crate) mod secret_keys;

//! No value of a secret is in what people read.

pub(crate) mod redactor;

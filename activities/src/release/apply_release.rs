//! The apply of a rendered release, object by object.

pub(super) mod object;
mod takeover;

//! The commands of `cargo lab`, a file for each.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod image;
pub(crate) mod screenshot;
pub(crate) mod up;

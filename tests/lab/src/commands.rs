//! The commands of `cargo lab`, a file for each.

pub(crate) mod bench;
mod by_hand;
pub(crate) mod demo;
pub(crate) mod down;
mod ending;
pub(crate) mod env;
pub(crate) mod image;
mod options;
pub(crate) mod parts;
mod person;
mod pull_request;
pub(crate) mod screenshot;
pub(crate) mod status;
mod timeline;
pub(crate) mod up;

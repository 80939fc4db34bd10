//! The part of an environment's life that previews and production share.
//!
//! Nothing here names the workflow of either.

pub mod book;
pub mod notes;
pub mod queue;

//! The part of an environment's life that previews and production share.
//!
//! Nothing here names the workflow of either.

pub mod queue;

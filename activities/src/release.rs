//! A release in its environment: rendered, stored, applied, and what the one before has left over.

pub(crate) mod apply_manifests;
pub(crate) mod rendering;
pub mod stored_release;

pub use apply_manifests::apply_manifests;

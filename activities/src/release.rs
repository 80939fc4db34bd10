//! A release in its environment: rendered, stored, applied, and pruned of the objects of the release before.
//!
//! It is stored in one Secret, or in a head and parts ([`stored_release`]). What rollouts that failed have left behind goes
//! beside the apply of the next release ([`leftovers`]), and after a rollout that succeeded with the prune.

mod apply_manifests;
pub mod apply_release;
mod apply_stored;
pub mod compare;
pub mod leftovers;
pub(crate) mod pod_security;
pub(crate) mod proven;
pub(crate) mod prune;
pub(crate) mod pushed;
pub(crate) mod rendering;
pub(crate) mod serving;
pub mod stored_release;

pub use apply_manifests::apply_manifests;
pub use apply_stored::apply_stored;
pub use prune::prune;

//! Production's record in its namespace, and the release that a rollback leads to.

mod check_begun;
mod find_rollback;
pub(crate) mod plan_release;
mod recall_production;
mod record;
mod record_production;
mod restore;

pub(crate) use check_begun::check_begun;
pub use find_rollback::find_rollback;
pub use plan_release::plan_release;
pub use recall_production::recall_production;
pub use record_production::record_production;
pub use restore::{Restore, await_restore, is_restored, restore};

#[cfg(test)]
mod tests;

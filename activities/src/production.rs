//! Production's record in its namespace, and the release that a rollback leads to.

mod recall_production;
mod record;
mod record_production;

pub use recall_production::recall_production;
pub use record_production::record_production;

//! Reports on GitHub: what people are shown of an environment, and which write brings it there. Pure.
//!
//! [`View`] is what is to be shown, [`Reports`] what was shown. A write follows from the two.

pub mod check;
pub mod comment;
pub mod deployment;
#[cfg(test)]
mod examples;
mod key;
pub mod markdown;
pub mod shown;
pub mod view;
pub mod wanted;

pub use shown::Reports;
pub use view::View;
pub use wanted::Wanted;

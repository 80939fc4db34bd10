//! An environment as a whole: described, its namespace made, removed.

mod await_namespace_gone;
pub(crate) mod load_app;

pub use await_namespace_gone::await_namespace_gone;
pub use load_app::load_app;

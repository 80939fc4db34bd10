//! An environment as a whole: described, its namespace made, removed.

pub(crate) mod load_app;

pub use load_app::load_app;

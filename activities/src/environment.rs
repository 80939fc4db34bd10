//! An environment as a whole: its description, its namespace, its removal.

mod app_files;
mod await_namespace_gone;
pub(crate) mod default_requests;
mod delete_environment;
mod ensure_namespace;
pub(crate) mod load_app;
mod look_at_environment;
mod recall_preview;
mod report_stuck;

pub use await_namespace_gone::await_namespace_gone;
pub use delete_environment::delete_environment;
pub use ensure_namespace::ensure_namespace;
pub(crate) use ensure_namespace::{isolation_objects, pull_secret};
pub use load_app::load_app;
pub use look_at_environment::look_at_environment;
pub use recall_preview::recall_preview;
pub use report_stuck::report_stuck;

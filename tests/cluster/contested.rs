//! Environments that do not go away, and names, fields and objects that others claim, too.

mod app_files;
mod fields;
mod manifests_seen;
pub(crate) mod own_apps;
mod priority_classes;
mod rights;
mod stuck_namespaces;
mod teardown;
mod whole_folder;

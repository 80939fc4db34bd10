//! The servers beside the cluster: Temporal, Doppler's stand-in, PostgreSQL and the image registry, with the sample apps.

pub(crate) mod apps;
pub(crate) mod database;
pub(crate) mod doppler;
pub(crate) mod postgres;
pub(crate) mod registry;
pub(crate) mod temporal;

/// The namespace that the worker keeps its own things in.
pub(crate) const BERTH_NAMESPACE: &str = "berth-system";

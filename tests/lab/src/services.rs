//! The servers beside the cluster: Temporal, the Doppler stand-in, PostgreSQL, the image registry; and the sample apps.

pub(crate) mod apps;
pub(crate) mod database;
pub(crate) mod doppler;
pub(crate) mod postgres;
pub(crate) mod registry;
pub(crate) mod temporal;

/// The worker's own namespace.
pub(crate) const BERTH_NAMESPACE: &str = "berth-system";

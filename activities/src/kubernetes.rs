//! Conventions for talking to the API server that the activities share.

pub(crate) mod applyset;
pub(crate) mod client;
pub(crate) mod content_secret;
pub(crate) mod fence;
pub(crate) mod further_kind;
pub(crate) mod guarded_delete;
pub(crate) mod kind_api;
pub mod labels;
pub(crate) mod log_tail;
pub(crate) mod own_namespaces;
pub(crate) mod permitted;
pub(crate) mod pod_secrets;
pub(crate) mod rbac_lag;
pub(crate) mod recorded_names;
pub(crate) mod references;
pub(crate) mod service_accounts;
pub(crate) mod stop_workloads;
pub(crate) mod terminating_namespace;
pub(crate) mod time_limits;
pub(crate) mod versioned;

//! Inputs and results of the activities that precede the apply: namespace, database, secrets.

use serde::{Deserialize, Serialize};

/// The namespace that `ensure_namespace` made or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceReady {
    pub uid: String,
    pub created: bool,
    /// The namespace controller's message, if a namespace of that name is still being deleted: then none is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminating: Option<String>,
}

/// The input of `await_namespace_gone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitGoneInput {
    pub namespace: String,
    pub uid: String,
    /// The known reason that it is still there. A different reason ends the wait, so that `status` can report it.
    pub said: String,
}

/// The result of `await_namespace_gone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceGone {
    /// The reason that the namespace is still there, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminating: Option<String>,
}

/// The result of `ensure_database`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseReady {
    /// The role and databases that did not exist before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// The cause, if the server is unreachable, full or refuses: then the database is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// The result of `sync_secrets`: names and a version, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedSecrets {
    /// The immutable Secret. Its name is derived from its content.
    pub secret: String,
    /// The hash of its content, as in its name.
    pub version: String,
    /// The keys that berth set, in addition to Doppler's or in place of them.
    #[serde(default)]
    pub set_by_berth: Vec<String>,
    /// Other keys of Doppler's whose values contain an address or a password that berth has replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<String>,
    /// The effective `TEMPORAL_SERVER_ADDRESS`.
    pub temporal_server_address: String,
    /// Whether that address comes from Doppler. Otherwise it is the environment's own.
    pub temporal_server_address_from_doppler: bool,
}

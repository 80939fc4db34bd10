//! A look at an environment before a push of what serves is answered: somebody may have deleted it by hand.

use serde::{Deserialize, Serialize};

use crate::contract::environment::Environment;

/// The input of `look_at_environment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAtInput {
    pub environment: Environment,
    /// The stored release that serves, with the objects to look for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_release: Option<String>,
}

/// The result of `look_at_environment`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSeen {
    /// Something that was rolled out and is not there. None: everything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its kind and name.
    pub what: String,
    /// Whether it is the namespace, and all that was in it.
    #[serde(default)]
    pub is_namespace: bool,
}

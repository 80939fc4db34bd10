//! Keys of an environment's Secret whose values people may see.

use std::collections::BTreeMap;

use crate::redaction::redactor::Redactor;

/// The address of the app's Temporal server.
pub(crate) const TEMPORAL_SERVER_ADDRESS: &str = "TEMPORAL_SERVER_ADDRESS";

/// Keys whose values are public: names from the app file, and the address that `status` shows. Redacting them would
/// remove `preview` and the app's name from every second sentence.
const PUBLIC_KEYS: [&str; 4] = ["DOPPLER_PROJECT", "DOPPLER_ENVIRONMENT", "DOPPLER_CONFIG", TEMPORAL_SERVER_ADDRESS];

/// Keys of the environment's database whose values are public. The password is in the other keys.
const PUBLIC_DATABASE_KEYS: [&str; 7] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_NAME",
    "DATABASE_TLS",
    "TEMPORAL_DATABASE_NAME",
    "TEMPORAL_VISIBILITY_DATABASE_NAME",
];

/// Returns whether the value of a key must not be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    !PUBLIC_KEYS.contains(&key) && !PUBLIC_DATABASE_KEYS.contains(&key)
}

/// A redactor for the values of the secret keys.
pub(crate) fn redactor(values: &BTreeMap<String, String>) -> Redactor {
    Redactor::new(values.iter().filter(|(key, _)| is_secret(key)).map(|(_, value)| value.as_bytes()))
}

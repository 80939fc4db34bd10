//! Which keys of an environment's Secret have values that people may see.

use std::collections::BTreeMap;

use crate::redaction::redactor::Redactor;

/// Where the app's Temporal server is.
pub(crate) const TEMPORAL_SERVER_ADDRESS: &str = "TEMPORAL_SERVER_ADDRESS";

/// Keys whose values are no secrets: names that the app file has too, and the address that `status` shows. Taken out of
/// what people read, `preview` and the app's own name would be missing in every second sentence.
const PUBLIC_KEYS: [&str; 4] = ["DOPPLER_PROJECT", "DOPPLER_ENVIRONMENT", "DOPPLER_CONFIG", TEMPORAL_SERVER_ADDRESS];

/// The keys that an environment's Secret gets for its database, and that are no secrets: the password is in the others.
const PUBLIC_DATABASE_KEYS: [&str; 7] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_NAME",
    "DATABASE_TLS",
    "TEMPORAL_DATABASE_NAME",
    "TEMPORAL_VISIBILITY_DATABASE_NAME",
];

/// Whether the value of a key must not be seen.
pub(crate) fn is_secret(key: &str) -> bool {
    !PUBLIC_KEYS.contains(&key) && !PUBLIC_DATABASE_KEYS.contains(&key)
}

/// Knows those of the values that must not be seen.
pub(crate) fn redactor(values: &BTreeMap<String, String>) -> Redactor {
    Redactor::new(values.iter().filter(|(key, _)| is_secret(key)).map(|(_, value)| value.as_bytes()))
}

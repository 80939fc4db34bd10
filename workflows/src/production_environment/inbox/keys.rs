//! Keys of messages, to recognise one that a reset delivers again.

use crate::contract::{
    production::{Freeze, Rollback},
    release::Release,
    verdict::truncate,
};

const MAX_KEY_BYTES: usize = 80;

/// Enough of commit, images and variables to tell releases apart.
pub(super) fn key_of_release(release: &Release) -> String {
    const DIGITS: usize = 12;
    let digest = release.image.digest.trim_start_matches("sha256:");
    let start = |text: &str| text.chars().take(DIGITS).collect::<String>();
    let key = format!("{}@{}", start(release.commit.as_str()), start(digest));
    if release.images.is_empty() && release.variables.is_empty() {
        return key;
    }
    let images = release.images.iter().map(|(name, image)| format!("{name}={image}\n"));
    let variables = release.variables.iter().map(|(name, value)| format!("${name}={value}\n"));
    let rest: String = images.chain(variables).collect();
    format!("{key}+{:016x}", fnv_1a(rest.as_bytes()))
}

/// The 64-bit hash FNV-1a. It is the same in each version of berth, as a key in a record must be.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(super) fn key_of_rollback(rollback: &Rollback) -> String {
    let to = rollback.to.map_or_else(String::new, |to| to.to_string());
    let reason = rollback.reason.as_ref().map_or("", |reason| reason.as_str());
    let mut key = format!("rollback {to} {} {reason}", rollback.by.as_str());
    truncate(&mut key, MAX_KEY_BYTES);
    key
}

pub(super) fn key_of_freeze(freeze: &Freeze) -> String {
    let mut key = format!("freeze {} {}", freeze.by.as_str(), freeze.reason.as_str());
    truncate(&mut key, MAX_KEY_BYTES);
    key
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(changes: Value) -> String {
        let image = |digit: &str| format!("acme/web@sha256:{}", digit.repeat(64));
        let mut release = json!({"commit": "a".repeat(40), "image": image("b")});
        release.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        key_of_release(&serde_json::from_value(release).unwrap())
    }

    #[test]
    fn key_of_one_image_is_as_in_older_records() {
        assert_eq!(key(json!({})), "aaaaaaaaaaaa@bbbbbbbbbbbb");
    }

    #[test]
    fn key_differs_with_each_image_and_variable() {
        let image = |digit: &str| format!("acme/worker@sha256:{}", digit.repeat(64));
        let keys = [
            json!({}),
            json!({"images": {"WORKER": image("c")}}),
            json!({"images": {"WORKER": image("d")}}),
            json!({"images": {"API": image("c")}}),
            json!({"images": {"API": image("c"), "WORKER": image("c")}}),
            json!({"variables": {"FLAGS": "a"}}),
            json!({"variables": {"FLAGS": "b"}}),
            json!({"variables": {"FLAGS": ""}}),
            json!({"images": {"WORKER": image("c")}, "variables": {"FLAGS": "a"}}),
        ]
        .map(key);
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");
        assert!(keys.iter().all(|key| key.len() <= MAX_KEY_BYTES));
    }
}

//! Keys of messages, to recognise one that a reset delivers again.

use crate::contract::{
    production::{Freeze, Rollback},
    release::Release,
    verdict::truncate,
};

const MAX_KEY_BYTES: usize = 80;

/// Enough of commit and digest to tell releases apart.
pub(super) fn key_of_release(release: &Release) -> String {
    const DIGITS: usize = 12;
    let digest = release.image.digest.trim_start_matches("sha256:");
    let start = |text: &str| text.chars().take(DIGITS).collect::<String>();
    format!("{}@{}", start(release.commit.as_str()), start(digest))
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

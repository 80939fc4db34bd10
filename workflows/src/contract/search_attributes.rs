//! What environments and rollouts can be found by in `temporal workflow list` and temporal-ui. Nothing secret.

use temporalio_common::search_attributes::SearchAttributeKey;

pub const APP: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthApp");
/// `preview` or `production`.
pub const ENVIRONMENT: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthEnvironment");
pub const PULL_REQUEST: SearchAttributeKey<i64> = SearchAttributeKey::int("BerthPullRequest");
pub const COMMIT: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthCommit");
pub const PHASE: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthPhase");
/// A [`FailureType`](crate::contract::verdict::FailureType), while the last rollout has failed.
pub const FAILURE: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthFailure");
/// As the push claims.
pub const AUTHOR: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthAuthor");

/// Every search attribute and its type as `temporal operator search-attribute create --type` has it. An unregistered
/// one would make every workflow task fail, so the worker registers them before it takes work.
pub const ALL: [(&str, &str); 7] = [
    ("BerthApp", "Keyword"),
    ("BerthEnvironment", "Keyword"),
    ("BerthPullRequest", "Int"),
    ("BerthCommit", "Keyword"),
    ("BerthPhase", "Keyword"),
    ("BerthFailure", "Keyword"),
    ("BerthAuthor", "Keyword"),
];

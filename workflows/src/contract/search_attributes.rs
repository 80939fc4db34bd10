//! Search attributes of environments and rollouts, for `temporal workflow list` and temporal-ui. None is secret.

use temporalio_common::search_attributes::SearchAttributeKey;

pub const APP: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthApp");
/// `preview` or `production`.
pub const ENVIRONMENT: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthEnvironment");
pub const PULL_REQUEST: SearchAttributeKey<i64> = SearchAttributeKey::int("BerthPullRequest");
pub const COMMIT: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthCommit");
pub const PHASE: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthPhase");
/// The [`FailureType`](crate::contract::verdict::FailureType) of the last rollout, if it failed.
pub const FAILURE: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthFailure");
/// The author, as the push claims.
pub const AUTHOR: SearchAttributeKey<String> = SearchAttributeKey::keyword("BerthAuthor");

/// Every search attribute with its type, as `temporal operator search-attribute create --type` expects it. An
/// unregistered one would make every workflow task fail, so the worker registers them before it takes work.
pub const ALL: [(&str, &str); 7] = [
    ("BerthApp", "Keyword"),
    ("BerthEnvironment", "Keyword"),
    ("BerthPullRequest", "Int"),
    ("BerthCommit", "Keyword"),
    ("BerthPhase", "Keyword"),
    ("BerthFailure", "Keyword"),
    ("BerthAuthor", "Keyword"),
];

//! Inputs for the properties: valid ones, nearly valid ones, and any others.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::DIGEST;
use crate::environment::arrival::Arrival;

/// JSON with existing and unknown fields, and with valid and invalid values.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    let field = prop_oneof![
        9 => prop::sample::select(vec![
            "commit", "image", "sequence", "author", "branch", "fork", "draft", "by", "app", "pr", "timings", "carried",
            "rollout_seconds", "history_events", "teardown_retry_seconds", "number", "step", "environment", "release", "images",
            "variables",
        ]).prop_map(str::to_owned),
        1 => any_text(),
    ];
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

/// Texts close to valid ones, and any others.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-fA-Fg]{0,70}",
        any_image(),
        "[a-z0-9-]{0,35}",
        "\\PC{0,300}",
        ".{0,40}",
        any::<String>(),
        Just("await_rollout".to_owned()),
    ]
}

pub(super) fn any_image() -> impl Strategy<Value = String> {
    let part = "[a-zA-Z0-9._:/@$ -]{0,20}";
    (part, prop_oneof![Just("@"), Just("")], prop_oneof![Just(DIGEST), Just("sha256:abc"), Just("")])
        .prop_map(|(name, at, digest)| format!("{name}{at}{digest}"))
}

/// A push with at most two fields replaced.
pub(super) fn nearly_a_push() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "commit",
        "image",
        "images",
        "variables",
        "sequence",
        "author",
        "branch",
        "fork",
        "draft",
        "x",
    ]);
    prop::collection::vec((field, any_json()), 0..3).prop_map(|changes| {
        let mut push = json!({"commit": "1234567", "image": format!("acme/web:v1@{DIGEST}")});
        changes.into_iter().for_each(|(field, value)| push[field] = value);
        push
    })
}

pub(super) fn any_arrival() -> impl Strategy<Value = Arrival> {
    (0..3_u32, 0..3_u8).prop_map(|(task, kind)| match kind {
        0 => Arrival::signal(task),
        1 => Arrival::update(task),
        _ => Arrival::cancel(task),
    })
}

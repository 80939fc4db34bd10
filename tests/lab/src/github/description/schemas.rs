//! Schemas of `OpenAPI` 3.0 as JSON Schema.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// Follows a reference, if it is one.
pub(super) fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| description.pointer(pointer)).unwrap_or(value)
}

/// Makes a validator of a schema and of all that it refers to. `OpenAPI` 3.0 is nearest to draft 4.
pub(super) fn validator(description: &Value, schema: &Value) -> Result<Validator> {
    let mut names = BTreeSet::new();
    collect(description, schema, &mut names);
    let all = &description["components"]["schemas"];
    let referred: Map<_, _> = names.iter().map(|name| (name.clone(), converted(&all[name]))).collect();
    let whole = json!({"allOf": [converted(schema)], "components": {"schemas": referred}});
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(&whole)
        .map_err(|error| anyhow!("{error}"))
}

/// Collects the names of schemas that are referred to, directly or not.
fn collect(description: &Value, schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|reference| reference.strip_prefix("#/components/schemas/"))
                && names.insert(name.to_owned())
            {
                collect(description, &description["components"]["schemas"][name], names);
            }
            fields.values().for_each(|value| collect(description, value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(description, item, names)),
        _ => {}
    }
}

/// Turns `nullable` into a choice, and drops examples, which may look like schemas.
fn converted(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !is_no_keyword(name, value));
            let mut kept: Map<_, _> = kept.map(|(name, value)| (name.clone(), converted(value))).collect();
            correct(&mut kept);
            match fields.get("nullable") == Some(&json!(true)) {
                true => json!({"anyOf": [kept, {"type": "null"}]}),
                false => Value::Object(kept),
            }
        }
        Value::Array(items) => items.iter().map(converted).collect(),
        other => other.clone(),
    }
}

/// Corrects what GitHub's description says and GitHub itself does not hold to.
fn correct(schema: &mut Map<String, Value>) {
    // A URL that is not set is an empty text.
    if schema.get("default") == Some(&json!("")) && schema.get("format") == Some(&json!("uri")) {
        schema.remove("format");
    }
    // The repository of a deleted fork is null.
    let is_side =
        |properties: &Map<String, Value>| ["label", "ref", "sha"].iter().all(|name| properties.contains_key(*name));
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut)
        && is_side(properties)
        && let Some(repository) = properties.remove("repo")
    {
        properties.insert("repo".to_owned(), json!({"anyOf": [repository, {"type": "null"}]}));
    }
    // An account is a user or an enterprise, and never both. Other places of the description say so.
    let titles = |all: &Value| all.as_array().map(|all| all.iter().map(|one| one["title"].clone()).collect());
    if schema.get("allOf").and_then(titles) == Some(vec![json!("Simple User"), json!("Enterprise")])
        && let Some(all) = schema.remove("allOf")
    {
        schema.insert("anyOf".to_owned(), all);
    }
}

/// Whether a field of a schema says nothing about validity. A property may have the same name, but is an object.
fn is_no_keyword(name: &str, value: &Value) -> bool {
    match name {
        "nullable" => value.is_boolean(),
        "example" => value.get("type").is_none() && value.get("$ref").is_none(),
        _ => name == "examples" || name.starts_with("x-"),
    }
}

//! Search attributes of Temporal's namespace: all are registered with their types, or the worker does not start. One that is
//! missing or has another type makes every workflow task fail.

use std::collections::HashMap;

use anyhow::Context;
use berth_workflows::contract::search_attributes::ALL;
use temporalio_client::{
    Client,
    tonic::{Code, Request, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType,
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    workflowservice::v1::DescribeNamespaceRequest,
};

/// Name and type of a search attribute.
type Attribute = (&'static str, &'static str);

/// Registers those that are missing.
///
/// # Errors
/// One has another type, or is missing and cannot be registered. The error has the commands for somebody with the right.
pub(super) async fn ensure(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let missing = missing(&registered(client, namespace).await?, namespace).map_err(anyhow::Error::msg)?;
    if missing.is_empty() {
        return Ok(());
    }
    let add = AddSearchAttributesRequest {
        namespace: namespace.to_owned(),
        search_attributes: missing.iter().map(|(name, kind)| ((*name).to_owned(), indexed(kind) as i32)).collect(),
    };
    let added = client.connection().operator_service().add_search_attributes(Request::new(add)).await;
    added.map_err(|status| {
        let advice = advice(&status, &missing, namespace);
        anyhow::Error::new(status).context(advice)
    })?;
    tracing::info!(temporal.namespace = %namespace, "Registered {} search attributes", missing.len());
    Ok(())
}

/// Returns the registered ones with their types. A front end that denies the operator service is asked for the namespace.
async fn registered(client: &Client, namespace: &str) -> anyhow::Result<HashMap<String, String>> {
    let list = ListSearchAttributesRequest { namespace: namespace.to_owned() };
    match client.connection().operator_service().list_search_attributes(Request::new(list)).await {
        Ok(listed) => Ok(listed.into_inner().custom_attributes.into_iter().map(with_type_name).collect()),
        Err(status) if is_denied(&status) => {
            let describe = DescribeNamespaceRequest { namespace: namespace.to_owned(), ..Default::default() };
            let described = client.connection().workflow_service().describe_namespace(Request::new(describe)).await;
            let described = described.with_context(|| format!("describing Temporal's namespace {namespace}"))?;
            let aliases = described.into_inner().config.unwrap_or_default().custom_search_attribute_aliases;
            Ok(aliases.into_iter().map(|(field, alias)| (alias, type_of_field(&field).to_owned())).collect())
        }
        Err(status) => Err(status).context("listing Temporal's search attributes"),
    }
}

fn is_denied(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented)
}

fn with_type_name((name, kind): (String, i32)) -> (String, String) {
    let kind = IndexedValueType::try_from(kind).unwrap_or_default();
    (name, format!("{kind:?}"))
}

/// Returns the type of a field of Temporal's visibility store, such as `Keyword01`.
fn type_of_field(field: &str) -> &str {
    field.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Returns those that are missing. The error names those with another type.
fn missing(registered: &HashMap<String, String>, namespace: &str) -> Result<Vec<Attribute>, String> {
    let wrong: Vec<_> = ALL
        .iter()
        .filter_map(|(name, kind)| {
            let found = registered.get(*name).filter(|found| found != kind)?;
            Some(format!(
                "search attribute {name} has the type {found}, and berth needs {kind}: remove it, if nothing else uses it, \
                 and start the worker again: temporal operator search-attribute remove --namespace {namespace} --name {name}"
            ))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    Ok(ALL.into_iter().filter(|(name, _)| !registered.contains_key(*name)).collect())
}

/// Describes why they could not be registered, and what a person can do.
fn advice(status: &Status, missing: &[Attribute], namespace: &str) -> String {
    let line = |(name, kind): &Attribute| {
        format!("temporal operator search-attribute create --namespace {namespace} --name {name} --type {kind}")
    };
    let commands = missing.iter().map(line).collect::<Vec<_>>().join("\n");
    let why = match status.code() {
        _ if is_denied(status) => "this worker has no right to register search attributes. Somebody with it may run:",
        Code::InvalidArgument | Code::ResourceExhausted | Code::FailedPrecondition => {
            "Temporal takes no more search attributes of a type in this namespace. Remove some, or give berth a namespace of \
             its own, and run:"
        }
        _ => "registering search attributes failed. Somebody with the right may run:",
    };
    format!("{why}\n{commands}\n")
}

fn indexed(kind: &str) -> IndexedValueType {
    match kind {
        "Int" => IndexedValueType::Int,
        _ => IndexedValueType::Keyword,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> HashMap<String, String> {
        ALL.into_iter().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
    }

    #[test]
    fn missing_attributes_are_those_that_are_not_registered() {
        assert_eq!(missing(&all(), "default"), Ok(vec![]));
        assert_eq!(missing(&HashMap::new(), "default").unwrap().len(), ALL.len());
        let mut without_one = all();
        without_one.remove("BerthPullRequest");
        assert_eq!(missing(&without_one, "default"), Ok(vec![("BerthPullRequest", "Int")]));
    }

    #[test]
    fn attribute_of_another_type_is_refused_with_both_types() {
        let mut wrong = all();
        wrong.insert("BerthPullRequest".to_owned(), "Text".to_owned());
        let refused = missing(&wrong, "berth").unwrap_err();
        for part in
            ["BerthPullRequest has the type Text", "needs Int", "remove --namespace berth --name BerthPullRequest"]
        {
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn types_are_named_alike_by_both_services() {
        let listed = with_type_name(("A".to_owned(), IndexedValueType::Int as i32));
        assert_eq!(listed.1, type_of_field("Int01"));
        let listed = with_type_name(("A".to_owned(), IndexedValueType::KeywordList as i32));
        assert_eq!(listed.1, type_of_field("KeywordList03"));
    }

    #[test]
    fn advice_fits_the_refusal() {
        for (code, part) in [
            (Code::PermissionDenied, "has no right"),
            (Code::Unimplemented, "has no right"),
            (Code::InvalidArgument, "takes no more"),
            (Code::Aborted, "failed"),
        ] {
            let advice = advice(&Status::new(code, "no"), &[("BerthApp", "Keyword")], "default");
            assert!(advice.contains(part), "{code:?}: {advice}");
            assert!(advice.contains("create --namespace default --name BerthApp --type Keyword"), "{advice}");
        }
    }
}

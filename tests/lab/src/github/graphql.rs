//! GraphQL over a part of GitHub's schema, for the query of open pull requests.
//!
//! Parsing, validation and execution are `apollo-compiler`'s, so that a query is refused here for the same reasons as at GitHub.

mod connection;
mod objects;

use std::sync::LazyLock;

use apollo_compiler::{ExecutableDocument, Schema, resolvers::Execution, response::JsonMap, validation::Valid};
use axum::{body::Bytes, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, ok},
    caller::{Caller, grants},
    state,
};
use objects::Query;

static SCHEMA: LazyLock<Result<Valid<Schema>, String>> = LazyLock::new(|| {
    let text = include_str!("graphql/schema.graphql");
    Schema::parse_and_validate(text, "schema.graphql").map_err(|error| error.to_string())
});

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    query: String,
    operation_name: Option<String>,
    variables: Option<JsonMap>,
}

/// `POST /graphql`
pub(super) async fn answer(State(github): State<Github>, caller: Caller, bytes: Bytes) -> Answer {
    let state = github.state();
    if matches!(caller, Caller::Nobody | Caller::App) {
        return Err(Refusal::new(
            axum::http::StatusCode::UNAUTHORIZED,
            "This endpoint requires you to be authenticated.",
        ));
    }
    let request: Request = answers::body(&bytes)?;
    ok(&executed(&state, &caller, &request).unwrap_or_else(|message| json!({"errors": [{"message": message}]})))
}

fn executed(state: &state::State, caller: &Caller, request: &Request) -> Result<Value, String> {
    let schema = SCHEMA.as_ref().map_err(String::clone)?;
    let document = ExecutableDocument::parse_and_validate(schema, &request.query, "query.graphql")
        .map_err(|error| error.errors.to_string())?;
    let variables = request.variables.clone().unwrap_or_default();
    let response = Execution::new(schema, &document)
        .operation_name(request.operation_name.as_deref())
        .map_err(|error| error.message().to_string())?
        .raw_variable_values(&variables)
        .execute_sync(&Query { state, caller })
        .map_err(|error| error.message().to_string())?;
    let mut response = serde_json::to_value(&response).map_err(|error| error.to_string())?;
    // An index would add the field, which GitHub's answers have only where something failed.
    for error in response.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        let message = error["message"].as_str().unwrap_or_default();
        // Messages from a field of ours have this before them. GitHub's own have nothing.
        let message = message.strip_prefix("resolver error: ").unwrap_or(message).to_owned();
        if let Some(kind) = kind_of(&message) {
            error["type"] = json!(kind);
        }
        error["message"] = json!(message);
    }
    Ok(response)
}

/// GitHub's `type` of an error.
fn kind_of(message: &str) -> Option<&'static str> {
    match message {
        _ if message.starts_with("Could not resolve to") => Some("NOT_FOUND"),
        _ if message.starts_with("Resource not accessible") => Some("FORBIDDEN"),
        _ if message.starts_with("You must provide a `first`") => Some("MISSING_PAGINATION_BOUNDARIES"),
        _ if message.starts_with("Requesting ") => Some("EXCESSIVE_PAGINATION"),
        _ => None,
    }
}

/// Whether the caller may read pull requests of a repository.
fn may_read(state: &state::State, caller: &Caller, repository: u64) -> bool {
    match caller {
        Caller::Installation { permissions, repositories } => {
            repositories.contains(&repository) && grants(permissions, "metadata", "read")
        }
        Caller::Person(login) => {
            state.repositories.get(&repository).is_some_and(|repository| repository.role_of(login) != "none")
        }
        Caller::App | Caller::Nobody => false,
    }
}

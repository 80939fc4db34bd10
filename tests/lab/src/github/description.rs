//! GitHub's own descriptions of its API, which requests and answers are held against.

mod schemas;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result, anyhow};
use apollo_compiler::{ExecutableDocument, Schema, validation::Valid};
use jsonschema::Validator;
use serde_json::Value;

use super::Recorded;
use crate::parts::{self, Part};

pub use webhooks::example_webhooks;

/// Statuses that GitHub answers on any route, whether or not it is described there.
const ANYWHERE: [u16; 9] = [301, 307, 401, 403, 404, 422, 429, 500, 502];

/// The descriptions of REST and webhooks (`OpenAPI`) and of GraphQL, as GitHub publishes them in npm packages.
pub struct Description {
    rest: Value,
    graphql: Valid<Schema>,
    /// Validators by what they check, made when they are first needed.
    validators: BTreeMap<String, Option<Validator>>,
}

/// The number of checks, by kind.
#[derive(Debug, Default)]
pub struct Checked {
    /// Requests of described routes, their queries of GraphQL, and webhooks.
    pub requests: usize,
    /// Answers with a described body.
    pub answers: usize,
    /// The routes, each with its method, or the kinds of webhooks.
    pub routes: BTreeSet<String>,
    pub problems: Vec<String>,
}

impl Description {
    /// Reads the descriptions. They are fetched if they are missing.
    ///
    /// # Errors
    /// They cannot be fetched or read.
    pub fn load() -> Result<Self> {
        let packages = packages()?.join("node_modules/@octokit");
        let rest = packages.join("openapi/generated/api.github.com.json");
        let rest = fs::read(&rest).with_context(|| format!("reading {}", rest.display()))?;
        let graphql = packages.join("graphql-schema/schema.graphql");
        let graphql = fs::read_to_string(&graphql).with_context(|| format!("reading {}", graphql.display()))?;
        // GitHub's own file defines some fields twice. The first definition counts.
        let graphql = Schema::parse(graphql, "schema.graphql").unwrap_or_else(|error| error.partial);
        let graphql = graphql.validate().map_err(|error| anyhow!("GitHub's GraphQL schema: {}", error.errors))?;
        Ok(Self { rest: serde_json::from_slice(&rest)?, graphql, validators: BTreeMap::new() })
    }

    /// GitHub's GraphQL schema.
    pub fn graphql(&self) -> &Valid<Schema> {
        &self.graphql
    }

    /// Checks requests and their answers. Routes of tokens are not described, and left out.
    pub fn check(&mut self, requests: &[Recorded]) -> Checked {
        let mut checked = Checked::default();
        for request in requests {
            if request.route == "/graphql" {
                checked.requests += 1;
                checked.problems.extend(self.check_query(request));
            } else if !request.route.starts_with("/.well-known/") && !request.route.starts_with("/actions/") {
                self.check_one(request, &mut checked);
            }
        }
        checked
    }

    fn check_query(&self, request: &Recorded) -> Option<String> {
        let query = request.request["query"].as_str().unwrap_or_default();
        let checked = ExecutableDocument::parse_and_validate(&self.graphql, query, "query.graphql");
        checked.err().map(|error| format!("POST /graphql: {}", error.errors))
    }

    fn check_one(&mut self, request: &Recorded, checked: &mut Checked) {
        let name = format!("{} {}", request.method, request.route);
        let operation = self.rest["paths"][&request.route][request.method.to_lowercase()].clone();
        if operation.is_null() {
            checked.problems.push(format!("{name}: GitHub has no such route (asked as {})", request.path));
            return;
        }
        checked.requests += 1;
        checked.routes.insert(name.clone());
        // A request that is refused may be wrong on purpose.
        if request.status < 400 {
            let unknown = unknown_parameters(&self.rest, &operation, &request.query);
            checked.problems.extend(unknown.map(|parameter| format!("{name}: no parameter {parameter}")));
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let problems = self.invalid(&format!("{name} request"), body, &request.request);
            checked.problems.extend(problems.unwrap_or_default());
        }
        let answer = schemas::resolved(&self.rest, &operation["responses"][request.status.to_string()]).clone();
        if answer.is_null() && !ANYWHERE.contains(&request.status) {
            checked.problems.push(format!("{name}: the status {} is not described", request.status));
        }
        let body = &answer["content"]["application/json"]["schema"];
        if let Some(problems) = self.invalid(&format!("{name} {}", request.status), body, &request.answer) {
            checked.answers += 1;
            checked.problems.extend(problems);
        }
    }

    /// The problems of a value, or nothing if there is no schema for it.
    fn invalid(&mut self, what: &str, schema: &Value, value: &Value) -> Option<Vec<String>> {
        if schema.is_null() {
            return None;
        }
        let rest = &self.rest;
        let validator = self.validators.entry(what.to_owned()).or_insert_with(|| schemas::validator(rest, schema).ok());
        let Some(validator) = validator else { return Some(vec![format!("{what}: the schema is not understood")]) };
        let text = |error: jsonschema::ValidationError<'_>| {
            format!("{what}: at {}: {}", error.instance_path(), error.to_string().chars().take(300).collect::<String>())
        };
        Some(validator.iter_errors(value).map(text).collect())
    }
}

/// The parameters of a query that the operation does not have.
fn unknown_parameters<'a>(rest: &Value, operation: &Value, query: &'a str) -> impl Iterator<Item = &'a str> {
    let known = operation["parameters"].as_array().into_iter().flatten();
    let known: BTreeSet<_> =
        known.filter_map(|parameter| schemas::resolved(rest, parameter)["name"].as_str().map(str::to_owned)).collect();
    let names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or(pair));
    names.filter(move |name| !known.contains(*name))
}

/// The folder with GitHub's npm packages: its descriptions, and its client `@octokit/rest`.
///
/// # Errors
/// They cannot be fetched.
pub fn packages() -> Result<PathBuf> {
    parts::npm::packages("github")
}

/// The path of GitHub's own CLI, fetched if it is missing. The stand-in must satisfy it.
///
/// # Errors
/// It cannot be fetched.
pub fn cli() -> Result<PathBuf> {
    let part = Part::GithubCli;
    parts::ensure(&[part])?.remove(part.program()).context("looking for GitHub's CLI")
}

/// The path of the lab's Node.
///
/// # Errors
/// It cannot be fetched.
pub fn node() -> Result<PathBuf> {
    Ok(parts::node()?.join("bin/node"))
}

#[cfg(test)]
mod tests;

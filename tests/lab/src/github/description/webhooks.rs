//! Webhooks as GitHub describes them, and its own examples of them.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Checked, Description, packages};
use crate::github::Delivery;

/// An event with the examples of its payload, as the package `@octokit/webhooks-examples` has them.
#[derive(Debug, Deserialize)]
struct Event {
    name: String,
    examples: Vec<Value>,
}

/// GitHub's own examples of webhooks, each with its event.
///
/// # Errors
/// They cannot be fetched or read.
pub fn example_webhooks() -> Result<Vec<(String, Value)>> {
    let file = packages()?.join("node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let events: Vec<Event> = serde_json::from_slice(&text)?;
    let examples = |event: Event| event.examples.into_iter().map(move |payload| (event.name.clone(), payload));
    Ok(events.into_iter().flat_map(examples).collect())
}

impl Description {
    /// Checks the payloads of webhooks, including dropped ones.
    pub fn check_webhooks(&mut self, deliveries: &[Delivery]) -> Checked {
        let mut checked = Checked::default();
        for delivery in deliveries {
            let name = delivery.name();
            let described = &self.rest["x-webhooks"][name.replace(['_', '.'], "-")]["post"]["requestBody"];
            let schema = described["content"]["application/json"]["schema"].clone();
            match self.invalid(&name, &schema, &delivery.payload) {
                Some(problems) => checked.problems.extend(problems),
                None => checked.problems.push(format!("{name}: GitHub has no such webhook")),
            }
            checked.requests += 1;
            checked.routes.insert(name);
        }
        checked
    }
}

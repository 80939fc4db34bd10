//! Publishing: an environment's state as search attributes and current details, for people who do not query it.

use std::collections::BTreeMap;

use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributeUpdate};
use temporalio_workflow::{SyncWorkflowContext, WorkflowContext};

use super::EnvironmentWorkflow;
use crate::contract::search_attributes;

/// The search attributes as they were last published, so that only changes are.
#[derive(Debug, Default)]
pub struct Published(BTreeMap<&'static str, Option<String>>);

impl Published {
    /// Whether a value other than an empty one was published.
    fn has(&self, key: &SearchAttributeKey<String>) -> bool {
        matches!(self.0.get(key.name()), Some(Some(value)) if !value.is_empty())
    }

    /// The updates that bring the search attributes to these values.
    fn update(&mut self, values: Vec<(SearchAttributeKey<String>, Option<String>)>) -> Vec<SearchAttributeUpdate> {
        let changed = values.into_iter().filter_map(|(key, value)| {
            let before = self.0.insert(key.name(), value.clone()).flatten();
            // Empty, not unset: for an unset one SDK 1.1.1 sends a payload without encoding, which the server refuses.
            (before != value).then(|| key.value_set(value.unwrap_or_default()))
        });
        changed.collect()
    }
}

/// Publishes the state from a signal's handler.
pub fn publish_in_handler<W: EnvironmentWorkflow>(workflow: &mut W, ctx: &SyncWorkflowContext<W>) {
    let updates = unpublished(workflow, |change| ctx.patched(change));
    if !updates.is_empty() {
        ctx.upsert_search_attributes(updates);
    }
    ctx.set_current_details(workflow.details());
}

/// Publishes the state from the main loop or from an update's handler.
pub fn publish<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>) {
    let (updates, details) = ctx.state_mut(|s| (unpublished(s, |change| ctx.patched(change)), s.details()));
    if !updates.is_empty() {
        ctx.upsert_search_attributes(updates);
    }
    ctx.set_current_details(details);
}

fn unpublished<W: EnvironmentWorkflow>(
    workflow: &mut W,
    is_patched: impl FnOnce(&str) -> bool,
) -> Vec<SearchAttributeUpdate> {
    let is_published = workflow.published_mut().has(&search_attributes::COMMIT);
    let (waiting, newest) = (workflow.waiting_release(), workflow.newest_release());
    // Runs from before did not publish a release that waits, and blanked the commit of an environment that is gone. It is
    // still found by that commit today.
    let differs = waiting.is_some() || (newest.is_none() && is_published);
    let is_kept = differs && is_patched("waiting-commit");
    let release = waiting.filter(|_| is_kept).or(newest);
    let mut values = vec![
        (search_attributes::PHASE, Some(workflow.phase().name().to_owned())),
        (search_attributes::FAILURE, workflow.failed().map(|failed| failed.verdict.failure.name().to_owned())),
    ];
    if release.is_some() || !is_kept {
        let author = release.and_then(|release| release.author.as_ref());
        values.extend([
            (search_attributes::COMMIT, release.map(|release| release.commit.to_string())),
            (search_attributes::AUTHOR, author.map(|author| author.as_str().to_owned())),
        ]);
    }
    workflow.published_mut().update(values)
}

//! The changes of an apply, in short: names, and remarks for a person.

use berth_workflows::contract::apply::Plan;

use super::object::{AppliedObject, Change};

/// Returns the changes that were made.
pub(super) fn plan(results: &[AppliedObject], notes: impl IntoIterator<Item = String>) -> Plan {
    let mut plan = Plan::default();
    for result in results {
        match result.change {
            Change::Created => list(&mut plan.created, result.name.clone(), &mut plan.omitted),
            Change::Changed => list(&mut plan.changed, result.name.clone(), &mut plan.omitted),
            Change::Unchanged => plan.unchanged += 1,
        }
    }
    add_notes(&mut plan, notes);
    plan
}

/// Adds remarks, as far as there is room.
pub(in crate::release) fn add_notes(plan: &mut Plan, notes: impl IntoIterator<Item = String>) {
    for note in notes {
        list(&mut plan.notes, note, &mut plan.omitted);
    }
}

fn list(names: &mut Vec<String>, name: String, omitted: &mut usize) {
    if names.len() < Plan::MAX_NAMES { names.push(name) } else { *omitted += 1 }
}

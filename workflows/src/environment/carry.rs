//! State that a run of an environment's workflow carries to the next one.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use temporalio_common::protos::temporal::api::enums::v1::ContinueAsNewInitiator;
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowTermination};

use super::admission::invalid_input;
use crate::contract::{lenient::MAX_INPUT_BYTES, timings::Timings};

/// The bound on carried state: an input's bound, less the room for the rest of the input.
pub const MAX_CARRIED_BYTES: usize = MAX_INPUT_BYTES - 2048;

/// Reads the state that an input carries, or begins with none.
///
/// Only a run that continues another one by its own decision may carry state. A stranger's start cannot, nor can a run
/// that the server begins again for one (a cron schedule, a retry policy).
pub fn read<T: DeserializeOwned + Default>(ctx: &WorkflowContextView, carried: Option<Value>) -> Result<T, String> {
    let continues = ctx.first_execution_run_id() != ctx.run_id()
        && ctx.raw().continued_initiator() == ContinueAsNewInitiator::Workflow;
    let state = carried.filter(|_| continues).map(serde_json::from_value).transpose();
    state.map(Option::unwrap_or_default).map_err(|why| format!("carried state: {why}"))
}

/// Writes the state for the next run's input.
pub fn write(state: &impl Serialize) -> Result<Value, WorkflowTermination> {
    serde_json::to_value(state).map_err(|why| invalid_input(format!("cannot carry the state: {why}")))
}

/// Drops parts of a state until it fits, or until `drop_part` has nothing left to drop.
pub fn shorten_to_fit<T: Serialize>(state: &mut T, mut drop_part: impl FnMut(&mut T) -> bool) {
    while is_too_long(state) && drop_part(state) {}
}

fn is_too_long(state: &impl Serialize) -> bool {
    // A state that cannot be written cannot be carried, which `write` reports.
    serde_json::to_vec(state).is_ok_and(|json| json.len() > MAX_CARRIED_BYTES)
}

/// Whether the history is so long that the workflow is to continue with a fresh one, and no update waits in this one.
pub fn is_due<W>(ctx: &WorkflowContext<W>, timings: &Timings) -> bool {
    let is_long = ctx.continue_as_new_suggested() || ctx.history_length() >= timings.history_events;
    is_long && ctx.all_handlers_finished()
}

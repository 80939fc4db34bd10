//! State that a run of an environment's workflow carries to the next one.
//!
//! The next run's first task may reach a worker of another version, during an upgrade or after its rollback. State that such
//! a worker cannot read fails the workflow *task*, never the workflow: the server tries the task again until a worker can
//! read it. A workflow that failed would leave its environment without an owner.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use temporalio_common::data_converters::PayloadConversionError;
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowTermination};

use super::admission::{continues_a_run, invalid_input};
use crate::contract::{
    carrying::{CarriesState, Carrying},
    exact,
    lenient::MAX_INPUT_BYTES,
    timings::StartTimings,
    verdict::truncate,
};

/// The size that carried state is shortened to, if lists that decide nothing can be. It is no bound: needed state stays.
pub const TARGET_BYTES: usize = MAX_INPUT_BYTES - 2048;
/// Bound on the reason why state cannot be read. It is in the history and in the worker's log.
const MAX_REASON_BYTES: usize = 400;

/// The reason why a run cannot begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A caller's input is wrong. The workflow fails.
    Input(String),
    /// Another version of berth has written what this one cannot read. The workflow task fails.
    Carried(String),
}

impl From<Refused> for WorkflowTermination {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Input(why) => invalid_input(why),
            Refused::Carried(mut why) => {
                truncate(&mut why, MAX_REASON_BYTES);
                // The SDK fails the task for this error alone.
                PayloadConversionError::EncodingError(why.into()).into()
            }
        }
    }
}

/// Reads a run's input, and the state that it carries or else the default one.
///
/// Only a run that continues another one by its own decision may carry state. A stranger's start cannot.
pub fn read<I: CarriesState, S: Serialize + DeserializeOwned + Default>(
    ctx: &WorkflowContextView,
    input: Carrying<I>,
) -> Result<(I, S), Refused> {
    if continues_a_run(ctx) { continued(input).map_err(Refused::Carried) } else { begun(input).map_err(Refused::Input) }
}

fn begun<I: CarriesState, S: Default>(input: Carrying<I>) -> Result<(I, S), String> {
    let mut input = input.into_input_of_caller().map_err(|why| format!("invalid input: {why}"))?;
    input.check()?;
    input.take_carried();
    Ok((input, S::default()))
}

/// The input and state of a run before. A version of berth has accepted that input, so a refusal is this version's fault. Its
/// bounds of a start may have been wider: what is in force is bounded where it is used.
fn continued<I: CarriesState, S: Serialize + DeserializeOwned + Default>(input: Carrying<I>) -> Result<(I, S), String> {
    let mut input = input.into_input_of_earlier_run().map_err(|why| format!("input of the run before: {why}"))?;
    input.check_names().map_err(|why| format!("input of the run before: {why}"))?;
    let state = input.take_carried().map(decode).transpose()?;
    Ok((input, state.unwrap_or_default()))
}

fn decode<S: Serialize + DeserializeOwned>(carried: Value) -> Result<S, String> {
    exact::decode(carried).map_err(|why| format!("carried state: {why}"))
}

/// The reason why a child does not begin whose input cannot be read. If its environment's workflow has started it, another
/// version of berth has: that fails the workflow *task*, until a worker of that version takes it. `infix` is the part of the
/// child's id after its parent's, up to its number if it has one.
pub fn unreadable_input<W>(ctx: &WorkflowContext<W>, infix: &str, why: &str) -> WorkflowTermination {
    let info = ctx.info();
    let is_of_parent = |parent: &str| {
        let number = ctx.workflow_id().strip_prefix(parent).and_then(|rest| rest.strip_prefix(infix));
        number.is_some_and(|number| number.is_empty() || number.parse::<u64>().is_ok())
    };
    if info.parent().is_some_and(|parent| is_of_parent(parent.workflow_id())) {
        return Refused::Carried(format!("input of the environment: {why}")).into();
    }
    invalid_input(format!("invalid input: {why}"))
}

/// Writes the state for the next run's input.
pub fn write(state: &impl Serialize) -> Result<Value, WorkflowTermination> {
    serde_json::to_value(state).map_err(|why| Refused::Carried(format!("cannot carry the state: {why}")).into())
}

/// Drops parts of a state until it has the target size, or until `drop_part` has nothing left to drop.
pub fn shorten<T: Serialize>(state: &mut T, mut drop_part: impl FnMut(&mut T) -> bool) {
    while is_long(state) && drop_part(state) {}
}

fn is_long(state: &impl Serialize) -> bool {
    // A state that cannot be written cannot be carried, which `write` reports.
    serde_json::to_vec(state).is_ok_and(|json| json.len() > TARGET_BYTES)
}

/// Whether the history is so long that the workflow is to continue with a fresh one, and no update waits in this one.
pub fn is_due<W>(ctx: &WorkflowContext<W>, timings: &StartTimings) -> bool {
    let is_long = ctx.continue_as_new_suggested() || ctx.history_length() >= timings.history_events;
    is_long && ctx.all_handlers_finished()
}

#[cfg(test)]
mod tests;

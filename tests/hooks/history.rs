//! The messages that a workflow has got, from its history.

use berth_test_support::{found_within, preview::PATIENCE};
use serde_json::Value;
use temporalio_client::{Client, UntypedWorkflow};
use temporalio_common::protos::temporal::api::{
    common::v1::Payloads, history::v1::history_event::Attributes, update::v1::Request,
};

/// Signals that a workflow's own children send.
const FROM_CHILDREN: [&str; 1] = ["rollout_step"];

/// Name and JSON of each signal and update that a workflow has got from outside, in order. Empty if there is no such workflow.
pub(crate) async fn messages(client: &Client, workflow_id: &str) -> Vec<(String, Value)> {
    let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
    let events = handle.fetch_history(Default::default()).into_events().await.unwrap_or_default();
    let all = events.into_iter().filter_map(|event| message(event.attributes?));
    all.filter(|(name, _)| !FROM_CHILDREN.contains(&name.as_str())).collect()
}

/// The same, once there are so many. A message that comes during a workflow task is in the history after it.
pub(crate) async fn await_messages(client: &Client, workflow_id: &str, at_least: usize) -> Vec<(String, Value)> {
    let look = async || Some(messages(client, workflow_id).await).filter(|found| found.len() >= at_least);
    found_within(PATIENCE, look).await.unwrap()
}

fn message(attributes: Attributes) -> Option<(String, Value)> {
    match attributes {
        Attributes::WorkflowExecutionSignaledEventAttributes(signal) => Some((signal.signal_name, json(signal.input))),
        Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) => {
            let Request { input, .. } = accepted.accepted_request?;
            let input = input?;
            Some((input.name, json(input.args)))
        }
        _ => None,
    }
}

fn json(payloads: Option<Payloads>) -> Value {
    let payload = payloads.and_then(|payloads| payloads.payloads.into_iter().next());
    payload.and_then(|payload| serde_json::from_slice(&payload.data).ok()).unwrap_or_default()
}

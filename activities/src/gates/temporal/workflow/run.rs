//! The reasons why a run failed or has not ended.

use futures::FutureExt;
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    enums::v1::PendingWorkflowTaskState,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::history_event::Attributes,
    workflow::v1::PendingActivityInfo,
    workflowservice::v1::{
        DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse, GetWorkflowExecutionHistoryReverseRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::super::{super::attempt::Miss, call};
use crate::redaction::message::Message;

/// The most bytes of one failure or cause in a verdict.
const SHOWN_BYTES: usize = 400;
/// The most causes of a failure in a verdict.
const CAUSES: usize = 4;
/// The length of a history in which only the start and the first task are recorded.
const UNTOUCHED: i64 = 2;

const NOT_TAKEN: &str =
    "No worker takes the workflow's tasks. Check that one polls this namespace and task queue, and look at its log.";
const WORKFLOW_FAILED: &str =
    "The workflow itself failed. Its history in temporal-ui has every step; run it by hand with the same input.";

/// Returns the miss for an end that is not a completion.
pub(super) fn ended_badly(end: &Attributes) -> Miss {
    let miss = match end {
        Attributes::WorkflowExecutionFailedEventAttributes(failed) => {
            let why = failed.failure.as_ref().map_or_else(|| Message::from("without a message"), describe_failure);
            Miss::new(Message::from("it failed: ").join(why)).finally()
        }
        Attributes::WorkflowExecutionTerminatedEventAttributes(end) => {
            Miss::new(Message::from("it was terminated: ").foreign(&end.reason, SHOWN_BYTES)).finally()
        }
        Attributes::WorkflowExecutionCanceledEventAttributes(_) => Miss::new("it was cancelled").finally(),
        // The run began for a worker that died. The next run gets the whole time.
        _ => Miss::new("it did not end in time"),
    };
    miss.advise(WORKFLOW_FAILED)
}

/// Returns the reason why the run has not ended.
///
/// # Errors
/// The server does not answer.
pub(super) async fn still_open(
    client: &mut WorkflowServiceClient<Channel>,
    namespace: &str,
    run: &WorkflowExecution,
    until: Instant,
) -> Result<Miss, Miss> {
    let describe = DescribeWorkflowExecutionRequest { namespace: namespace.to_owned(), execution: Some(run.clone()) };
    let describe = client.describe_workflow_execution(call::request(describe, until)).boxed();
    let seen = call::answered("describe the workflow", namespace, until, describe).await?;
    if let Some(miss) = from_description(&seen) {
        return Ok(miss);
    }
    let reverse = GetWorkflowExecutionHistoryReverseRequest {
        namespace: namespace.to_owned(),
        execution: Some(run.clone()),
        maximum_page_size: 50,
        ..Default::default()
    };
    let history = client.get_workflow_execution_history_reverse(call::request(reverse, until)).boxed();
    let history = call::answered("describe the workflow", namespace, until, history).await?.history;
    let failed_task = history.unwrap_or_default().events.into_iter().find_map(|event| match event.attributes {
        Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => failed.failure,
        _ => None,
    });
    Ok(failed_task.map_or_else(
        || {
            Miss::new("it has not ended")
                .advise("The workflow takes longer than its gate allows, or waits for something.")
        },
        |failure| {
            let advice = "The worker cannot run the workflow. Correct its code, or the gate's type and input.";
            let why = Message::from("the worker fails its task repeatedly: ").join(describe_failure(&failure));
            Miss::new(why).advise(advice)
        },
    ))
}

/// Returns the reason that the description alone reveals.
fn from_description(seen: &DescribeWorkflowExecutionResponse) -> Option<Miss> {
    let activity =
        seen.pending_activities.iter().max_by_key(|activity| (activity.last_failure.is_some(), activity.attempt));
    if let Some(activity) = activity {
        return Some(waits_for(activity));
    }
    let task = seen.pending_workflow_task.as_ref()?;
    let events = seen.workflow_execution_info.as_ref().map_or(0, |info| info.history_length);
    let is_untouched = task.state() == PendingWorkflowTaskState::Scheduled && task.attempt <= 1 && events <= UNTOUCHED;
    is_untouched.then(|| Miss::new("it has not begun: no worker took its first task").advise(NOT_TAKEN))
}

fn waits_for(activity: &PendingActivityInfo) -> Miss {
    let name = activity.activity_type.as_ref().map_or("", |kind| kind.name.as_str());
    match &activity.last_failure {
        Some(failure) => {
            let attempts = activity.attempt.saturating_sub(1).max(1);
            let what = Message::from(format!("its activity {name} has failed {attempts} times: "));
            Miss::new(what.join(describe_failure(failure)))
                .advise("The workflow's activity fails. Its last failure says why.")
        }
        None => Miss::new(format!("it waits for its activity {name}"))
            .advise("The activity was not done in time. Check that a worker polls this queue for activities."),
    }
}

/// Describes a failure and its causes, the outermost first.
fn describe_failure(failure: &Failure) -> Message {
    let chain = std::iter::successors(Some(failure), |failure| failure.cause.as_deref()).take(CAUSES);
    chain.enumerate().fold(Message::default(), |message, (index, failure)| {
        let kind = match &failure.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) if !info.r#type.is_empty() => format!("{}: ", info.r#type),
            _ => String::new(),
        };
        let message = if index == 0 { message } else { message.own(": ") };
        message.foreign(format!("{kind}{}", failure.message), SHOWN_BYTES)
    })
}

#[cfg(test)]
mod tests {
    use temporalio_common::protos::temporal::api::{
        common::v1::ActivityType,
        failure::v1::ApplicationFailureInfo,
        history::v1::{WorkflowExecutionFailedEventAttributes, WorkflowExecutionTimedOutEventAttributes},
        workflow::v1::{PendingWorkflowTaskInfo, WorkflowExecutionInfo},
    };

    use super::*;

    fn failure() -> Failure {
        let info = ApplicationFailureInfo { r#type: "ValueError".into(), ..Default::default() };
        let cause = Failure {
            message: "no such greeting".into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        };
        Failure { message: "Activity task failed".into(), cause: Some(Box::new(cause)), ..Default::default() }
    }

    #[test]
    fn a_failed_run_is_final_and_described_with_its_causes() {
        let failed = WorkflowExecutionFailedEventAttributes { failure: Some(failure()), ..Default::default() };
        let miss = ended_badly(&Attributes::WorkflowExecutionFailedEventAttributes(failed));
        assert_eq!(miss.message.unredacted(), "it failed: Activity task failed: ValueError: no such greeting");
        assert!(miss.is_final);
        let late = WorkflowExecutionTimedOutEventAttributes::default();
        assert!(!ended_badly(&Attributes::WorkflowExecutionTimedOutEventAttributes(late)).is_final);
    }

    #[test]
    fn an_open_run_is_described_by_its_missing_worker_or_activity() {
        let task = PendingWorkflowTaskInfo {
            state: PendingWorkflowTaskState::Scheduled.into(),
            attempt: 1,
            ..Default::default()
        };
        let info = WorkflowExecutionInfo { history_length: 2, ..Default::default() };
        let mut seen = DescribeWorkflowExecutionResponse {
            pending_workflow_task: Some(task),
            workflow_execution_info: Some(info),
            ..Default::default()
        };
        assert!(from_description(&seen).unwrap().message.unredacted().starts_with("it has not begun"));
        seen.pending_activities = vec![PendingActivityInfo {
            activity_type: Some(ActivityType { name: "greet".into() }),
            attempt: 4,
            last_failure: Some(failure()),
            ..Default::default()
        }];
        let message = from_description(&seen).unwrap().message.unredacted();
        assert_eq!(
            message,
            "its activity greet has failed 3 times: Activity task failed: ValueError: no such greeting"
        );
    }
}

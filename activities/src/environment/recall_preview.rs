//! The activity `recall_preview`: what the earlier runs of a preview have left for a new one.

use berth_workflows::contract::{
    memory::{Memory, PREVIEW_MEMORY, RecallPreviewInput, RecalledPreview, memory_id},
    verdict::FailureType,
};
use temporalio_client::{Client, NamespacedClient};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    history::v1::{WorkflowExecutionStartedEventAttributes, history_event::Attributes},
    workflowservice::v1::GetWorkflowExecutionHistoryRequest,
};
use tonic::{Code, Request};

use crate::failure::Failure;

/// Reads the memory of a preview: the input of the newest workflow that keeps one. One request, of one event.
///
/// Safe to repeat: it only reads.
///
/// # Errors
/// Temporal does not answer, or a newer version of berth has written what this one cannot read: `NotObserved`, retried.
pub async fn recall_preview(client: &Client, recall: &RecallPreviewInput) -> Result<RecalledPreview, Failure> {
    let execution = WorkflowExecution { workflow_id: memory_id(&recall.environment), run_id: String::new() };
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace(),
        execution: Some(execution),
        maximum_page_size: 1,
        ..Default::default()
    };
    let id = memory_id(&recall.environment);
    let failed = |why: String| Failure::transient(FailureType::NotObserved, format!("reading {id}: {why}"));
    let read = client.connection().workflow_service().get_workflow_execution_history(Request::new(request)).await;
    let history = match read {
        Ok(read) => read.into_inner().history.unwrap_or_default(),
        // Temporal has none, or none any more.
        Err(status) if status.code() == Code::NotFound => return Ok(RecalledPreview::default()),
        Err(status) => return Err(failed(status.message().to_owned())),
    };
    match history.events.into_iter().next().and_then(|event| event.attributes) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            let memory = memory(&recall.environment, &started).map_err(|why| failed(why.to_string()))?;
            Ok(RecalledPreview { memory })
        }
        _ => Err(failed("its first event is missing".to_owned())),
    }
}

/// The memory that a workflow was started with, if the environment's own workflow has started it. Anybody else can start one
/// under that id, but cannot name that parent.
fn memory(
    environment: &str,
    started: &WorkflowExecutionStartedEventAttributes,
) -> Result<Option<Memory>, serde_json::Error> {
    let is_memory = started.workflow_type.as_ref().is_some_and(|kind| kind.name == PREVIEW_MEMORY);
    let parent = started.parent_workflow_execution.as_ref();
    if !is_memory || parent.is_none_or(|parent| parent.workflow_id != environment) {
        return Ok(None);
    }
    let json = started.input.as_ref().and_then(|input| input.payloads.first()).map(|payload| payload.data.as_slice());
    serde_json::from_slice(json.unwrap_or_default()).map(Some)
}

#[cfg(test)]
mod tests {
    use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads, WorkflowType};

    use super::*;

    fn started(kind: &str, parent: Option<&str>, json: &str) -> WorkflowExecutionStartedEventAttributes {
        let parent = parent.map(|id| WorkflowExecution { workflow_id: id.to_owned(), run_id: "run".to_owned() });
        let payload = Payload { data: json.as_bytes().to_vec(), ..Default::default() };
        WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: kind.to_owned() }),
            parent_workflow_execution: parent,
            input: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        }
    }

    fn read(kind: &str, parent: Option<&str>) -> Option<Memory> {
        memory("preview-web-1", &started(kind, parent, r#"{"sequence":42}"#)).unwrap()
    }

    #[test]
    fn memory_counts_if_the_environment_has_started_it() {
        assert_eq!(read(PREVIEW_MEMORY, Some("preview-web-1")).unwrap().sequence, Some(42));
        for (kind, parent) in [
            (PREVIEW_MEMORY, None),
            (PREVIEW_MEMORY, Some("preview-web-11")),
            (PREVIEW_MEMORY, Some("stranger")),
            ("Stranger", Some("preview-web-1")),
        ] {
            assert_eq!(read(kind, parent), None, "{kind} {parent:?}");
        }
    }

    #[test]
    fn memory_of_a_newer_version_is_read_as_far_as_it_is_known() {
        let newer = started(PREVIEW_MEMORY, Some("preview-web-1"), r#"{"sequence":42,"mood":"calm"}"#);
        assert_eq!(memory("preview-web-1", &newer).unwrap().unwrap().sequence, Some(42));
        let unreadable = started(PREVIEW_MEMORY, Some("preview-web-1"), r#"{"sequence":"forty-two"}"#);
        assert!(memory("preview-web-1", &unreadable).is_err(), "nothing is forgotten silently");
    }
}

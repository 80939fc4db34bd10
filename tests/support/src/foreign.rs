//! A workflow of somebody else, which schedules one activity on berth's task queue. It speaks Temporal's protocol, as a
//! worker in any language does.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::Value;
use temporalio_client::{Client, tonic::Request};
use temporalio_common::protos::temporal::api::{
    command::v1::{
        Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
        command::Attributes as CommandAttributes,
    },
    common::v1::{ActivityType, Payload, Payloads, RetryPolicy, WorkflowType},
    enums::v1::CommandType,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::history_event::Attributes,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
        StartWorkflowExecutionRequest,
    },
};

const NAMESPACE: &str = "default";

/// Type and id of a foreign workflow, and what it schedules.
pub struct Foreign<'a> {
    pub workflow: (&'a str, &'a str),
    pub activity: &'a str,
    pub input: &'a Value,
}

impl Foreign<'_> {
    /// Runs the workflow. Returns type and message of its activity's failure, or `None` if the activity succeeded.
    pub async fn run(&self, client: &Client, berths_queue: &str) -> Option<(String, String)> {
        self.start(client).await;
        let task = self.poll(client).await;
        self.complete(client, task, self.schedule(berths_queue)).await;
        let task = self.poll(client).await;
        let events = task.history.clone().unwrap_or_default().events;
        let end = events.into_iter().rev().find_map(|event| match event.attributes {
            Some(Attributes::ActivityTaskCompletedEventAttributes(_)) => Some(None),
            Some(Attributes::ActivityTaskFailedEventAttributes(failed)) => Some(failed.failure),
            _ => None,
        });
        let done = CommandAttributes::CompleteWorkflowExecutionCommandAttributes(
            CompleteWorkflowExecutionCommandAttributes::default(),
        );
        self.complete(client, task, command(CommandType::CompleteWorkflowExecution, done)).await;
        end.unwrap().map(describe)
    }

    async fn start(&self, client: &Client) {
        // The server takes a second start with the same request id for the first one.
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let (kind, id) = self.workflow;
        let start = StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: kind.to_owned() }),
            task_queue: Some(self.task_queue()),
            request_id: STARTED.fetch_add(1, Ordering::Relaxed).to_string(),
            ..Default::default()
        };
        client.connection().workflow_service().start_workflow_execution(Request::new(start)).await.unwrap();
    }

    /// Waits for the workflow's next task.
    async fn poll(&self, client: &Client) -> PollWorkflowTaskQueueResponse {
        loop {
            let poll = PollWorkflowTaskQueueRequest {
                namespace: NAMESPACE.to_owned(),
                task_queue: Some(self.task_queue()),
                ..Default::default()
            };
            let task = client.connection().workflow_service().poll_workflow_task_queue(Request::new(poll)).await;
            let task = task.unwrap().into_inner();
            if !task.task_token.is_empty() {
                return task;
            }
        }
    }

    async fn complete(&self, client: &Client, task: PollWorkflowTaskQueueResponse, command: Command) {
        let respond = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands: vec![command],
            namespace: NAMESPACE.to_owned(),
            ..Default::default()
        };
        let mut service = client.connection().workflow_service();
        service.respond_workflow_task_completed(Request::new(respond)).await.unwrap();
    }

    /// A single attempt: a refusal that may pass is not repeated either.
    fn schedule(&self, berths_queue: &str) -> Command {
        let input = Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: serde_json::to_vec(self.input).unwrap(),
            ..Default::default()
        };
        let schedule = ScheduleActivityTaskCommandAttributes {
            activity_id: "1".to_owned(),
            activity_type: Some(ActivityType { name: self.activity.to_owned() }),
            task_queue: Some(TaskQueue { name: berths_queue.to_owned(), ..Default::default() }),
            input: Some(Payloads { payloads: vec![input] }),
            start_to_close_timeout: Duration::from_secs(30).try_into().ok(),
            retry_policy: Some(RetryPolicy { maximum_attempts: 1, ..Default::default() }),
            ..Default::default()
        };
        let schedule = CommandAttributes::ScheduleActivityTaskCommandAttributes(schedule);
        command(CommandType::ScheduleActivityTask, schedule)
    }

    fn task_queue(&self) -> TaskQueue {
        TaskQueue { name: format!("foreign-{}-{}", self.workflow.1, self.activity), ..Default::default() }
    }
}

fn command(kind: CommandType, attributes: CommandAttributes) -> Command {
    Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() }
}

fn describe(failure: Failure) -> (String, String) {
    match failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => (info.r#type, failure.message),
        other => panic!("not the activity's own failure: {other:?} {}", failure.message),
    }
}

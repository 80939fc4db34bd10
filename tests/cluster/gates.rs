//! The Temporal gates against the lab's Temporal server. The tests of whole environments cover the way through a
//! port-forward.

#![expect(clippy::print_stdout, reason = "verdicts are for a person to read")]

mod check;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::Engine as _;
use berth_lab::Lab;
use check::{checked, during, failed, passed, poll_activities, run_workflows, serving_and_nothing_else};
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::{
    command::v1::{
        CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes, command::Attributes,
    },
    common::v1::{Payload, Payloads},
    enums::v1::CommandType,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
};

fn server_gate(namespace: &str) -> Value {
    json!({"name": "temporal", "deadline": "20s", "temporal_server": {"namespace": namespace}})
}

fn completes_with(result: &Value) -> Attributes {
    let payload = Payload {
        metadata: HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]),
        data: result.to_string().into_bytes(),
        ..Default::default()
    };
    let result = Some(Payloads { payloads: vec![payload] });
    Attributes::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes { result })
}

#[tokio::test]
async fn working_server_passes_for_two_checks_at_once_and_again() {
    let lab = Lab::shared().unwrap();
    let gate = server_gate("default");
    let check = || checked(&lab, lab.temporal_address(), 8000, &gate);
    let (one, two) = tokio::join!(check(), check());
    passed(&one);
    passed(&two);
    passed(&check().await);
    let probe = lab.temporal(&["workflow", "describe", "--workflow-id", "berth-probe-preview-gates-8000"]).unwrap();
    assert!(probe.contains("COMPLETED"), "{probe}");
}

#[tokio::test]
async fn missing_temporal_namespace_is_reported_with_a_command() {
    let lab = Lab::shared().unwrap();
    let gate = json!({"name": "temporal", "deadline": "2s", "temporal_server": {"namespace": "nowhere"}});
    let result = checked(&lab, lab.temporal_address(), 8001, &gate).await;
    let texts = ["gate temporal: a probe workflow in namespace nowhere of", "Namespace nowhere is not found"];
    failed(result, &[texts[0], texts[1], "temporal operator namespace create --namespace nowhere", "for 2 s"]);
}

#[tokio::test]
async fn unreachable_server_is_reported_with_its_address() {
    let lab = Lab::shared().unwrap();
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let gate = json!({"name": "temporal", "deadline": "2s", "temporal_server": {}});
    let result = checked(&lab, &address, 8002, &gate).await;
    failed(result, &[&address, "Connection refused", "Correct TEMPORAL_SERVER_ADDRESS in Doppler"]);
}

#[tokio::test]
async fn server_that_accepts_no_workflow_fails_with_its_message() {
    let lab = Lab::shared().unwrap();
    let (address, serving) = serving_and_nothing_else().await;
    let gate = json!({"name": "temporal", "deadline": "3s", "temporal_server": {}});
    let result = during(serving, checked(&lab, &address, 8003, &gate)).await;
    failed(
        result,
        &["the server did not accept the probe workflow: Unavailable: shard status unknown", "its database"],
    );
}

#[tokio::test]
async fn task_queue_passes_only_with_pollers_for_both_kinds_of_tasks() {
    let lab = Lab::shared().unwrap();
    let address = lab.temporal_address();
    let queue = format!("gates-8004-{}", std::process::id());
    let gate =
        |deadline: &str| json!({"name": "worker", "deadline": deadline, "temporal_poller": {"task_queue": queue}});
    let check = async |deadline| checked(&lab, address, 8004, &gate(deadline)).await;
    let expected = format!("pollers of task queue {queue} in namespace default of {address}");
    let no_poller = "no worker polls it for workflow tasks or activity tasks, for 2 s";
    failed(check("2s").await, &[&expected, no_poller, "The worker runs but does not poll"]);
    let half = during(poll_activities(address, &queue), check("2s")).await;
    failed(half, &["no worker polls it for workflow tasks, for 2 s"]);
    let workflows =
        run_workflows(address, &queue, CommandType::CompleteWorkflowExecution, completes_with(&Value::Null));
    passed(&during(workflows, during(poll_activities(address, &queue), check("20s"))).await);
}

#[tokio::test]
async fn workflow_with_the_expected_result_passes_and_starts_only_once() {
    let lab = Lab::shared().unwrap();
    let address = lab.temporal_address();
    let queue = format!("gates-8005-{}", std::process::id());
    let gate = |name: &str, expect: Value| {
        json!({"name": name, "deadline": "20s", "temporal_workflow": {
            "task_queue": queue, "type": "Greet", "input": {"name": "world"}, "expect": expect,
        }})
    };
    let result = completes_with(&json!({"greeting": "hello world", "number": 7}));
    let worker = run_workflows(address, &queue, CommandType::CompleteWorkflowExecution, result);
    during(worker, async {
        for _ in 0..2 {
            passed(&checked(&lab, address, 8005, &gate("greets", json!("hello world"))).await);
        }
        passed(&checked(&lab, address, 8005, &gate("counts", json!({"number": 7}))).await);
        let begun = Instant::now();
        let result = checked(&lab, address, 8005, &gate("differs", json!({"number": 8}))).await;
        failed(
            result,
            &["its result should contain {\"number\":8} and is {\"greeting\":\"hello world\",\"number\":7}"],
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "a result does not change: {:?}", begun.elapsed());
    })
    .await;
    let runs = runs_on(&lab, &queue).await;
    assert_eq!(runs.as_array().unwrap().len(), 3, "{runs:#}");
    let greets = runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["execution"]["workflowId"].as_str().unwrap().ends_with("-greets"));
    let show = ["workflow", "show", "--output", "json", "--workflow-id"];
    let id = greets.unwrap()["execution"]["workflowId"].as_str().unwrap().to_owned();
    let history = lab.temporal(&[show.as_slice(), &[&id]].concat()).unwrap();
    let input = base64::engine::general_purpose::STANDARD.encode(r#"{"name":"world"}"#);
    assert!(history.contains(&input), "it was given its input: {history}");
}

/// The runs of that queue, as soon as visibility has three. It lags behind the histories.
async fn runs_on(lab: &Lab, queue: &str) -> Value {
    let query = format!("TaskQueue = '{queue}'");
    let begun = Instant::now();
    loop {
        let list = lab.temporal(&["workflow", "list", "--output", "json", "--query", &query]).unwrap();
        let runs: Value = serde_json::from_str(&list).unwrap();
        if runs.as_array().is_some_and(|runs| runs.len() >= 3) || begun.elapsed() > Duration::from_secs(20) {
            return runs;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn failed_workflow_is_a_verdict_at_once_with_its_message() {
    let lab = Lab::shared().unwrap();
    let address = lab.temporal_address();
    let queue = format!("gates-8006-{}", std::process::id());
    let gate =
        json!({"name": "greets", "deadline": "60s", "temporal_workflow": {"task_queue": queue, "type": "Greet"}});
    let info = ApplicationFailureInfo { r#type: "ValueError".into(), non_retryable: true, ..Default::default() };
    let failure = Failure {
        message: "there is no table `greetings`".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    };
    let fails = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    let fails = Attributes::FailWorkflowExecutionCommandAttributes(fails);
    let worker = run_workflows(address, &queue, CommandType::FailWorkflowExecution, fails);
    let begun = Instant::now();
    let result = during(worker, checked(&lab, address, 8006, &gate)).await;
    let expected = format!("workflow Greet on task queue {queue} in namespace default of");
    failed(result, &[&expected, "it failed: ValueError: there is no table `greetings`"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn workflow_without_a_worker_is_reported_as_not_begun() {
    let lab = Lab::shared().unwrap();
    let queue = format!("gates-8007-{}", std::process::id());
    let gate = json!({"name": "greets", "deadline": "5s", "temporal_workflow": {"task_queue": queue, "type": "Greet"}});
    let result = checked(&lab, lab.temporal_address(), 8007, &gate).await;
    failed(
        result,
        &["it has not begun: no worker took its first task", "for 5 s", "No worker takes the workflow's tasks"],
    );
}

//! The life of a preview, on a real dev server, with fake activities.

use berth_test_support::preview::{Does, Preview, commit, preview, push};
use berth_workflows::{
    contract::{
        environment::PullRequest,
        phase::Phase,
        release::Name,
        search_attributes,
        signals::{Approve, DeployOutcome, Push},
        verdict::FailureType,
    },
    preview_environment::PreviewEnvironment,
};
use serde_json::json;
use temporalio_client::{
    RpcOptions, UntypedSignal, UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecuteUpdateOptions,
    WorkflowGetResultOptions, WorkflowSignalOptions, WorkflowStartOptions, WorkflowStartUpdateOptions,
    errors::WorkflowGetResultError,
};
use temporalio_common::data_converters::RawValue;

#[tokio::test]
async fn push_becomes_live_and_a_close_leaves_nothing() {
    preview("life", async |t: Preview| {
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('a'));
        assert_eq!(status.url.as_deref(), Some("https://pr-1.example.com"));
        t.close().await;
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!((report.gone.as_slice(), report.remaining.len()), (["Namespace/pr-1".to_owned()].as_slice(), 0));
        assert_eq!(t.status().await.phase, Phase::Closed);
        t.record("live", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn terminating_namespace_is_waited_for_and_status_says_why() {
    preview("deleting", async |t: Preview| {
        t.world.next("ensure_namespace", Does::Leave("held by example.com/hold"));
        t.world.next("await_namespace_gone", Does::Hang);
        t.push(push('a')).await;
        let waits = "the old namespace pr-1 to be gone: held by example.com/hold";
        t.until("it says so", |s| s.rolling_out.as_ref().is_some_and(|r| r.waiting_for == waits)).await;
        t.push(push('b')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'), "a newer push does not wait for the wait");

        t.world.next("ensure_namespace", Does::Leave("held by example.com/hold"));
        t.push(push('c')).await;
        t.until("live", |s| s.serving.as_ref().is_some_and(|serving| serving.release.commit == commit('c'))).await;
        t.record("waited", Some(3)).await;
    })
    .await;
}

#[tokio::test]
async fn apply_that_waits_for_an_object_to_go_is_repeated_and_shown() {
    preview("ending", async |t: Preview| {
        let gone = "the old ConfigMap/web (finalizer example.com/hold) to be gone";
        t.world.next("apply_manifests", Does::Leave(gone));
        t.world.next("apply_manifests", Does::HangUntilFreed);
        t.push(push('a')).await;
        t.until("it says so", |s| s.rolling_out.as_ref().is_some_and(|r| r.waiting_for == gone)).await;
        t.world.free();
        t.until("live", |s| s.phase == Phase::Live).await;
        let calls = t.world.calls();
        assert!(calls.contains(&format!("apply_manifests aaaaaaa, waited for {gone}")), "{calls:?}");
        t.record("ending", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn cluster_scoped_objects_are_recorded_before_they_are_made() {
    preview("outside", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("load_app", Does::Leave("web-pr-1-7-priority"));
        t.world.next("apply_manifests", Does::Hang);
        t.push(push('b')).await;
        t.until_called("apply_manifests", 2).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        // The rollout was stopped before it reported its objects.
        assert_eq!(t.world.calls().last().unwrap(), "delete_environment pr-1 and web-pr-1-7-priority");
        t.record("outside", Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn deploy_answers_when_live_and_joins_a_rollout_in_flight() {
    preview("deploy", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(t.deploy(push('a')).await.outcome, DeployOutcome::Live);
        assert_eq!(t.status().await.rollouts.len(), 1, "nothing was rolled out for it");

        t.world.next("await_rollout", Does::Hang);
        t.push(push('b')).await;
        t.until_called("await_rollout", 2).await;
        let options = WorkflowStartUpdateOptions::builder().build();
        let joined = t.handle().start_update(PreviewEnvironment::deploy, push('b').into(), options).await.unwrap();
        let newer = t.deploy(push('c')).await;
        let joined = joined.get_result(RpcOptions::default()).await.unwrap();
        assert_eq!(newer.outcome, DeployOutcome::Live);
        assert_eq!((joined.outcome, joined.commit), (DeployOutcome::Superseded, commit('b')));
    })
    .await;
}

#[tokio::test]
async fn long_history_continues_as_new_with_the_whole_state() {
    preview("continue", async |mut t: Preview| {
        t.input.timings.history_events = 40;
        for digit in ['a', 'b', 'c'] {
            t.push(Push { sequence: Some(7), ..push(digit) }).await;
            t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
        }
        let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert!(described.history_length() < 120, "{} events", described.history_length());
        let status = t.status().await;
        assert_eq!(status.rollouts.iter().map(|rollout| rollout.number).collect::<Vec<_>>(), [1, 2, 3]);
        t.push(Push { sequence: Some(6), ..push('d') }).await;
        let status = t.until("noted", |s| !s.notes.is_empty()).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('c'), "the sequence is known in the new run too");
        t.record("continued", None).await;
    })
    .await;
}

#[tokio::test]
async fn carried_state_from_a_caller_is_ignored() {
    preview("forged", async |mut t: Preview| {
        t.input.carried = Some(json!({ "last_number": 41, "closed": true }));
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.rollouts[0].number, 1);
    })
    .await;
}

#[tokio::test]
async fn bad_json_fails_a_start_cleanly_and_is_noted_on_a_signal() {
    preview("badjson", async |t: Preview| {
        for (input, expected) in [
            (json!({"app": "badjson", "pr": "one"}), "invalid value: string"),
            (json!({"app": "badjson", "pr": 2}), "must have the id preview-badjson-2"),
            (json!({"app": "Bad App", "pr": 1}), "app must be a DNS label"),
            (json!("x"), "expected a JSON object"),
        ] {
            let options = WorkflowStartOptions::new(t.task_queue.clone(), t.input.workflow_id()).build();
            let workflow = UntypedWorkflow::new("PreviewEnvironment");
            let input = RawValue::new(vec![json_payload(&input)]);
            let handle = t.client.start_workflow(workflow, input, options).await.unwrap();
            match handle.get_result(WorkflowGetResultOptions::default()).await {
                Err(WorkflowGetResultError::Failed(error)) => {
                    let failure = error.failure();
                    assert!(failure.message.contains(expected), "{}", failure.message);
                }
                other => panic!("{:?}", other.map(|_| ())),
            }
        }
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let untyped = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for (signal, payload) in [
            ("push", json!({"commit": "; rm -rf /", "image": "x"})),
            ("push", json!({"commit": "1234567", "image": ""})),
            ("push", json!(null)),
            ("approve", json!([1, 2])),
            ("close", json!({"sequence": -1})),
        ] {
            let input = RawValue::new(vec![json_payload(&payload)]);
            untyped.signal(UntypedSignal::new(signal), input, WorkflowSignalOptions::default()).await.unwrap();
        }
        let status = t.until("five notes", |s| s.notes.len() == 5).await;
        assert!(status.notes[0].starts_with("push: commit must be 7 to 64 hexadecimal digits"), "{:?}", status.notes);
        assert_eq!(status.phase, Phase::Live);
        let options = WorkflowExecuteUpdateOptions::default();
        let refused = untyped
            .execute_update(
                temporalio_client::UntypedUpdate::new("deploy"),
                RawValue::new(vec![json_payload(&json!({"commit": "x"}))]),
                options,
            )
            .await;
        assert!(format!("{:?}", refused.err()).contains("commit must be 7 to 64"));
    })
    .await;
}

fn json_payload(value: &serde_json::Value) -> temporalio_common::protos::temporal::api::common::v1::Payload {
    temporalio_common::protos::temporal::api::common::v1::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: serde_json::to_vec(value).unwrap(),
        ..Default::default()
    }
}

#[tokio::test]
async fn environment_is_found_by_the_commit_that_waits_and_after_its_end() {
    preview("found", async |t: Preview| {
        let found = async || {
            let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
            let attributes = described.search_attributes();
            (attributes.get(&search_attributes::COMMIT), attributes.get(&search_attributes::AUTHOR))
        };
        let name = |name: &str| Name::try_from(name.to_owned()).unwrap();
        t.push(Push { author: Some(name("hubot")), ..push('a') }).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.push(Push { fork: true, author: Some(name("octocat")), ..push('b') }).await;
        t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        assert_eq!(found().await, (Some(commit('b').to_string()), Some("octocat".to_owned())));
        t.push(Push { fork: true, ..push('c') }).await;
        t.until("waiting", |s| s.awaiting_approval.as_ref().is_some_and(|waits| waits.commit == commit('c'))).await;
        assert_eq!(found().await, (Some(commit('c').to_string()), Some(String::new())));
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(found().await.0, Some(commit('a').to_string()), "the last one that was rolled out");
    })
    .await;
}

#[tokio::test]
async fn fork_waits_for_approval_and_nothing_is_done_before() {
    preview("fork", async |t: Preview| {
        t.push(Push { fork: true, ..push('a') }).await;
        let status = t.until("waiting", |s| s.phase == Phase::AwaitingApproval).await;
        assert_eq!(status.awaiting_approval.unwrap().commit, commit('a'));
        let answer = t.deploy(Push { fork: true, ..push('b') }).await;
        assert_eq!(answer.outcome, DeployOutcome::AwaitingApproval);
        assert_eq!(t.world.count("load_app"), t.world.calls().len(), "the app file is read: {:?}", t.world.calls());
        let approve = |digit| Approve { commit: commit(digit), image: None, by: None };
        let options = WorkflowSignalOptions::default;
        t.handle().signal(PreviewEnvironment::approve, approve('a').into(), options()).await.unwrap();
        t.until("noted", |s| s.notes.len() == 1).await;
        t.handle().signal(PreviewEnvironment::approve, approve('b').into(), options()).await.unwrap();
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'));
        t.record("approved", None).await;
    })
    .await;
}

#[tokio::test]
async fn push_is_in_flight_while_its_environment_is_being_named() {
    preview("naming", async |t: Preview| {
        t.world.next("load_app", Does::Hang);
        t.push(push('a')).await;
        t.until_called("load_app", 1).await;
        let status = t.status().await;
        assert_eq!((status.phase, status.rolling_out.unwrap().release.commit), (Phase::RollingOut, commit('a')));
    })
    .await;
}

#[tokio::test]
async fn redeploy_rolls_the_newest_release_out_again() {
    preview("redeploy", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.redeploy().await;
        t.until("rolled out twice", |s| s.rollouts.len() == 2 && s.phase == Phase::Live).await;
        assert_eq!(t.world.count("apply_manifests aaaaaaa"), 2);
    })
    .await;
}

#[tokio::test]
async fn unknown_app_fails_the_push_and_ends_the_run() {
    preview("unknown", async |t: Preview| {
        for fork in [false, true] {
            t.world.next("load_app", Does::Fail(FailureType::UnknownApp));
            t.start().await;
            let answer = t.deploy(Push { fork, sequence: Some(7), ..push('a') }).await;
            assert_eq!(
                (answer.outcome, answer.verdict.unwrap().failure),
                (DeployOutcome::Failed, FailureType::UnknownApp)
            );
            t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
            let status = t.status().await;
            assert_eq!((status.phase, status.failed.unwrap().release.commit), (Phase::Closed, commit('a')));
            t.record(if fork { "unknown-app-of-a-fork" } else { "unknown-app" }, None).await;
        }
        // The same job runs again once there is such an app.
        t.push(Push { sequence: Some(7), ..push('a') }).await;
        t.until("live", |s| s.phase == Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn an_app_of_thirty_characters_and_a_large_number_make_valid_ids() {
    let input = PullRequest::new("a".repeat(30), 9_999_999_999);
    assert_eq!(input.check(), Ok(()));
    assert!(input.workflow_id().len() <= 63, "the id is a label's value");
}

#[tokio::test]
async fn release_that_is_ready_after_its_verdict_serves_in_the_status() {
    preview("late", async |t: Preview| {
        t.world.next("await_rollout", Does::Verdict(FailureType::NotReady));
        t.push(push('a')).await;
        t.until("failed", |s| s.phase == Phase::Failed && s.serving.is_none()).await;
        // The first look is after 15 s.
        let status = t.until("serving", |s| s.serving.is_some()).await;
        assert_eq!((status.phase, status.serving.unwrap().release.commit), (Phase::Failed, commit('a')));
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::NotReady);
        assert!(status.notes.iter().any(|note| note.contains("serves all the same")), "{:?}", status.notes);
        t.record("late", Some(1)).await;
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
    })
    .await;
}

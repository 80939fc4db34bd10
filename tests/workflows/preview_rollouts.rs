//! The rollouts of a preview: superseded, failed, stopped and pruned; on a real dev server, with fake activities.

use berth_test_support::preview::{Does, Preview, STEPS, commit, preview, push};
use berth_workflows::{
    contract::{phase::Phase, search_attributes, signals::DeployOutcome, verdict::FailureType},
    preview_environment::PreviewEnvironment,
    rollout::Rollout,
};
use serde_json::json;
use temporalio_client::{
    RpcOptions, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowStartOptions,
    WorkflowStartUpdateOptions, errors::WorkflowGetResultError,
};
use temporalio_common::error::IncomingError;

#[tokio::test]
async fn newer_push_supersedes_the_rollout_in_flight() {
    preview("supersede", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        t.push(push('b')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'));
        let outcomes: Vec<_> = status.rollouts.iter().map(|rollout| rollout.outcome).collect();
        assert_eq!(outcomes, [DeployOutcome::Superseded, DeployOutcome::Live]);
        let first = t.rollout(1).describe(WorkflowDescribeOptions::default()).await.unwrap();
        assert_eq!(first.status(), WorkflowExecutionStatus::Canceled);
        let calls = t.world.calls();
        let stopped = calls.iter().position(|call| call == "await_rollout cancelled").unwrap();
        let begun = calls.iter().position(|call| call == "apply_manifests bbbbbbb").unwrap();
        assert!(stopped < begun, "the newer one begins when the older has stopped: {calls:#?}");
        t.record("superseded", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn each_failed_step_fails_the_rollout_until_the_next_push() {
    // A prune fails after the release is live.
    for (n, step) in STEPS.into_iter().filter(|step| *step != "prune").enumerate() {
        preview(&format!("fail-at-{n}"), async |t: Preview| {
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            t.world.next(step, Does::Fail(FailureType::AdmissionDenied));
            t.push(push('b')).await;
            let status = t.until("failed", |s| s.phase == Phase::Failed).await;
            let failed = status.failed.unwrap();
            assert_eq!((failed.verdict.failure, failed.release.commit), (FailureType::AdmissionDenied, commit('b')));
            assert_eq!(failed.verdict.message, "as ordered", "{step}");
            // After `await_rollout` the new release's pods serve, though a later step fails.
            let serves = if step == "check_gates" { commit('b') } else { commit('a') };
            assert_eq!(status.serving.unwrap().release.commit, serves, "{step}");
            assert_eq!(failure_type_of_rollout(&t, 2).await.as_deref(), Some("AdmissionDenied"));
            t.push(push('c')).await;
            let status = t.until("live", |s| s.phase == Phase::Live).await;
            assert_eq!((status.serving.unwrap().release.commit, status.failed), (commit('c'), None));
        })
        .await;
    }
}

#[tokio::test]
async fn stopped_rollout_whose_step_fails_ends_as_stopped() {
    for step in STEPS.into_iter().chain(["ensure_database"]) {
        preview(&format!("stopped-at-{}", step.replace('_', "-")), async |t: Preview| {
            t.world.with_database();
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            let calls = t.world.count(step);
            t.world.next(step, Does::FailWhenCancelled(FailureType::KubernetesDenied));
            t.push(push('b')).await;
            t.until_called(step, calls + 1).await;
            t.push(push('c')).await;
            let status = t.until("live", |s| s.phase == Phase::Live).await;
            let outcomes: Vec<_> = status.rollouts.iter().map(|rollout| rollout.outcome).collect();
            assert_eq!(outcomes, [DeployOutcome::Live, DeployOutcome::Superseded, DeployOutcome::Live], "{step}");
            let stopped = t.rollout(2).describe(WorkflowDescribeOptions::default()).await.unwrap();
            assert_eq!(stopped.status(), WorkflowExecutionStatus::Canceled, "{step}");
            let attributes = stopped.search_attributes();
            assert_eq!(attributes.get(&search_attributes::PHASE).as_deref(), Some("Superseded"), "{step}");
            assert_eq!(attributes.get(&search_attributes::FAILURE), None, "{step}");
        })
        .await;
    }
}

#[tokio::test]
async fn push_of_the_serving_release_after_a_failure_is_rolled_out() {
    preview("back", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("await_rollout", Does::Fail(FailureType::CrashLoop));
        t.push(push('b')).await;
        t.until("failed", |s| s.phase == Phase::Failed).await;
        let applied = t.world.count("apply_manifests");
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(t.world.count("apply_manifests"), applied + 1);
    })
    .await;
}

async fn failure_type_of_rollout(t: &Preview, number: u64) -> Option<String> {
    match t.rollout(number).get_result(WorkflowGetResultOptions::default()).await {
        Err(WorkflowGetResultError::Failed(error)) => match *error {
            IncomingError::Application(failure) => failure.type_name().map(str::to_owned),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn verdict_is_in_answer_status_and_failure_and_nothing_is_pruned() {
    for (n, step) in ["await_rollout", "check_gates"].into_iter().enumerate() {
        preview(&format!("verdict-{n}"), async |t: Preview| {
            t.push(push('a')).await;
            t.until("live", |s| s.phase == Phase::Live).await;
            t.world.next(step, Does::Verdict(FailureType::CrashLoop));
            let answer = t.deploy(push('b')).await;
            assert_eq!(answer.outcome, DeployOutcome::Failed);
            assert_eq!(answer.verdict.unwrap().failure, FailureType::CrashLoop);
            assert_eq!(t.status().await.failed.unwrap().verdict.workload.as_deref(), Some("Deployment/web"));
            assert_eq!(failure_type_of_rollout(&t, 2).await.as_deref(), Some("CrashLoop"));
            assert_eq!(t.world.count("prune"), 0, "the first rollout had nothing to prune");
            t.record(&format!("failed-{step}"), Some(2)).await;
        })
        .await;
    }
}

#[tokio::test]
async fn serving_and_previous_releases_are_kept_from_pruning() {
    preview("keep", async |t: Preview| {
        for digit in ['a', 'b', 'c'] {
            t.push(push(digit)).await;
            t.until("live", |s| s.serving.as_ref().is_some_and(|s| s.release.commit == commit(digit))).await;
        }
        let last = t.world.calls().into_iter().rfind(|call| call.starts_with("prune")).unwrap();
        assert_eq!(last, "prune berth-release-ccccccc keeping berth-release-bbbbbbb berth-release-aaaaaaa");
    })
    .await;
}

#[tokio::test]
async fn first_rollout_prunes_only_in_a_namespace_that_existed() {
    for (name, was_there, prunes) in [("new", false, 0), ("adopted", true, 1)] {
        preview(&format!("first-{name}"), async |t: Preview| {
            if was_there {
                t.world.has_namespace("pr-1");
            }
            t.push(push('a')).await;
            let status = t.until("live", |s| s.phase == Phase::Live).await;
            assert_eq!((status.namespace.as_deref(), t.world.count("prune")), (Some("pr-1"), prunes));
        })
        .await;
    }
}

#[tokio::test]
async fn failed_prune_is_a_note_of_a_live_release() {
    preview("prune-fails", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("load_app", Does::Leave("web-pr-1-7-priority"));
        t.world.next("prune", Does::Fail(FailureType::KubernetesDenied));
        let answer = t.deploy(push('b')).await;
        assert_eq!((answer.outcome, answer.verdict), (DeployOutcome::Live, None));
        let status = t.status().await;
        assert_eq!((status.phase, status.failed), (Phase::Live, None));
        assert_eq!(status.serving.unwrap().release.commit, commit('b'));
        let note = "leftovers of earlier releases were not removed: KubernetesDenied: as ordered";
        assert_eq!(status.notes, [format!("rollout of bbbbbbb: {note}")]);
        let rolled_out = t.rollout(2).get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!((rolled_out.notes, rolled_out.pruned), (vec![note.to_owned()], Vec::new()));

        // Another rollout does not know the object, which a teardown must find all the same.
        t.world.next("prune", Does::Fail(FailureType::KubernetesDenied));
        assert_eq!(t.deploy(push('c')).await.outcome, DeployOutcome::Live);
        t.close().await;
        t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(t.world.calls().last().unwrap(), "delete_environment pr-1 and web-pr-1-7-priority");
    })
    .await;
}

#[tokio::test]
async fn object_that_a_prune_leaves_is_a_note() {
    preview("prune-leaves", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("prune", Does::Leave("PersistentVolumeClaim/data"));
        assert_eq!(t.deploy(push('b')).await.outcome, DeployOutcome::Live);
        let note = "PersistentVolumeClaim/data is not in the release any more, and stays with its data";
        assert_eq!(t.status().await.notes, [format!("rollout of bbbbbbb: {note}")]);
    })
    .await;
}

#[tokio::test]
async fn redeploy_restarts_the_rollout_in_flight_for_its_waiters() {
    preview("redeploy-in-flight", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        let options = WorkflowStartUpdateOptions::builder().build();
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        let waits = t.handle().start_update(PreviewEnvironment::deploy, push('a').into(), options).await.unwrap();
        t.redeploy().await;
        let answer = waits.get_result(RpcOptions::default()).await.unwrap();
        assert_eq!((answer.outcome, answer.commit), (DeployOutcome::Live, commit('a')));
        assert_eq!(t.world.count("apply_manifests aaaaaaa"), 2);
    })
    .await;
}

#[tokio::test]
async fn rollout_stopped_at_its_gates_serves_and_its_release_is_kept() {
    preview("stopped-late", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("check_gates", Does::Hang);
        t.push(push('b')).await;
        t.until_called("check_gates", 2).await;
        t.world.next("load_app", Does::Fail(FailureType::ImageNotAllowed));
        t.push(push('c')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        assert_eq!(status.serving.unwrap().release.commit, commit('b'), "its pods are what answers");
        t.push(push('d')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let last = t.world.calls().into_iter().rfind(|call| call.starts_with("prune")).unwrap();
        assert_eq!(last, "prune berth-release-ddddddd keeping berth-release-bbbbbbb berth-release-aaaaaaa");
        t.record("stopped-late", Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn a_rollout_is_found_by_how_it_ended() {
    preview("phases", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        t.push(push('a')).await;
        t.until_called("await_rollout", 1).await;
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        t.push(push('c')).await;
        t.until("failed", |s| s.phase == Phase::Failed).await;
        for (number, phase) in [(1, "Superseded"), (2, "Live"), (3, "Failed")] {
            let described = t.rollout(number).describe(WorkflowDescribeOptions::default()).await.unwrap();
            assert_eq!(described.search_attributes().get(&search_attributes::PHASE).as_deref(), Some(phase));
        }
    })
    .await;
}

#[tokio::test]
async fn rollout_without_an_environment_is_refused() {
    preview("stranger", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        let deploy = json!({
            "environment": {"app": "stranger", "pr": 1, "workflow_id": "preview-stranger-1", "namespace": "kube-system",
                "host": "x", "scheme": "http"},
            "release": {"commit": "a".repeat(40), "image": format!("acme/web@sha256:{}", "a".repeat(64))},
            "number": 9, "deploy_id": 1,
        });
        let options = WorkflowStartOptions::new(t.task_queue.clone(), "preview-stranger-1-rollout-9").build();
        let deploy: berth_workflows::contract::rollout_input::RolloutInput = serde_json::from_value(deploy).unwrap();
        let handle = t.client.start_workflow(Rollout::run, deploy.into(), options).await.unwrap();
        match handle.get_result(WorkflowGetResultOptions::default()).await {
            Err(WorkflowGetResultError::Failed(error)) => {
                assert!(error.failure().message.contains("is started by its environment"));
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

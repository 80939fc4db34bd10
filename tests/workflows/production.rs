//! Production: order, approval, freeze, rollback and the record; on a real dev server, with fake activities.

use berth_test_support::{
    fake_activities::Does,
    production::{Production, name, numbered, production},
};
use berth_workflows::contract::{
    phase::Phase,
    production_answer::ProductionOutcome::{self, *},
    production_record::Restored,
    search_attributes,
    verdict::FailureType,
};
use serde_json::json;
use std::sync::atomic::Ordering;
use temporalio_client::{WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowTerminateOptions};

/// The search attribute `BerthFailure`.
async fn shown_failure(t: &Production) -> Option<String> {
    let described = t.handle().describe(WorkflowDescribeOptions::default()).await.unwrap();
    described.search_attributes().get(&search_attributes::FAILURE)
}

#[tokio::test]
async fn release_is_planned_rolled_out_and_recorded() {
    production("p-live", async |t: Production| {
        let answer = t.release(numbered('a', 1)).await;
        assert_eq!((answer.outcome, answer.release), (Queued, Some(1)));
        let status = t.until_serves(1).await;
        assert_eq!(status.phase, Phase::Live);
        let steps =
            ["load_app", "ensure_namespace", "recall_production", "load_app", "ensure_namespace", "sync_secrets"];
        let calls = t.world.calls();
        let called: Vec<_> = calls.iter().map(|call| call.split(' ').next().unwrap()).collect();
        let begun: Vec<_> = called.iter().filter(|call| **call != "record_production").take(6).copied().collect();
        assert_eq!(begun, steps, "{calls:#?}");
        let apply = called.iter().position(|call| *call == "apply_release").unwrap();
        assert!(called[..apply].contains(&"record_production"), "recorded before its first write: {calls:#?}");
        t.until("recorded", |_| t.record().begun.is_none() && t.record().live.is_some()).await;
        let record = t.record();
        assert_eq!((record.release, record.sequence, record.live), (1, Some(1), record.proven));
        t.record_history("live", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn releases_out_of_order_end_with_the_highest_sequence() {
    production("p-order", async |t: Production| {
        t.world.next("await_rollout", Does::Hang);
        t.release(numbered('a', 1)).await;
        t.until_called("await_rollout", 1).await;
        let mut outcomes: Vec<(u64, ProductionOutcome)> = Vec::new();
        for (digit, sequence) in [('5', 5), ('3', 3), ('7', 7), ('2', 2), ('9', 9), ('4', 4)] {
            outcomes.push((sequence, t.release(numbered(digit, sequence)).await.outcome));
        }
        let expected = [(5, Queued), (3, Superseded), (7, Queued), (2, Superseded), (9, Queued), (4, Superseded)];
        assert_eq!(outcomes, expected);
        let applied = t.world.count("apply_release");
        t.rollout(1).cancel(WorkflowCancelOptions::default()).await.unwrap();
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit.short(), "9999999");
        assert_eq!(t.world.count("apply_release"), applied + 1, "5 and 7 were replaced before they began");
    })
    .await;
}

#[tokio::test]
async fn approval_waits_and_a_stale_plan_is_refused() {
    production("p-approve", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        t.release(numbered('a', 1)).await;
        let status = t.until("planned", |s| s.phase == Phase::AwaitingApproval).await;
        let plan = status.queued.unwrap().plan.unwrap().id;
        assert_eq!(t.approve(1, "another").await.outcome, Refused);
        // The manifests are edited between the plan and its approval.
        t.world.next("plan_release", Does::Leave("-edited"));
        assert_eq!(t.approve(1, &plan).await.outcome, Approved);
        let status = t.until("planned anew", |s| {
            s.phase == Phase::AwaitingApproval && s.queued.as_ref().is_some_and(|q| q.plan.as_ref().unwrap().id != plan)
        });
        let again = status.await.queued.unwrap().plan.unwrap().id;
        assert_eq!(t.world.count("apply_release"), 0);
        t.world.next("plan_release", Does::Leave("-edited"));
        let answer = t.approve(1, &again).await;
        assert_eq!((answer.outcome, answer.plan.as_deref()), (Approved, Some(again.as_str())));
        t.until_serves(1).await;
        t.record_history("approved", None).await;
    })
    .await;
}

#[tokio::test]
async fn failed_release_is_rolled_back_without_its_plan() {
    for (n, step) in ["await_rollout", "check_gates"].into_iter().enumerate() {
        production(&format!("p-fail-{n}"), async |t: Production| {
            t.release(numbered('a', 1)).await;
            t.until_serves(1).await;
            t.world.next(step, Does::Verdict(FailureType::CrashLoop));
            t.release(numbered('b', 2)).await;
            let status = t.until("rolled back", |s| s.phase == Phase::RolledBack).await;
            assert_eq!(status.serving.unwrap().release.number, Some(1));
            assert_eq!(status.failed.unwrap().verdict.failure, FailureType::CrashLoop);
            let last = t.world.calls().into_iter().rfind(|call| call.starts_with("apply_release")).unwrap();
            assert_eq!(last, "apply_release berth-release-1 again");
            assert_eq!(shown_failure(&t).await.as_deref(), Some("CrashLoop"), "{step}");
            t.record_history(&format!("rolled-back-{step}"), Some(3)).await;
        })
        .await;
    }
}

#[tokio::test]
async fn release_refused_before_its_first_write_rolls_nothing_back() {
    for (n, step) in ["load_app", "plan_release", "apply_release"].into_iter().enumerate() {
        production(&format!("p-refuse-{n}"), async |t: Production| {
            t.release(numbered('a', 1)).await;
            t.until_serves(1).await;
            t.world.next(step, Does::Fail(FailureType::AdmissionDenied));
            t.release(numbered('b', 2)).await;
            let status = t.until("failed", |s| s.phase == Phase::Failed).await;
            assert_eq!((status.serving.unwrap().release.number, status.recovery), (Some(1), None), "{step}");
            assert!(!t.world.calls().iter().any(|call| call.ends_with("again")), "{step}");
            assert_eq!(shown_failure(&t).await.as_deref(), Some("AdmissionDenied"), "{step}");
        })
        .await;
    }
}

#[tokio::test]
async fn rollback_by_hand_stops_the_rollout_and_freezes_the_queue() {
    production("p-rollback", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        t.world.next("await_rollout", Does::Hang);
        t.release(numbered('b', 2)).await;
        t.until_called("await_rollout", 2).await;
        t.release(numbered('c', 3)).await;
        let answer = t.rollback(Some(1)).await;
        assert_eq!((answer.outcome, answer.release), (RollingBack, Some(1)));
        let status = t.until("rolled back", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        assert!(status.frozen.unwrap().reason.starts_with("rolled back to release 1"));
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        assert_eq!(t.unfreeze().await.outcome, Unfrozen);
        t.until_serves(3).await;
        t.record_history("rollback", Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn rollback_without_a_target_changes_nothing() {
    production("p-nothing", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        assert_eq!(t.rollback(None).await.outcome, Refused);
        assert_eq!(t.rollback(Some(9)).await.outcome, Refused);
        assert_eq!(t.status().await.frozen, None);
    })
    .await;
}

#[tokio::test]
async fn rollback_without_its_target_holds_up_no_freeze_and_no_newer_rollback() {
    production("p-urgent-rollback", async |t: Production| {
        for (digit, sequence) in [('a', 1), ('b', 2)] {
            t.release(numbered(digit, sequence)).await;
            t.until_serves(sequence).await;
        }
        t.world.next("find_rollback", Does::Hang);
        let older = t.begin_update("rollback", &json!({ "by": "ops" })).await;
        t.until_called("find_rollback", 1).await;
        assert_eq!(t.freeze().await.outcome, Frozen);
        assert!(t.status().await.frozen.is_some());
        assert_eq!(t.rollback(Some(1)).await.outcome, RollingBack);
        assert_eq!(older.await.unwrap().outcome, Superseded);
        t.until_serves(1).await;
        t.until_called("find_rollback cancelled", 1).await;
    })
    .await;
}

#[tokio::test]
async fn cancel_freezes_and_lets_the_rollout_end() {
    production("p-cancel", async |t: Production| {
        t.world.next("check_gates", Does::Leave("slow"));
        t.release(numbered('a', 1)).await;
        t.until_called("await_rollout", 1).await;
        let cancelled = t.handle().describe(Default::default()).await.unwrap().run_id().to_owned();
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        let status = t.until("frozen", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        t.release(numbered('b', 2)).await;
        t.unfreeze().await;
        t.until_serves(2).await;
        t.record_run("cancelled", cancelled).await;
        t.record_history("continued", None).await;
    })
    .await;
}

#[tokio::test]
async fn cancel_during_a_rollout_is_recorded_at_once() {
    production("p-cancel-at-once", async |t: Production| {
        t.world.next("await_rollout", Does::Hang);
        t.release(numbered('a', 1)).await;
        t.until_called("await_rollout", 1).await;
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        let status = t.until("frozen", |s| s.frozen.is_some()).await;
        assert!(status.rolling_out.is_some(), "what is rolling out goes on");
        t.until("recorded", |_| t.record().frozen.is_some()).await;
        let answer = t.unfreeze().await;
        assert!(answer.reason.unwrap().contains("a cancel of the workflow"));
        t.until("recorded", |_| t.record().frozen.is_none()).await;
    })
    .await;
}

#[tokio::test]
async fn terminated_run_is_taken_over_by_the_next() {
    production("p-terminate", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        t.world.next("await_rollout", Does::Hang);
        t.release(numbered('b', 2)).await;
        t.until_called("await_rollout", 2).await;
        t.release(numbered('c', 3)).await;
        t.until("the queue is recorded", |_| t.record().queued.is_some() || t.record().begun.is_some()).await;
        t.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
        t.start().await;
        let answer = t.release(numbered('b', 2)).await;
        assert!(matches!(answer.outcome, RollingOut | Superseded), "{answer:?}");
        t.until("b is finished", |s| {
            s.serving.as_ref().is_some_and(|serving| serving.release.number >= Some(2)) && s.rolling_out.is_none()
        })
        .await;
        t.record_history("recalled", None).await;
    })
    .await;
}

#[tokio::test]
async fn rollback_by_hand_does_not_wait_for_a_plan() {
    production("p-urgent", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        t.world.next("plan_release", Does::Hang);
        t.release(numbered('b', 2)).await;
        t.until_called("plan_release", 2).await;
        assert_eq!(t.rollback(Some(1)).await.outcome, RollingBack);
        t.until("rolled back", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        t.until_called("plan_release cancelled", 1).await;
    })
    .await;
}

#[tokio::test]
async fn failed_rollback_is_tried_again_while_a_plan_is_made() {
    production("p-retry", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        for _ in 0..2 {
            t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        }
        t.release(numbered('b', 2)).await;
        t.until("the rollback has failed", |s| s.phase == Phase::RollbackFailed).await;
        t.world.next("plan_release", Does::Hang);
        t.release(numbered('c', 3)).await;
        t.until_called("plan_release cancelled", 1).await;
        t.until_serves(3).await;
        let applied: Vec<_> = t.world.calls().into_iter().filter(|call| call.starts_with("apply_release")).collect();
        assert!(applied[3].starts_with("apply_release berth-release-1"), "{applied:#?}");
    })
    .await;
}

/// Leaves a record as `berth production restore` does.
pub(crate) fn restore(t: &Production, release: u64) {
    let mut recalled = t.world.recalled.lock().unwrap();
    let stored = t.world.stored.lock().unwrap();
    let version = stored.iter().find(|version| version.release.number == Some(release)).unwrap().clone();
    let record = recalled.record.as_mut().unwrap();
    record.restored = Some(Restored { version, by: name("ops"), at_ms: 1 });
    record.deploy_id += 1;
    recalled.version = Some("1000".into());
}

#[tokio::test]
async fn restore_by_hand_is_taken_as_a_freeze() {
    production("p-restored", async |t: Production| {
        for (digit, sequence) in [('a', 1), ('b', 2)] {
            t.release(numbered(digit, sequence)).await;
            t.until_serves(sequence).await;
        }
        t.until("recorded", |_| t.record().begun.is_none()).await;
        restore(&t, 1);
        t.release(numbered('c', 3)).await;
        let status = t.until("frozen", |s| s.phase == Phase::Frozen).await;
        assert_eq!(status.frozen.unwrap().reason, "restored by hand to release 1");
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        assert_eq!(t.world.count("apply_release"), 2, "nothing was rolled out on top of it");
        t.unfreeze().await;
        t.until_serves(3).await;
        t.record_history("restored", None).await;
    })
    .await;
}

#[tokio::test]
async fn restore_by_hand_is_noticed_without_another_message() {
    production("p-restored-idle", async |t: Production| {
        for (digit, sequence) in [('a', 1), ('b', 2)] {
            t.release(numbered(digit, sequence)).await;
            t.until_serves(sequence).await;
        }
        t.until("recorded", |_| t.record().begun.is_none()).await;
        restore(&t, 1);
        t.signal_restored().await;
        let status = t.until("frozen", |s| s.phase == Phase::Frozen).await;
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        t.until("recorded", |_| t.record().frozen.is_some() && t.record().restored.is_none()).await;
        t.unfreeze().await;
        // A worker that looked at the same moment sends it once more.
        t.signal_restored().await;
        let status = t.until("unfrozen", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        assert_eq!(t.world.count("apply_release"), 2);
    })
    .await;
}

#[tokio::test]
async fn restore_by_hand_stops_the_rollout_in_flight() {
    production("p-restored-in-flight", async |t: Production| {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        t.world.next("await_rollout", Does::Hang);
        t.release(numbered('b', 2)).await;
        t.until_called("await_rollout", 2).await;
        restore(&t, 1);
        t.release(numbered('c', 3)).await;
        let status = t.until("frozen", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        assert_eq!(status.serving.unwrap().release.number, Some(1));
    })
    .await;
}

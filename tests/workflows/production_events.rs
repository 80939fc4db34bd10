//! Terminate, cancel and reset of production in each phase, on a real dev server, with fake activities.

use std::sync::atomic::Ordering;

use berth_test_support::{
    fake_activities::Does,
    production::{Production, numbered, production},
};
use berth_workflows::contract::{phase::Phase, production_status::ProductionStatus, verdict::FailureType};
use futures::future::join_all;
use temporalio_client::WorkflowCancelOptions;

/// The phase that production is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Release 2 rolls out, release 3 is queued.
    Queue,
    Plan,
    Approval,
    Rollout,
    Gates,
    /// Release 2 has failed, and release 1 rolls out again.
    Rollback,
}

const ALL: [At; 6] = [At::Queue, At::Plan, At::Approval, At::Rollout, At::Gates, At::Rollback];

impl At {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Makes release 1 live, and brings production into the phase with release 2.
    async fn enter(self, t: &Production) {
        t.release(numbered('a', 1)).await;
        t.until_serves(1).await;
        let step = match self {
            Self::Plan => "plan_release",
            Self::Gates => "check_gates",
            Self::Queue | Self::Rollout | Self::Approval | Self::Rollback => "await_rollout",
        };
        match self {
            Self::Approval => t.world.needs_approval.store(true, Ordering::Relaxed),
            Self::Rollback => t.world.next(step, Does::Verdict(FailureType::CrashLoop)),
            _ => {}
        }
        if self != Self::Approval {
            t.world.next(step, Does::HangUntilFreed);
        }
        t.release(numbered('b', 2)).await;
        match self {
            Self::Approval => drop(t.until("planned", |s| s.phase == Phase::AwaitingApproval).await),
            Self::Rollback => t.until_called(step, 3).await,
            _ => t.until_called(step, 2).await,
        }
        if self == Self::Queue {
            t.release(numbered('c', 3)).await;
        }
        t.until("recorded", |_| self != Self::Queue || t.record().queued.is_some()).await;
    }

    /// The releases that are applied, in their order, each once or again with the same content.
    fn applied(self) -> &'static [&'static str] {
        match self {
            Self::Queue => &["berth-release-1", "berth-release-2", "berth-release-3"],
            Self::Rollback => &["berth-release-1", "berth-release-2", "berth-release-1 again"],
            _ => &["berth-release-1", "berth-release-2"],
        }
    }

    /// Waits until everything has ended as it must. An approval is given.
    async fn ends(self, t: &Production, event: &str) {
        if self == Self::Approval {
            let status = t.until("planned again", |s| s.phase == Phase::AwaitingApproval).await;
            t.approve(2, &status.queued.unwrap().plan.unwrap().id).await;
        }
        let expected = match self {
            Self::Queue => 3,
            Self::Rollback => 1,
            _ => 2,
        };
        let status = t.until_serves(expected).await;
        if self == Self::Rollback {
            assert_eq!(status.failed.unwrap().release.number, Some(2), "{self:?}");
        }
        t.until("recorded", |_| t.record().begun.is_none() && t.record().queued.is_none()).await;
        let calls = t.world.calls();
        let mut applied: Vec<_> = calls.iter().filter_map(|call| call.strip_prefix("apply_release ")).collect();
        applied.dedup();
        assert_eq!(applied, self.applied(), "{self:?}");
        t.record_history(&format!("{event}-{}", self.name()), None).await;
        let ids = t.world.deploy_ids.lock().unwrap();
        assert!(ids.is_sorted(), "{self:?}: {ids:?}");
    }
}

/// Runs a test in each phase at once.
async fn in_each_phase(event: &str, test: impl AsyncFn(&Production, At)) {
    join_all(ALL.into_iter().map(async |at| {
        let app = format!("p-{event}-{}", at.name());
        production(&app, async |t: Production| {
            at.enter(&t).await;
            test(&t, at).await;
        })
        .await;
    }))
    .await;
}

#[tokio::test]
async fn terminated_production_ends_as_if_nothing_had_happened() {
    in_each_phase("terminated", async |t, at| {
        t.terminate_and_start().await;
        at.ends(t, "terminated").await;
    })
    .await;
}

#[tokio::test]
async fn reset_production_ends_as_if_nothing_had_happened() {
    in_each_phase("reset", async |t, at| {
        t.reset().await;
        at.ends(t, "reset").await;
    })
    .await;
}

#[tokio::test]
async fn cancelled_production_ends_what_rolls_out_and_is_frozen() {
    in_each_phase("cancelled", async |t, at| {
        t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        t.world.free();
        let is_at_rest = |s: &ProductionStatus| s.phase == Phase::Frozen && s.rolling_out.is_none();
        let status = t.until("frozen", is_at_rest).await;
        let serves = if matches!(at, At::Queue | At::Rollout | At::Gates) { 2 } else { 1 };
        assert_eq!(status.serving.unwrap().release.number, Some(serves), "{at:?}");
        assert_eq!(status.queued.is_some(), matches!(at, At::Queue | At::Plan | At::Approval), "{at:?}");
        t.unfreeze().await;
        at.ends(t, "cancelled").await;
    })
    .await;
}

use berth_workflows::contract::{
    phase::Failed,
    plan::ReleasePlan,
    production_record::Frozen,
    production_status::{ProductionRollout, RecoveryStatus},
    release::Image,
    rollout::RolloutStep,
    status::{RollingOutStatus, ServingStatus},
    verdict::{FailureType, Verdict},
};

use super::*;

/// Release 1 has the commit `111…`, and so on.
pub(crate) fn numbered(number: u64) -> Release {
    let digit = number.to_string();
    Release {
        number: Some(number),
        ..Release::new(
            Commit::try_from(digit.repeat(40)).unwrap(),
            Image::try_from(format!("acme/web@sha256:{}", digit.repeat(64))).unwrap(),
        )
    }
}

pub(crate) fn status(phase: Phase, change: impl FnOnce(&mut ProductionStatus)) -> ProductionStatus {
    let mut status = ProductionStatus {
        app: "web".into(),
        phase,
        url: None,
        temporal_ui: None,
        namespace: None,
        serving: None,
        proven: None,
        rolling_out: None,
        queued: None,
        frozen: None,
        trouble: None,
        failed: None,
        recovery: None,
        secrets: None,
        sequence: None,
        rollouts: Vec::new(),
        dropped: Vec::new(),
        stuck: Vec::new(),
        notes: Vec::new(),
    };
    change(&mut status);
    status
}

fn serves(status: &mut ProductionStatus, number: u64) {
    status.serving = Some(ServingStatus { release: numbered(number), rollout: "r".into(), since_ms: 1 });
}

fn rolls_out(status: &mut ProductionStatus, number: u64, rollback: Option<RollbackCause>) {
    let rollout = RollingOutStatus {
        release: numbered(number),
        rollout: "production-web-rollout-12".into(),
        since_ms: 1,
        step: RolloutStep::Applying,
        waiting_for: "pods".into(),
        not_observed: None,
    };
    status.rolling_out = Some(ProductionRollout { rollout, rollback, approved_by: None, is_approval_proved: false });
}

fn waits(status: &mut ProductionStatus, number: u64) {
    let plan = ReleasePlan { id: "p1".into(), ..ReleasePlan::default() };
    let release = numbered(number);
    status.queued = Some(QueuedStatus {
        release,
        waits_for: "its plan".into(),
        plan: Some(plan),
        approval: None,
        needs_proof: false,
    });
}

fn has_failed(status: &mut ProductionStatus, number: u64) {
    let verdict = Verdict::new(FailureType::CrashLoop, "no");
    status.failed = Some(Failed { release: numbered(number), rollout: None, verdict });
}

fn past(number: u64, release: u64, outcome: DeployOutcome, rollback: bool) -> PastRollout {
    let commit = numbered(release).commit.to_string();
    let release = Some(release);
    PastRollout { number, commit, outcome, author: None, ms: 1, failure: None, release, rollback }
}

fn recovers(status: &mut ProductionStatus, failed: u64, to: u64, tries: u32) {
    status.recovery = Some(RecoveryStatus { failed, to: numbered(to), tries, next_ms: 1 });
}

fn is_frozen(status: &mut ProductionStatus) {
    status.frozen = Some(Frozen { reason: "incident".into(), by: "ops".into(), since_ms: 1, proved: false });
}

fn decide(status: &ProductionStatus, number: u64) -> Decision {
    release(Some(status), &Target::Release(number), People::EndTheWait)
}

/// The outcome and exit code of a decision that ends the wait.
#[track_caller]
fn ended(decision: Decision) -> (String, Exit) {
    match decision {
        Decision::Done(ending) => (ending.outcome, ending.exit),
        Decision::Wait => panic!("the wait goes on"),
    }
}

#[track_caller]
fn assert_ends(decision: Decision, outcome: &str, exit: Exit) {
    assert_eq!(ended(decision), (outcome.to_owned(), exit));
}

#[test]
fn release_is_waited_for_from_its_plan_to_its_last_gate() {
    for planned in [
        status(Phase::Planning, |s| waits(s, 7)),
        // Between queue and rollout nothing names it.
        status(Phase::RollingOut, |_| {}),
        status(Phase::RollingOut, |s| rolls_out(s, 7, None)),
        status(Phase::NotObserved, |s| rolls_out(s, 7, None)),
        // Every workload serves it, and its gates are checked.
        status(Phase::RollingOut, |s| {
            serves(s, 7);
            rolls_out(s, 7, None);
        }),
    ] {
        assert_eq!(decide(&planned, 7), Decision::Wait, "{planned:?}");
    }
    assert_ends(decide(&status(Phase::Live, |s| serves(s, 7)), 7), "live", Exit::Done);
    // The next one rolls out already.
    let next = status(Phase::RollingOut, |s| {
        serves(s, 7);
        rolls_out(s, 8, None);
    });
    assert_ends(decide(&next, 7), "live", Exit::Done);
}

#[test]
fn release_that_waits_for_a_person_ends_only_its_own_command() {
    let approval = status(Phase::AwaitingApproval, |s| waits(s, 7));
    let frozen = status(Phase::Frozen, |s| {
        waits(s, 7);
        is_frozen(s);
    });
    assert_ends(decide(&approval, 7), "awaiting_approval", Exit::Waiting);
    assert_ends(decide(&frozen, 7), "frozen", Exit::Waiting);
    for status in [&approval, &frozen] {
        assert_eq!(release(Some(status), &Target::Release(7), People::AreWaitedFor), Decision::Wait);
    }
    let Decision::Done(ending) = decide(&approval, 7) else { panic!() };
    assert!(ending.reason.unwrap().contains("berth production approve web --release 7 --plan p1"));
}

#[test]
fn failed_release_is_reported_once_production_serves_again() {
    let due = status(Phase::RollingBack, |s| {
        has_failed(s, 7);
        recovers(s, 7, 6, 0);
    });
    assert_eq!(decide(&due, 7), Decision::Wait);
    let back = status(Phase::RollingBack, |s| {
        has_failed(s, 7);
        rolls_out(s, 6, Some(RollbackCause::Failed { release: 7 }));
    });
    assert_eq!(decide(&back, 7), Decision::Wait);
    let rolled_back = status(Phase::RolledBack, |s| {
        has_failed(s, 7);
        serves(s, 6);
        s.rollouts = vec![past(1, 7, DeployOutcome::Failed, false), past(2, 6, DeployOutcome::Live, true)];
    });
    assert_ends(decide(&rolled_back, 7), "rolled_back", Exit::Failed);
    assert_ends(decide(&rolled_back, 6), "live", Exit::Done);
    let after_a_terminate = status(Phase::RolledBack, |s| {
        has_failed(s, 7);
        serves(s, 6);
    });
    assert_ends(decide(&after_a_terminate, 7), "rolled_back", Exit::Failed);
    let failing = status(Phase::RollbackFailed, |s| {
        has_failed(s, 7);
        recovers(s, 7, 6, 1);
    });
    assert_ends(decide(&failing, 7), "rollback_failed", Exit::Failed);
}

#[test]
fn release_refused_before_its_first_write_failed_alone() {
    let refused = status(Phase::Failed, |s| {
        has_failed(s, 7);
        serves(s, 6);
        s.rollouts = vec![past(1, 6, DeployOutcome::Live, false), past(0, 7, DeployOutcome::Failed, false)];
    });
    assert_ends(decide(&refused, 7), "failed", Exit::Failed);
}

#[test]
fn release_that_never_began_is_superseded_or_rejected() {
    let dropped = |release, number, cause| DroppedRelease { release, commit: numbered(number).commit, cause };
    let rejected = DropCause::Rejected { by: "lead".to_owned().try_into().unwrap(), reason: None, proved: false };
    let after = status(Phase::Live, |s| {
        serves(s, 8);
        s.dropped = vec![
            dropped(Some(7), 7, DropCause::ReplacedBy(8)),
            dropped(Some(6), 6, rejected),
            dropped(None, 5, DropCause::OlderThan(42)),
        ];
    });
    assert_ends(decide(&after, 7), "superseded", Exit::Superseded);
    assert_ends(decide(&after, 6), "rejected", Exit::Failed);
    assert_ends(decide(&after, 2), "superseded", Exit::Superseded);
    let fifth = Target::Commit(numbered(5).commit);
    assert_ends(release(Some(&after), &fifth, People::AreWaitedFor), "superseded", Exit::Superseded);
    assert_eq!(decide(&after, 9), Decision::Wait, "it may come");
}

#[test]
fn release_rolled_back_by_hand_is_no_success() {
    let stopped = status(Phase::Frozen, |s| {
        serves(s, 6);
        s.rollouts = vec![past(1, 7, DeployOutcome::RolledBack, false), past(2, 6, DeployOutcome::Live, true)];
    });
    assert_ends(decide(&stopped, 7), "rolled_back", Exit::Failed);
    let after_live = status(Phase::Frozen, |s| {
        serves(s, 6);
        s.rollouts = vec![past(1, 7, DeployOutcome::Live, false), past(2, 6, DeployOutcome::Live, true)];
    });
    assert_ends(decide(&after_live, 7), "rolled_back", Exit::Failed);
    let in_flight = status(Phase::RollingBack, |s| {
        serves(s, 7);
        rolls_out(
            s,
            6,
            Some(RollbackCause::ByHand { by: "ops".to_owned().try_into().unwrap(), reason: None, proved: false }),
        );
    });
    assert_eq!(decide(&in_flight, 7), Decision::Wait);
}

#[test]
fn release_that_a_newer_one_followed_was_live() {
    let followed = status(Phase::Live, |s| {
        serves(s, 8);
        s.rollouts = vec![past(1, 7, DeployOutcome::Live, false), past(2, 8, DeployOutcome::Live, false)];
    });
    assert_ends(decide(&followed, 7), "live", Exit::Done);
}

#[test]
fn commit_is_found_by_its_first_digits() {
    let wait = |status: Option<&ProductionStatus>, digits: &str| {
        let target = Target::Commit(Commit::try_from(digits.to_owned()).unwrap());
        release(status, &target, People::AreWaitedFor)
    };
    assert_eq!(wait(None, "7777777"), Decision::Wait, "nothing has been released yet");
    let live = status(Phase::Live, |s| serves(s, 7));
    assert_ends(wait(Some(&live), "77777777"), "live", Exit::Done);
    assert_eq!(wait(Some(&live), "8888888"), Decision::Wait);
    let pushed_short = status(Phase::Live, |s| {
        serves(s, 7);
        s.serving.as_mut().unwrap().release.commit = Commit::try_from("7777777".to_owned()).unwrap();
    });
    assert_ends(wait(Some(&pushed_short), &"7".repeat(40)), "live", Exit::Done);
    let mut several = live;
    several.rollouts =
        vec![PastRollout { commit: format!("7777777{}", "0".repeat(33)), ..past(1, 6, DeployOutcome::Live, false) }];
    assert_ends(wait(Some(&several), "7777777"), "ambiguous", Exit::Usage);
    assert_ends(release(None, &Target::Release(7), People::AreWaitedFor), "not_found", Exit::Absent);
}

#[test]
fn wait_without_a_target_follows_the_newest_release() {
    let newest = |status: &ProductionStatus| release(Some(status), &Target::Newest, People::AreWaitedFor);
    assert_eq!(newest(&status(Phase::AwaitingRelease, |_| {})), Decision::Wait);
    assert_ends(newest(&status(Phase::Live, |s| serves(s, 7))), "live", Exit::Done);
    let next = status(Phase::Planning, |s| {
        serves(s, 7);
        waits(s, 8);
    });
    assert_eq!(newest(&next), Decision::Wait);
}

#[test]
fn rollback_ends_with_the_rollout_that_came_after_it() {
    let before = status(Phase::Live, |s| {
        serves(s, 6);
        rolls_out(s, 7, None);
        s.rollouts = vec![past(11, 6, DeployOutcome::Live, true)];
    });
    let since = newest_rollout(&before);
    assert_eq!(since, 12);
    assert_eq!(rollback(Some(&before), 6, since), Decision::Wait, "an earlier rollback to the same release");
    let after = |outcome| {
        status(Phase::Frozen, |s| {
            serves(s, 6);
            s.rollouts = vec![past(12, 7, DeployOutcome::RolledBack, false), past(13, 6, outcome, true)];
        })
    };
    assert_ends(rollback(Some(&after(DeployOutcome::Live)), 6, since), "live", Exit::Done);
    assert_ends(rollback(Some(&after(DeployOutcome::RolledBack)), 6, since), "superseded", Exit::Superseded);
    let failing = status(Phase::RollbackFailed, |s| {
        s.rollouts = vec![past(13, 6, DeployOutcome::Failed, true)];
        recovers(s, 6, 6, 1);
    });
    assert_ends(rollback(Some(&failing), 6, since), "rollback_failed", Exit::Failed);
}

use super::super::{harness::Production, state::Trouble};
use super::*;

const RETRIES: [u64; 7] = [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000];

#[test]
fn record_is_read_first_and_written_before_anything_begins() {
    let mut production = Production::new();
    production.release('a', 1);
    assert_eq!(production.state.next(production.now_ms), Action::Record, "what is queued is written");
    production.settle();
    assert_eq!(
        production.state.recorded.as_ref().unwrap().record.as_ref().unwrap().begun,
        production.state.record.begun
    );
    production.state.recorded = None;
    assert_eq!(production.state.next(production.now_ms), Action::Recall);
}

#[test]
fn failed_release_is_rolled_back_and_the_queue_goes_on() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.start();
    production.release('c', 3);
    production.break_down(true);
    let back = production.start();
    assert_eq!(back.rollback, Some(RollbackCause::Failed { release: 2 }));
    assert_eq!(back.version.release.number, Some(1));
    production.succeed();
    assert!(production.state.failed.as_ref().unwrap().is_rolled_back);
    let past = production.state.book.rollouts.iter().map(|past| (past.release, past.rollback));
    assert_eq!(past.collect::<Vec<_>>(), [(Some(1), false), (Some(2), false), (Some(1), true)]);
    assert_eq!(production.live(), 3, "the next release may be the fix");
    assert_eq!(production.state.failed, None);
}

#[test]
fn failure_before_the_first_write_rolls_nothing_back() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.fail(false);
    assert_eq!(production.settle(), Action::Wait(None));
    assert_eq!((production.serves(), production.state.failed.as_ref().unwrap().is_rolled_back), (Some(1), false));
}

#[test]
fn first_release_that_fails_has_nothing_to_go_back_to() {
    let mut production = Production::new();
    production.release('a', 1);
    production.fail(true);
    assert_eq!(production.settle(), Action::Wait(None));
    let advice = &production.state.failed.as_ref().unwrap().failed.verdict.advice;
    assert!(advice.contains("not rolled back"), "{advice}");
}

#[test]
fn failed_rollback_is_tried_again_with_growing_pauses() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.fail(true);
    for pause in RETRIES {
        assert_eq!(production.fail(true).version.release.number, Some(1));
        assert_eq!(production.settle(), Action::Wait(Some(production.now_ms + pause)));
        production.now_ms += pause;
    }
    assert_eq!(production.live(), 1);
    assert_eq!(production.settle(), Action::Wait(None));
}

#[test]
fn newer_release_takes_the_place_of_a_failing_rollback() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.fail(true);
    production.fail(true);
    production.release('c', 3);
    let begun = production.start();
    assert_eq!((begun.version.release.number, begun.rollback), (Some(3), None));
    // Although nothing of it was written, what serves is not as it should be.
    production.break_down(false);
    assert_eq!(production.start().version.release.number, Some(1));
}

#[test]
fn frozen_queue_waits_while_a_rollback_goes_on() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.start();
    production.freeze();
    production.release('c', 3);
    production.break_down(true);
    assert_eq!(production.live(), 1, "what is rolling out is rolled back");
    assert_eq!(production.settle(), Action::Wait(None));
    production.unfreeze();
    assert_eq!(production.live(), 3);
}

#[test]
fn rollback_by_hand_stops_what_is_rolling_out_and_freezes() {
    let mut production = Production::serving();
    let one = production.state.record.live.clone().unwrap();
    production.release('b', 2);
    production.start();
    production.release('c', 3);
    production.freeze();
    production.rollback(one);
    assert_eq!(production.state.stop_reason(), Some(StopReason::RolledBack { by: "ops".into() }));
    production.stop();
    assert!(matches!(production.start().rollback, Some(RollbackCause::ByHand { .. })));
    production.succeed();
    assert_eq!(production.serves(), Some(1));
    assert_eq!(production.settle(), Action::Wait(None), "the next merge contains the bad commit");
    production.unfreeze();
    assert_eq!(production.live(), 3);
}

#[test]
fn approval_is_void_if_the_plan_has_changed() {
    let mut production = Production { needs_approval: true, ..Production::new() };
    production.release('a', 1);
    assert_eq!(production.settle(), Action::Wait(None));
    let by = super::super::harness::name("lead");
    let approve = crate::contract::production::ApproveRelease { release: 1, plan: "plan-1-".into(), by, proof: None };
    production.content = "-edited";
    production.state.approve(&approve);
    assert_eq!(production.settle(), Action::Wait(None));
    assert_eq!(production.state.record.queued.as_ref().unwrap().approval, None);
}

#[test]
fn new_run_finishes_what_the_record_says_began() {
    let mut production = Production::serving();
    production.release('b', 2);
    let begun = production.start();
    let mut again = production.restarted();
    assert_eq!(again.start().version, begun.version);
    again.succeed();
    assert_eq!(again.serves(), Some(2));
    // The way back is remembered as well.
    again.release('c', 3);
    again.fail(true);
    again.settle();
    let mut again = again.restarted();
    assert_eq!(again.start().rollback, Some(RollbackCause::Failed { release: 3 }));
}

#[test]
fn new_run_keeps_the_queue_and_the_freeze() {
    let mut production = Production::new();
    production.release('a', 1);
    production.freeze();
    production.settle();
    let mut again = production.restarted();
    assert_eq!(again.settle(), Action::Wait(None));
    again.unfreeze();
    assert_eq!(again.live(), 1);
}

#[test]
fn new_run_remembers_the_release_that_failed() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.fail(true);
    production.settle();
    // In the middle of the rollback, and after it.
    let mut again = production.restarted();
    assert_eq!(again.state.failed.as_ref().unwrap().failed.release.number, Some(2));
    again.live();
    again.settle();
    let mut again = again.restarted();
    let failed = again.state.failed.clone().unwrap();
    assert_eq!((failed.failed.release.number, failed.is_rolled_back), (Some(2), true));
    assert_eq!(again.state.phase(), crate::contract::phase::Phase::RolledBack);
    again.release('c', 3);
    again.live();
    again.settle();
    assert_eq!(again.restarted().state.failed, None);
}

/// Lets the next try of a step come a minute later.
fn trouble(production: &mut Production, step: Step) -> u64 {
    let next_ms = production.now_ms + 60_000;
    production.state.trouble = Some(Trouble { step, message: "Doppler is away".into(), tries: 3, next_ms });
    next_ms
}

#[test]
fn pause_of_a_plan_delays_no_record_and_no_rollback() {
    let mut production = Production::serving();
    let one = production.state.record.live.clone().unwrap();
    production.release('b', 2);
    let next_ms = trouble(&mut production, Step::Plan);
    assert_eq!(production.state.next(production.now_ms), Action::Record);
    assert_eq!(production.settle(), Action::Wait(Some(next_ms)), "the plan itself waits");
    production.rollback(one);
    production.state.record.frozen = None;
    trouble(&mut production, Step::Plan);
    assert_eq!(production.start().version.release.number, Some(1));
    production.succeed();
    trouble(&mut production, Step::Plan);
    production.freeze();
    assert_eq!(production.state.next(production.now_ms), Action::Record, "a freeze is written at once");
    assert_eq!(production.state.trouble, None);
}

#[test]
fn pause_of_a_plan_delays_no_retry_of_a_rollback() {
    let mut production = Production::serving();
    production.release('b', 2);
    production.fail(true);
    production.fail(true);
    production.release('c', 3);
    production.write();
    trouble(&mut production, Step::Plan);
    assert_eq!(production.settle(), Action::Wait(Some(production.now_ms + RETRIES[0])));
    production.now_ms += RETRIES[0];
    assert_eq!(production.start().version.release.number, Some(1));
}

#[test]
fn pause_of_a_record_delays_the_record() {
    let mut production = Production::new();
    production.release('a', 1);
    let next_ms = trouble(&mut production, Step::Record);
    assert_eq!(production.state.next(production.now_ms), Action::Wait(Some(next_ms)));
}

#[test]
fn release_does_not_begin_while_a_rollback_waits_for_its_target() {
    let mut production = Production::new();
    production.release('a', 1);
    production.state.awaits_rollback = true;
    assert_eq!(production.settle(), Action::Wait(None));
    production.state.awaits_rollback = false;
    assert_eq!(production.live(), 1);
}

#[test]
fn release_without_a_rollout_is_queued_again_behind_a_rollback() {
    let mut production = Production::serving();
    let one = production.state.record.live.clone().unwrap();
    production.release('b', 2);
    production.settle();
    assert!(production.state.record.begun.is_some());
    production.rollback(one);
    assert_eq!(production.live(), 1);
    assert_eq!(production.settle(), Action::Wait(None));
    production.unfreeze();
    assert_eq!(production.live(), 2);
}

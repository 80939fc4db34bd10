use super::{
    super::{
        harness::{Production, name, push},
        inbox::Receipt,
    },
    *,
};
use crate::production_environment::next::Action;

/// A production whose releases 1 and 2 were live, and the version of the first.
fn second_serves() -> (Production, StoredVersion) {
    let mut production = Production::serving();
    let first = production.state.record.live.clone().unwrap();
    production.release('b', 2);
    production.live();
    production.settle();
    (production, first)
}

/// The record as `berth production restore` leaves it, after the last write of the workflow.
fn restored(production: &Production, version: &StoredVersion) -> Recalled {
    let mut recorded = production.state.recorded.clone().unwrap();
    let record = recorded.record.as_mut().unwrap();
    record.restored = Some(Restored { version: version.clone(), by: name("ops"), at_ms: production.now_ms });
    record.deploy_id += 1;
    recorded
}

fn take(production: &mut Production, theirs: Recalled) {
    production.now_ms += 60_000;
    production.state.take_conflict(theirs, production.now_ms);
}

fn shown(production: &Production) -> Option<u64> {
    production.state.book.serving.as_ref()?.release.number
}

fn proven(production: &Production) -> Option<u64> {
    production.state.record.proven.as_ref()?.release.number
}

#[test]
fn release_replaced_by_an_unseen_restore_is_not_proven() {
    let (mut production, _) = second_serves();
    let second = production.state.record.live.clone().unwrap();
    production.release('c', 3);
    production.start();
    let theirs = restored(&production, &second);
    production.succeed();
    take(&mut production, theirs);
    assert_eq!((production.serves(), shown(&production), proven(&production)), (Some(2), Some(2), Some(2)));
    assert!(production.state.marks.iter().all(|mark| mark.proven_ms.is_none()), "{:?}", production.state.marks);
    let before = production.state.record.served_before.as_ref().and_then(|before| before.release.number);
    assert_eq!(before, Some(1));
}

#[test]
fn rollout_that_ends_after_a_restore_does_not_serve() {
    let (mut production, first) = second_serves();
    production.release('c', 3);
    production.start();
    let theirs = restored(&production, &first);
    take(&mut production, theirs);
    production.succeed();
    assert_eq!((production.serves(), shown(&production), proven(&production)), (Some(1), Some(1), Some(2)));
}

#[test]
fn release_without_a_rollout_is_queued_again_after_a_restore() {
    let (mut production, first) = second_serves();
    let theirs = restored(&production, &first);
    production.release('c', 3);
    while production.state.record.begun.is_none() {
        // Its plan is made, and nothing is written: the restore is not seen yet.
        if let Action::Plan(queued) = production.state.next(production.now_ms) {
            production.plan(&queued);
        } else {
            production.write();
        }
    }
    take(&mut production, theirs);
    let queued = production.state.record.queued.clone().unwrap();
    assert_eq!((queued.release.number, queued.approval), (Some(3), None));
    assert_eq!(production.state.record.begun, None);
    assert_eq!(production.settle(), Action::Wait(None), "frozen");
    production.unfreeze();
    assert_eq!(production.live(), 3);
}

#[test]
fn rollback_asked_for_after_an_unseen_restore_is_carried_out() {
    for has_begun in [false, true] {
        let (mut production, first) = second_serves();
        let theirs = restored(&production, &first);
        production.now_ms += 1000;
        production.rollback(first);
        if has_begun {
            assert_eq!(production.state.next(production.now_ms), Action::Record);
        }
        take(&mut production, theirs);
        let frozen = production.state.record.frozen.clone().unwrap();
        assert!(frozen.reason.starts_with("rolled back to release 1"), "{frozen:?}");
        assert_eq!(production.live(), 1);
    }
}

#[test]
fn rollback_asked_for_before_a_restore_is_replaced_by_it() {
    let (mut production, first) = second_serves();
    production.rollback(first.clone());
    let theirs = restored(&production, &first);
    take(&mut production, theirs);
    assert_eq!(production.settle(), Action::Wait(None));
    assert_eq!(production.state.record.frozen.clone().unwrap().reason, "restored by hand to release 1");
}

#[test]
fn unfreeze_after_an_unseen_restore_counts() {
    for (later_ms, is_frozen) in [(0, true), (1, false)] {
        let (mut production, first) = second_serves();
        let theirs = restored(&production, &first);
        production.now_ms += later_ms;
        production.unfreeze();
        take(&mut production, theirs);
        assert_eq!(production.state.record.frozen.is_some(), is_frozen);
    }
}

#[test]
fn release_in_flight_in_an_earlier_run_is_dropped_by_a_restore() {
    let (mut production, first) = second_serves();
    production.release('c', 3);
    production.start();
    let theirs = restored(&production, &first);
    let mut again = Production::new();
    again.state.recall(theirs);
    again.state.take_restored(again.now_ms);
    assert_eq!((again.serves(), again.state.replaced_by(3)), (Some(1), Some(1)));
}

/// A state as it was when release 3 was in flight, and the record of the run that went on to release 4.
fn reset() -> (Production, Recalled) {
    let (mut production, _) = second_serves();
    production.release('c', 3);
    production.start();
    let old = production.state.clone();
    production.succeed();
    production.release('d', 4);
    production.live();
    production.settle();
    let theirs = production.state.recorded.clone().unwrap();
    production.state = old;
    (production, theirs)
}

#[test]
fn newer_record_counts_after_a_reset_to_a_later_event() {
    let (mut production, theirs) = reset();
    take(&mut production, theirs.clone());
    assert_eq!(Some(&production.state.record), theirs.record.as_ref());
    assert!(production.state.stop_reason().is_some(), "the old rollout is stopped");
    production.succeed();
    assert_eq!((production.serves(), shown(&production), proven(&production)), (Some(4), Some(4), Some(4)));
    assert_eq!(production.settle(), Action::Wait(None));
    production.release('e', 5);
    assert_eq!(production.live(), 5);
}

#[test]
fn release_that_a_newer_record_does_not_know_is_queued_behind_it() {
    for (digit, sequence, number) in
        [('e', Some(5), Some(5)), ('d', Some(4), None), ('e', None, Some(5)), ('d', None, None)]
    {
        let (mut production, theirs) = reset();
        production.succeed();
        production.state.release(&push(digit, sequence), Receipt::Usual);
        take(&mut production, theirs);
        let queued = production.state.record.queued.as_ref().and_then(|queued| queued.release.number);
        assert_eq!(queued, number, "{digit} {sequence:?}");
    }
}

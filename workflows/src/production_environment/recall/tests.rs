use super::{
    super::harness::{Production, name},
    *,
};
use crate::contract::production_record::StoredVersion;

/// A production whose releases 1 and 2 were live, and the version of the first.
fn second_serves() -> (Production, StoredVersion) {
    let mut production = Production::new();
    production.release('a', 1);
    production.live();
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

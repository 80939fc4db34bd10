use super::super::harness::{Production, name, push};
use super::*;
use crate::contract::{
    production::{ApproveRelease, RejectRelease},
    production_answer::ProductionOutcome::{self, *},
};

fn approve(production: &mut Production, release: u64, plan: &str) -> ProductionOutcome {
    let approve = ApproveRelease { release, plan: plan.to_owned(), by: name("lead"), proof: None };
    production.state.approve(&approve).outcome
}

#[test]
fn older_sequence_is_superseded_and_names_the_rollback() {
    let mut production = Production::new();
    assert_eq!(production.release('b', 2).outcome, Queued);
    let answer = production.release('a', 1);
    assert_eq!(answer.outcome, Superseded);
    assert!(answer.reason.unwrap().contains("berth production rollback --to"));
    let dropped = &production.state.dropped[0];
    assert_eq!((dropped.release, &dropped.cause), (None, &DropCause::OlderThan(2)));
    assert_eq!(production.live(), 1);
    assert_eq!(production.release('a', 1).outcome, Superseded, "also after it is live");
}

#[test]
fn same_sequence_again_is_a_retry() {
    let mut production = Production::new();
    production.release('a', 1);
    production.fail(false);
    assert_eq!(production.release('a', 1).outcome, Queued);
    assert_eq!(production.live(), 2);
    assert_eq!(production.release('a', 1).outcome, Live, "it serves already");
}

#[test]
fn newer_release_replaces_the_queued_one() {
    let mut production = Production::new();
    production.release('a', 1);
    production.start();
    production.release('b', 2);
    assert_eq!(production.release('c', 3).release, Some(3));
    assert_eq!(production.state.replaced_by(2), Some(3));
    assert_eq!(production.state.stop_reason(), None, "what is rolling out goes on");
}

#[test]
fn newest_release_of_the_version_in_flight_drops_the_queued_one() {
    let mut production = Production::new();
    production.release('a', 1);
    production.start();
    production.release('b', 2);
    assert_eq!(production.release('a', 1).outcome, RollingOut, "older: it changes nothing");
    assert!(production.state.record.queued.is_some());
    assert_eq!(production.release('a', 3).outcome, RollingOut);
    assert_eq!(production.state.record.queued, None);
    production.succeed();
    production.release('b', 4);
    assert_eq!(production.release('a', 5).outcome, Live);
    assert_eq!(production.state.record.queued, None);
}

#[test]
fn releases_without_a_sequence_are_taken_in_the_order_of_arrival() {
    let mut production = Production::new();
    for digit in ['a', 'b'] {
        assert_eq!(production.state.release(&push(digit, None), Receipt::Usual).outcome, Queued);
    }
    assert_eq!(production.live(), 2);
}

#[test]
fn fork_and_draft_are_refused() {
    let mut production = Production::new();
    for refused in [Push { fork: true, ..push('a', None) }, Push { draft: true, ..push('a', None) }] {
        assert_eq!(production.state.release(&refused, Receipt::Usual).outcome, Refused);
    }
    assert_eq!(production.state.record.queued, None);
}

#[test]
fn approval_must_name_the_plan_in_force() {
    let mut production = Production { needs_approval: true, ..Production::new() };
    production.release('a', 1);
    production.settle();
    assert_eq!(approve(&mut production, 1, "another"), Refused);
    assert_eq!(approve(&mut production, 2, "plan-1-"), Refused);
    assert_eq!(approve(&mut production, 1, "plan-1-"), Approved);
    assert_eq!(production.start().approved_by, Some(name("lead")));
}

#[test]
fn approval_of_a_replaced_release_names_the_newer_one() {
    let mut production = Production { needs_approval: true, ..Production::new() };
    production.release('a', 1);
    production.settle();
    production.release('b', 2);
    let approve = ApproveRelease { release: 1, plan: "plan-1-".into(), by: name("lead"), proof: None };
    let answer = production.state.approve(&approve);
    assert_eq!(answer.outcome, Superseded);
    assert!(answer.reason.unwrap().contains("release 2"));
}

#[test]
fn rejected_release_is_dropped() {
    let mut production = Production { needs_approval: true, ..Production::new() };
    production.release('a', 1);
    production.settle();
    let reject = RejectRelease { release: 1, by: name("lead"), reason: None, proof: None };
    assert_eq!(production.state.reject(&reject).outcome, Rejected);
    let cause = DropCause::Rejected { by: name("lead"), reason: None, proved: false };
    assert_eq!(production.state.dropped.last().map(|dropped| &dropped.cause), Some(&cause));
    assert_eq!(production.state.record.queued, None);
    assert_eq!(production.state.reject(&reject).outcome, Refused);
}

#[test]
fn redeploy_queues_the_live_release_under_its_number() {
    let mut production = Production::new();
    assert_eq!(production.state.redeploy(Receipt::Usual).outcome, Refused);
    production.release('a', 1);
    production.live();
    let answer = production.state.redeploy(Receipt::Usual);
    assert_eq!((answer.outcome, answer.release), (Queued, Some(1)));
    assert_eq!(production.live(), 1);
}

#[test]
fn messages_that_a_reset_delivers_again_change_nothing() {
    let mut production = Production::new();
    for digit in ['a', 'b', 'c'] {
        production.state.release(&push(digit, None), Receipt::Usual);
    }
    production.live();
    let version = production.state.record.live.clone().unwrap();
    production.rollback(version);
    production.live();
    production.write();
    let mut again = production.restarted();
    for digit in ['a', 'b'] {
        assert_eq!(again.state.release(&push(digit, None), Receipt::Early).outcome, Refused, "{digit}");
    }
    assert_eq!(again.state.release(&push('c', None), Receipt::Early).outcome, Live);
    let rollback = Rollback { to: None, by: name("ops"), reason: None, secrets: None, keep_going: false, proof: None };
    assert_eq!(again.state.refuse_repeated(&rollback, Receipt::Early).unwrap().outcome, Refused);
    assert_eq!(again.state.refuse_repeated(&rollback, Receipt::Usual), None);
    assert_eq!(again.state.redeploy(Receipt::Early).outcome, Refused);
    assert_eq!(again.state.unfreeze(&Unfreeze { by: name("ops"), proof: None }, Receipt::Early, 1).outcome, Refused);
    assert!(again.state.record.frozen.is_some(), "frozen stays frozen");
}

#[test]
fn release_delivered_again_leaves_a_newer_one_in_the_queue() {
    for is_live in [true, false] {
        let mut production = Production::new();
        production.state.release(&push('a', None), Receipt::Usual);
        production.start();
        production.state.release(&push('b', None), Receipt::Usual);
        production.freeze();
        if is_live {
            production.succeed();
        }
        production.write();
        let mut again = production.restarted();
        let answer = again.state.release(&push('a', None), Receipt::Early);
        assert_eq!(answer.outcome, if is_live { Live } else { RollingOut });
        let queued = again.state.record.queued.as_ref().and_then(|queued| queued.release.number);
        assert_eq!(queued, Some(2), "live: {is_live}");
    }
}

#[test]
fn old_commit_with_a_new_sequence_is_released_by_a_new_run() {
    let mut production = Production::new();
    for (digit, sequence) in [('a', 1), ('b', 2)] {
        production.release(digit, sequence);
        production.live();
    }
    production.settle();
    let mut again = production.restarted();
    for (sequence, outcome) in [(2, Refused), (3, Queued)] {
        assert_eq!(again.state.release(&push('a', Some(sequence)), Receipt::Early).outcome, outcome);
    }
    assert_eq!(again.live(), 3);
}

#[test]
fn freeze_delivered_again_does_not_freeze() {
    let mut production = Production::new();
    production.freeze();
    production.unfreeze();
    production.write();
    let mut again = production.restarted();
    assert_eq!(again.take_freeze(Receipt::Early).outcome, Refused);
    assert_eq!(again.state.record.frozen, None);
    assert_eq!(again.take_freeze(Receipt::Usual).outcome, Frozen);
}

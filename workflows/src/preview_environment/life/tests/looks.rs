//! Looks at what serves, before a push of it is answered.

use super::*;
use crate::{
    contract::look::Missing,
    environment::book::LookEnd,
    preview_environment::{facts::tests::facts as open, life::Decisions},
};

/// A live preview whose push has come once more, and is looked at.
fn looking() -> (Life, QueuedRelease, u64) {
    let mut life = Life::default();
    life.record.begin_recall(Decisions::NEWEST);
    life.take(Message::Recalled(None));
    life.take(Message::Push(push('a')));
    life.roll_out();
    assert_eq!(life.step(), Step::Wait);
    let ticket = life.deploy('a');
    assert_eq!(life.record.phase(), Phase::Live);
    assert!(!life.record.is_waiting());
    let Step::Look(queued) = life.step() else { panic!("no look is next") };
    (life, *queued, ticket)
}

fn missing(what: &str) -> LookEnd {
    LookEnd::Missing(Some(Missing { what: what.to_owned(), is_namespace: what.starts_with("namespace") }))
}

#[test]
fn push_of_what_serves_is_live_if_all_of_it_is_there() {
    let (mut life, queued, ticket) = looking();
    assert_eq!(life.outcome(ticket), None);
    life.take(Message::Looked { queued, end: LookEnd::Serves });
    let answer = life.record.mailbox.queue.take_answer(ticket).unwrap();
    assert_eq!((answer.outcome, answer.rollout.is_some()), (DeployOutcome::Live, true));
    assert_eq!(life.step(), Step::Wait);
}

#[test]
fn push_of_what_is_gone_is_rolled_out_again() {
    for what in ["namespace web-pr-1", "Deployment/web"] {
        let (mut life, queued, ticket) = looking();
        life.take(Message::Looked { queued, end: missing(what) });
        assert_eq!(life.record.book.serving.is_some(), what.starts_with("Deployment"));
        life.roll_out();
        assert_eq!(life.outcome(ticket), Some(DeployOutcome::Live));
        assert!(life.record.notes.to_vec()[0].contains(what), "{:?}", life.record.notes);
    }
}

#[test]
fn push_is_rolled_out_if_nothing_can_be_seen() {
    let (mut life, queued, _) = looking();
    life.take(Message::Looked { queued, end: LookEnd::Missing(None) });
    life.roll_out();
}

#[test]
fn second_push_during_a_look_joins_it() {
    let (mut life, queued, ticket) = looking();
    assert_eq!(life.deploy('a'), ticket);
    life.take(Message::Looked { queued, end: LookEnd::Serves });
    assert_eq!((life.outcome(ticket), life.outcome(ticket)), (Some(DeployOutcome::Live), Some(DeployOutcome::Live)));
}

#[test]
fn newer_push_stops_a_look() {
    let (mut life, queued, ticket) = looking();
    life.take(Message::Push(push('b')));
    let end = LookEnd::Stopped(life.record.mailbox.stop_reason().unwrap());
    life.take(Message::Looked { queued, end });
    assert_eq!(life.outcome(ticket), Some(DeployOutcome::Superseded));
    life.roll_out();
}

#[test]
fn close_stops_a_look_and_nothing_is_rolled_out() {
    for end in [LookEnd::Stopped(StopReason::EnvironmentCloses), missing("namespace web-pr-1")] {
        let (mut life, queued, ticket) = looking();
        life.take(Message::Close(Close::default()));
        life.take(Message::Looked { queued, end });
        assert_eq!(life.outcome(ticket), Some(DeployOutcome::Closed));
        assert_eq!(life.step(), Step::TearDown);
    }
}

#[test]
fn redeploy_rolls_out_what_is_looked_at() {
    let (mut life, queued, ticket) = looking();
    life.take(Message::Redeploy);
    let end = LookEnd::Stopped(life.record.mailbox.stop_reason().unwrap());
    life.take(Message::Looked { queued, end });
    assert_eq!(life.outcome(ticket), None, "it waits for the rollout");
    life.roll_out();
    assert_eq!(life.outcome(ticket), Some(DeployOutcome::Live));
}

#[test]
fn redeploy_in_the_task_of_the_push_is_a_rollout() {
    let (mut life, queued, _) = looking();
    life.take(Message::Looked { queued, end: LookEnd::Serves });
    life.take(Message::Push(push('a')));
    life.take(Message::Redeploy);
    assert_eq!(life.record.phase(), Phase::RollingOut);
    life.roll_out();
}

#[test]
fn push_that_waited_for_rules_is_answered_under_its_own_ticket() {
    let (mut life, queued, _) = looking();
    life.take(Message::Looked { queued, end: LookEnd::Serves });
    life.take(Message::Push(push('b')));
    life.roll_out();
    life.take(Message::Facts(open('a', 1)));
    let ticket = life.deploy('a');
    life.take(Message::Rules(Ok(None)));
    life.roll_out();
    assert_eq!(life.outcome(ticket), Some(DeployOutcome::Live));
}

#[test]
fn run_of_an_older_version_answers_at_once() {
    let mut life = Life::live();
    let taken = life.take(Message::Push(push('a')));
    assert!(matches!(taken, Taken::Push(Delivery::Answered(_))), "{taken:?}");
}

use super::*;
use crate::contract::{
    release::{Commit, Image},
    signals::CloseOutcome,
};

mod held;
mod same_task;

fn push(digit: char, sequence: Option<u64>) -> Push {
    Push {
        sequence,
        ..Push::new(
            Commit::try_from(digit.to_string().repeat(40)).unwrap(),
            Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
        )
    }
}

fn signal(task: u32) -> Arrival {
    Arrival::signal(task)
}

fn outcome(delivery: Delivery) -> DeployOutcome {
    match delivery {
        Delivery::Answered(answer) => answer.outcome,
        Delivery::Waiting(ticket) => panic!("waits under ticket {ticket}"),
    }
}

#[test]
fn newer_push_replaces_one_that_has_not_begun() {
    let mut mailbox = Mailbox::default();
    assert_eq!(mailbox.push(&push('a', None), signal(1), Current::default()), Delivery::Waiting(1));
    assert_eq!(mailbox.push(&push('b', None), signal(1), Current::default()), Delivery::Waiting(2));
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Superseded);
    assert_eq!(mailbox.take_push().unwrap().release.commit, push('b', None).commit);
    assert!(!mailbox.has_work());
}

#[test]
fn commit_that_never_began_has_an_outcome() {
    let fork = |digit| Push { fork: true, ..push(digit, None) };
    let mut mailbox = Mailbox::default();
    // `f` waits for approval, is overtaken by `0`, and waits again when the close comes.
    let [c, d] = [push('c', Some(7)), push('d', Some(6))];
    for push in [fork('a'), fork('b'), c, d, push('e', None), fork('f'), push('0', None), fork('f')] {
        mailbox.push(&push, signal(1), Current::default());
    }
    mailbox.close(&Close::default(), signal(1));
    let recent = mailbox.queue.recent.to_vec();
    let outcomes: Vec<_> = recent.iter().map(|known| (&known.commit.as_str()[..1], known.outcome)).collect();
    let superseded = |digit| (digit, DeployOutcome::Superseded);
    let closed = |digit| (digit, DeployOutcome::Closed);
    assert_eq!(
        outcomes,
        [
            superseded("a"),
            superseded("b"),
            ("d", DeployOutcome::Skipped),
            superseded("c"),
            superseded("e"),
            closed("f"),
            closed("0")
        ]
    );
    assert_eq!(recent[2].reason.as_deref(), Some("sequence 6 is older than 7, already seen"));
}

#[test]
fn push_with_a_lower_sequence_is_skipped() {
    let mut mailbox = Mailbox::default();
    mailbox.push(&push('b', Some(7)), signal(1), Current::default());
    assert_eq!(outcome(mailbox.push(&push('a', Some(6)), signal(1), Current::default())), DeployOutcome::Skipped);
    assert_eq!(mailbox.queue.next().unwrap().commit, push('b', None).commit);
}

#[test]
fn close_with_a_lower_sequence_is_refused() {
    let mut mailbox = Mailbox::default();
    mailbox.push(&push('b', Some(7)), signal(1), Current::default());
    let close = |sequence| Close { sequence, proof: None };
    let skipped = mailbox.close(&close(Some(6)), signal(1));
    assert_eq!((skipped.outcome, skipped.seen), (CloseOutcome::Skipped, Some(7)));
    assert_eq!(skipped.reason.as_deref(), Some("sequence 6 is older than 7, already seen"));
    assert_eq!(mailbox.close(&close(Some(7)), signal(1)), CloseAnswer::closing(), "the push's own sequence");
    assert_eq!(mailbox.close(&close(Some(8)), signal(1)), CloseAnswer::closing());
}

#[test]
fn push_of_the_same_version_joins_a_rollout_or_is_live() {
    let mut mailbox = Mailbox::default();
    let release = push('a', None).release();
    let rolling_out = QueuedRelease { ticket: 9, release: release.clone() };
    let in_flight = Current { serving: None, rolling_out: Some(&rolling_out) };
    assert_eq!(mailbox.push(&push('a', None), signal(1), in_flight), Delivery::Waiting(9));
    let live = Current { serving: Some(&release), rolling_out: None };
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(1), live)), DeployOutcome::Live);
    assert!(!mailbox.has_work());
}

#[test]
fn push_of_the_live_version_supersedes_a_rollout_in_flight() {
    let mut mailbox = Mailbox::default();
    let live = push('a', None).release();
    let rolling_out = QueuedRelease { ticket: 9, release: push('b', None).release() };
    let current = Current { serving: Some(&live), rolling_out: Some(&rolling_out) };
    assert_eq!(mailbox.push(&push('a', None), signal(1), current), Delivery::Waiting(1));
}

#[test]
fn close_drops_earlier_pushes_and_keeps_later_ones() {
    let mut mailbox = Mailbox::default();
    mailbox.push(&push('a', None), signal(1), Current::default());
    mailbox.close(&Close::default(), signal(1));
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Closed);
    mailbox.push(&push('b', None), signal(1), Current::default());
    assert_eq!(mailbox.take_push(), None, "the close comes first");
    assert!(mailbox.take_close());
    assert_eq!(mailbox.take_push().unwrap().ticket, 2);
}

#[test]
fn fork_waits_for_approval_of_its_newest_commit() {
    let mut mailbox = Mailbox::default();
    let fork = |digit| Push { fork: true, ..push(digit, None) };
    let approve = |digit| Approve { commit: push(digit, None).commit, image: None, by: None };
    assert_eq!(outcome(mailbox.push(&fork('a'), signal(1), Current::default())), DeployOutcome::AwaitingApproval);
    mailbox.push(&fork('b'), signal(1), Current::default());
    assert!(mailbox.approve(&approve('a'), Current::default()).is_err());
    assert!(!mailbox.has_work());
    assert!(mailbox.approve(&approve('b'), Current::default()).is_ok());
    assert_eq!(mailbox.queue.next().unwrap().commit, push('b', None).commit);
}

#[test]
fn push_that_joins_a_queued_one_waits_for_its_rollout() {
    let mut mailbox = Mailbox::default();
    mailbox.push(&push('a', None), signal(1), Current::default());
    mailbox.queue.answer_queued("a teardown");
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Queued);
    let taken = mailbox.take_push().unwrap();
    let current = Current { serving: None, rolling_out: Some(&taken) };
    assert_eq!(
        (mailbox.push(&push('a', None), signal(1), current), mailbox.queue.answer_to(1)),
        (Delivery::Waiting(1), None)
    );
}

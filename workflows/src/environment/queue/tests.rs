use super::*;
use crate::contract::release::{Commit, Image};

fn release(digit: char) -> Release {
    Release::new(
        Commit::try_from(digit.to_string().repeat(40)).unwrap(),
        Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
    )
}

#[test]
fn answers_that_no_sender_takes_are_bounded() {
    let mut queue = Queue::default();
    for n in 0..1000 {
        queue.join_or_put(release(if n % 2 == 0 { 'a' } else { 'b' }), Current::default());
    }
    assert_eq!(queue.answers.len(), KEPT_ANSWERS);
}

#[test]
fn answer_that_updates_wait_for_is_kept_until_each_has_it() {
    let mut queue = Queue::default();
    let Delivery::Waiting(ticket) = queue.join_or_put(release('a'), Current::default()) else { panic!("not queued") };
    queue.wait_for(ticket);
    queue.wait_for(ticket);
    for n in 0..1000 {
        queue.join_or_put(release(if n % 2 == 0 { 'b' } else { 'c' }), Current::default());
    }
    assert_eq!(queue.answers.len(), KEPT_ANSWERS + 1);
    for _ in 0..2 {
        assert_eq!(queue.take_answer(ticket).map(|answer| answer.outcome), Some(DeployOutcome::Superseded));
    }
    assert_eq!(queue.take_answer(ticket), None);
}

#[test]
fn redeploy_of_a_release_in_flight_keeps_its_ticket() {
    let mut queue = Queue::default();
    let rolling_out = QueuedRelease { ticket: 9, release: release('a') };
    let current = Current { serving: None, rolling_out: Some(&rolling_out) };
    queue.put_again(release('a'), current);
    assert_eq!(queue.next_ticket(), Some(9));
    queue.put_again(release('a'), current);
    assert_eq!((queue.next_ticket(), queue.answer_to(9)), (Some(9), None), "one that is queued changes nothing");
}

#[test]
fn senders_of_a_rollout_wait_for_its_end_if_its_repetition_is_overtaken() {
    let mut queue = Queue::default();
    let rolling_out = QueuedRelease { ticket: 9, release: release('a') };
    let current = Current { serving: None, rolling_out: Some(&rolling_out) };
    queue.put_again(release('a'), current);
    queue.join_or_put(release('b'), current);
    assert_eq!(queue.answer_to(9), None);
}

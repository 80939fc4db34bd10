//! Messages that one workflow task brings. Their order is known only among messages of one kind.

use super::*;

/// A message and its sequence, if it can have one.
#[derive(Clone, Copy)]
enum Message {
    PushSignal(Option<u64>),
    DeployUpdate(Option<u64>),
    CloseSignal(Option<u64>),
    CloseUpdate(Option<u64>),
    /// The handler of an update records it before its own message.
    Cancel,
}
use Message::*;

const TASK: u32 = 12;

/// Delivers messages of one task in that order. Returns the outcome of each: `waits` for a push that is kept.
fn deliver(mailbox: &mut Mailbox, messages: &[Message]) -> Vec<String> {
    let delivered: Vec<_> = messages.iter().map(|message| deliver_one(mailbox, *message)).collect();
    let final_outcome = |delivery| match delivery {
        Ok(Delivery::Answered(answer)) => name(answer.outcome),
        Ok(Delivery::Waiting(ticket)) => {
            mailbox.queue.answer_to(ticket).map_or_else(|| "waits".to_owned(), |answer| name(answer.outcome))
        }
        Err(CloseAnswer { outcome, seen, .. }) => {
            seen.map_or_else(|| name(outcome), |seen| format!("{} {seen}", name(outcome)))
        }
    };
    delivered.into_iter().map(final_outcome).collect()
}

fn deliver_one(mailbox: &mut Mailbox, message: Message) -> Result<Delivery, CloseAnswer> {
    let (signal, update, current) = (Arrival::signal(TASK), Arrival::update(TASK), Current::default());
    match message {
        PushSignal(sequence) => Ok(mailbox.push(&push('a', sequence), signal, current)),
        DeployUpdate(sequence) => Ok(mailbox.push(&push('a', sequence), update, current)),
        CloseSignal(sequence) => Err(mailbox.close(&Close { sequence, proof: None }, signal)),
        CloseUpdate(sequence) => Err(mailbox.close(&Close { sequence, proof: None }, update)),
        Cancel => Err(mailbox.close(&Close::default(), Arrival::cancel(TASK))),
    }
}

fn name(outcome: impl serde::Serialize) -> String {
    serde_json::to_value(outcome).unwrap().as_str().unwrap().to_owned()
}

fn check(cases: &[([Message; 2], [&str; 2], bool)]) {
    for (n, (messages, outcomes, closes)) in cases.iter().enumerate() {
        let mut mailbox = Mailbox::default();
        assert_eq!(deliver(&mut mailbox, messages), *outcomes, "case {n}");
        assert_eq!(mailbox.is_close_requested(), *closes, "case {n}");
        let is_kept = outcomes.contains(&"waits");
        assert_eq!(mailbox.queue.next().is_some(), is_kept, "case {n}");
    }
}

#[test]
fn close_by_signal_wins_over_a_deploy_unless_its_sequence_is_lower() {
    check(&[
        ([CloseSignal(None), DeployUpdate(None)], ["closing", "closed"], true),
        ([CloseSignal(Some(7)), DeployUpdate(None)], ["closing", "closed"], true),
        ([CloseSignal(None), DeployUpdate(Some(7))], ["closing", "closed"], true),
        ([CloseSignal(Some(7)), DeployUpdate(Some(7))], ["closing", "closed"], true),
        ([CloseSignal(Some(7)), DeployUpdate(Some(6))], ["closing", "skipped"], true),
        ([CloseSignal(Some(6)), DeployUpdate(Some(7))], ["closing", "waits"], true),
    ]);
}

#[test]
fn close_by_update_wins_over_a_push_unless_its_sequence_is_lower() {
    check(&[
        ([PushSignal(None), CloseUpdate(None)], ["closed", "closing"], true),
        ([PushSignal(Some(7)), CloseUpdate(None)], ["closed", "closing"], true),
        ([PushSignal(None), CloseUpdate(Some(7))], ["closed", "closing"], true),
        ([PushSignal(Some(7)), CloseUpdate(Some(7))], ["closed", "closing"], true),
        ([PushSignal(Some(6)), CloseUpdate(Some(7))], ["closed", "closing"], true),
        ([PushSignal(Some(7)), CloseUpdate(Some(6))], ["waits", "skipped 7"], false),
    ]);
}

#[test]
fn messages_of_one_kind_count_in_their_order() {
    check(&[
        ([DeployUpdate(None), CloseUpdate(None)], ["closed", "closing"], true),
        ([CloseUpdate(None), DeployUpdate(None)], ["closing", "waits"], true),
        ([CloseUpdate(Some(7)), DeployUpdate(Some(7))], ["closing", "waits"], true),
        ([PushSignal(None), CloseSignal(None)], ["closed", "closing"], true),
        ([CloseSignal(None), PushSignal(None)], ["closing", "waits"], true),
    ]);
}

#[test]
fn cancel_wins_over_every_push_of_its_task() {
    check(&[
        ([Cancel, DeployUpdate(None)], ["closing", "closed"], true),
        ([Cancel, DeployUpdate(Some(7))], ["closing", "closed"], true),
        ([PushSignal(None), Cancel], ["closed", "closing"], true),
        ([PushSignal(Some(7)), Cancel], ["closed", "closing"], true),
    ]);
}

#[test]
fn deploy_after_both_kinds_of_close_has_no_order_with_the_signal() {
    let mut mailbox = Mailbox::default();
    let outcomes = deliver(&mut mailbox, &[CloseSignal(None), CloseUpdate(None), DeployUpdate(None)]);
    assert_eq!(outcomes, ["closing", "closing", "closed"]);
}

#[test]
fn deploy_is_told_why_it_is_closed() {
    let mut mailbox = Mailbox::default();
    deliver(&mut mailbox, &[CloseSignal(None)]);
    let Ok(Delivery::Answered(answer)) = deliver_one(&mut mailbox, DeployUpdate(None)) else { panic!("it waits") };
    let expected = "a close arrived at the same moment; push again if the pull request is open";
    assert_eq!(answer.reason.as_deref(), Some(expected));
    let next_task = Arrival::update(TASK + 1);
    assert_eq!(mailbox.push(&push('a', None), next_task, Current::default()), Delivery::Waiting(1), "pushed again");
}

#[test]
fn closes_of_an_older_task_are_forgotten() {
    let mut mailbox = Mailbox::default();
    for task in 0..100 {
        mailbox.close(&Close::default(), Arrival::signal(task));
    }
    assert_eq!(mailbox.closes.len(), 1);
}

#[test]
fn close_of_another_run_is_not_compared() {
    let mut mailbox = Mailbox::default();
    deliver(&mut mailbox, &[CloseSignal(None)]);
    let carried = serde_json::to_value(&mailbox).unwrap();
    let mut next_run: Mailbox = serde_json::from_value(carried).unwrap();
    assert!(next_run.is_close_requested());
    assert_eq!(deliver(&mut next_run, &[DeployUpdate(None)]), ["waits"]);
}

#[test]
fn fork_that_comes_with_a_close_does_not_wait_for_approval() {
    let mut mailbox = Mailbox::default();
    deliver(&mut mailbox, &[CloseSignal(None)]);
    let fork = Push { fork: true, ..push('a', None) };
    let answered = outcome(mailbox.push(&fork, Arrival::update(TASK), Current::default()));
    assert_eq!((answered, mailbox.awaiting_approval()), (DeployOutcome::Closed, None));
}

#[test]
fn approval_that_comes_with_a_close_rolls_nothing_out() {
    let fork = Push { fork: true, ..push('a', None) };
    let approve = Approve { commit: fork.commit.clone(), image: None, by: None };
    let mut mailbox = Mailbox::default();
    mailbox.push(&fork, Arrival::signal(1), Current::default());
    mailbox.approve(&approve, Current::default()).unwrap();
    deliver(&mut mailbox, &[CloseUpdate(None)]);
    assert_eq!((mailbox.queue.next(), mailbox.awaiting_approval()), (None, None));

    mailbox.take_close();
    mailbox.push(&fork, Arrival::signal(TASK + 1), Current::default());
    mailbox.close(&Close::default(), Arrival::cancel(TASK + 2));
    assert!(mailbox.approve(&approve, Current::default()).is_err());
}

#[test]
fn redeploy_that_comes_with_a_close_rolls_nothing_out() {
    let mut mailbox = Mailbox::default();
    mailbox.queue.put_again(push('a', None).release(), Current::default());
    deliver(&mut mailbox, &[CloseUpdate(None)]);
    assert_eq!((mailbox.queue.next(), mailbox.is_close_requested()), (None, true));
}

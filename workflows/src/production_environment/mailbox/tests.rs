use super::{super::harness::name, *};
use crate::contract::production_answer::ProductionOutcome;

const TASK: u32 = 7;

fn letter(message: Message, arrival: Arrival) -> Letter {
    Letter::new(message, arrival, Receipt::Usual, 1)
}

fn rollback(keep_going: bool) -> Message {
    Message::Rollback(Rollback { to: None, by: name("ops"), reason: None, secrets: None, keep_going, proof: None })
}

fn freeze() -> Message {
    Message::Freeze(Freeze { reason: name("incident"), by: name("ops"), proof: None })
}

fn unfreeze() -> Message {
    Message::Unfreeze(Unfreeze { by: name("ops"), proof: None })
}

#[test]
fn messages_leave_in_the_order_of_arrival() {
    let mut mailbox = Mailbox::default();
    for message in [rollback(false), unfreeze(), freeze(), Message::Redeploy] {
        mailbox.put(letter(message, Arrival::signal(TASK))).unwrap();
    }
    let names: Vec<_> = std::iter::from_fn(|| mailbox.take_next()).map(|letter| letter.message.name()).collect();
    assert_eq!(names, ["rollback", "unfreeze", "freeze", "redeploy"]);
    assert!(mailbox.is_empty());
}

#[test]
fn each_update_takes_its_own_answer() {
    let mut mailbox = Mailbox::default();
    let tickets = [Message::Redeploy, freeze()]
        .map(|message| mailbox.put_for_answer(letter(message, Arrival::update(TASK))).unwrap());
    for outcome in [ProductionOutcome::Queued, ProductionOutcome::Frozen] {
        let letter = mailbox.take_next().unwrap();
        assert!(mailbox.answer(&letter, &ProductionAnswer::new(outcome)));
    }
    assert_eq!(mailbox.take_answer(tickets[1]).unwrap().outcome, ProductionOutcome::Frozen);
    assert_eq!(mailbox.take_answer(tickets[0]).unwrap().outcome, ProductionOutcome::Queued);
    assert_eq!(mailbox.take_answer(tickets[0]), None);
}

#[test]
fn late_update_leaves_its_message_or_takes_it_back() {
    let mut mailbox = Mailbox::default();
    let [kept, withdrawn] = [freeze(), rollback(false)]
        .map(|message| mailbox.put_for_answer(letter(message, Arrival::update(TASK))).unwrap());
    assert_eq!(mailbox.waiting_for(kept), Some(&freeze()));
    mailbox.take_ticket(kept);
    mailbox.withdraw(withdrawn);
    let letter = mailbox.take_next().unwrap();
    assert!(!mailbox.answer(&letter, &ProductionAnswer::new(ProductionOutcome::Frozen)), "nobody waits for it");
    assert!(mailbox.is_empty());
}

#[test]
fn full_mailbox_takes_no_message() {
    let mut mailbox = Mailbox::default();
    let mut put = || mailbox.put(letter(Message::Redeploy, Arrival::signal(TASK)));
    assert!((0..KEPT).all(|_| put().is_ok()));
    assert!(put().is_err());
}

#[test]
fn unfreeze_has_no_order_with_a_freeze_of_the_other_kind_in_its_task() {
    let (signal, update) = (Arrival::signal(TASK), Arrival::update(TASK));
    for (held, arrival, unordered) in [
        (freeze(), update, true),
        (rollback(false), update, true),
        (rollback(true), update, false),
        (Message::Redeploy, update, false),
        (freeze(), signal, false),
        (freeze(), Arrival::update(TASK + 1), false),
    ] {
        let mut mailbox = Mailbox::default();
        mailbox.put(letter(held.clone(), signal)).unwrap();
        assert_eq!(mailbox.is_unordered_with_freeze(&letter(unfreeze(), arrival)), unordered, "{held:?} {arrival:?}");
    }
}

#[test]
fn newer_rollback_is_found_behind_the_one_in_front() {
    let mut mailbox = Mailbox::default();
    for message in [rollback(false), unfreeze()] {
        mailbox.put(letter(message, Arrival::signal(TASK))).unwrap();
    }
    assert!(mailbox.awaits_target());
    assert_eq!(mailbox.later_rollbacks().count(), 0);
    mailbox.put(letter(rollback(true), Arrival::signal(TASK))).unwrap();
    assert_eq!(mailbox.later_rollbacks().map(|(rollback, _)| rollback.keep_going).collect::<Vec<_>>(), [true]);
}

#[test]
fn freeze_overtakes_what_waits_and_voids_an_unfreeze_before_it() {
    let mut mailbox = Mailbox::default();
    for message in [rollback(false), unfreeze(), Message::Redeploy, freeze(), unfreeze()] {
        mailbox.put(letter(message, Arrival::signal(TASK))).unwrap();
    }
    let (taken, moot) = mailbox.take_freeze().unwrap();
    assert_eq!((taken.message, moot.len()), (freeze(), 1));
    assert_eq!(mailbox.take_freeze(), None);
    let names: Vec<_> = std::iter::from_fn(|| mailbox.take_next()).map(|letter| letter.message.name()).collect();
    assert_eq!(names, ["rollback", "redeploy", "unfreeze"]);
}

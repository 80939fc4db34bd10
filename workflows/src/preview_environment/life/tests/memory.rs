//! Memory of earlier runs.

use super::*;
use crate::{
    contract::{exact, memory::Memory, signals::DeployAnswer},
    preview_environment::facts::tests::facts as open,
};

fn sequenced(digit: char, sequence: u64) -> Push {
    Push { sequence: Some(sequence), ..push(digit) }
}

fn close(sequence: impl Into<Option<u64>>) -> Message {
    Message::Close(Close { sequence: sequence.into(), proof: None })
}

fn remembers(sequence: u64) -> Option<Box<Memory>> {
    Some(Box::new(Memory { sequence: Some(sequence), ..Memory::default() }))
}

/// The next run of the same workflow: it recalls this memory once these messages have come.
fn next_run(memory: Option<Box<Memory>>, messages: Vec<Message>) -> Life {
    let mut life = Life::default();
    life.record.begin_recall(Decisions { ends_if_app_is_unknown: false, looks_at_serving: false, ..Decisions::NEWEST });
    for (place, message) in messages.into_iter().enumerate() {
        assert_eq!(life.take(message), Taken::Waiting(place));
    }
    life.take(Message::Recalled(memory));
    life
}

/// Lets a run end that has nothing to remove. Returns the memory that it leaves.
fn ends(life: &mut Life) -> Option<Box<Memory>> {
    assert_eq!(life.step(), Step::PrepareEnd);
    let left = match life.step() {
        Step::Remember(memory) => {
            life.take(Message::Remembered(memory.clone(), None));
            assert_eq!(life.step(), Step::End { cancelled: false });
            Some(memory)
        }
        step => {
            assert_eq!(step, Step::End { cancelled: false });
            None
        }
    };
    assert!(life.record.closed);
    left
}

/// Lets a run remove what it has made, and end. Returns the memory that it leaves.
fn is_torn_down(life: &mut Life) -> Option<Box<Memory>> {
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    ends(life)
}

fn answer(taken: Taken) -> DeployAnswer {
    match taken {
        Taken::Push(Delivery::Answered(answer)) => *answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn push_that_is_not_higher_than_what_was_seen_ends_the_run() {
    for sequence in [7, 8] {
        let mut life = next_run(remembers(8), vec![Message::Push(sequenced('a', sequence))]);
        assert!(!life.record.is_waiting());
        assert_eq!(ends(&mut life), None, "the runs that follow find the same");
        assert_eq!(life.record.notes.to_vec().len(), 1);
    }
}

#[test]
fn push_with_a_higher_sequence_reopens_and_its_close_is_remembered() {
    let mut life = next_run(remembers(8), vec![Message::Push(sequenced('a', 9))]);
    life.roll_out();
    assert_eq!(life.step(), Step::Wait);
    life.take(Message::Push(sequenced('a', 9)));
    assert_eq!(life.step(), Step::Wait, "a job runs again while the pull request is open");
    life.take(close(None));
    assert_eq!(is_torn_down(&mut life), remembers(9));
}

#[test]
fn run_without_a_message_waits_for_the_first() {
    let mut life = next_run(remembers(8), Vec::new());
    assert_eq!(life.step(), Step::Wait);
    life.take(Message::Push(sequenced('a', 8)));
    ends(&mut life);
}

#[test]
fn close_before_the_first_push_is_remembered() {
    let mut life = next_run(None, vec![close(9)]);
    assert_eq!(is_torn_down(&mut life), remembers(9));
    let mut life = next_run(None, vec![close(None)]);
    assert_eq!(is_torn_down(&mut life), None, "nothing was seen");
}

#[test]
fn push_after_a_close_of_the_same_run_has_to_be_higher() {
    let mut life = next_run(None, vec![Message::Push(sequenced('a', 7))]);
    life.roll_out();
    life.take(close(None));
    assert_eq!(life.step(), Step::TearDown);
    let again = answer(life.take(Message::Push(sequenced('a', 7))));
    assert_eq!(again.outcome, DeployOutcome::Skipped);
    let carried = exact::decode(serde_json::to_value(life.record.to_carry()).unwrap()).unwrap();
    let mut continued = Life { record: carried, task: 0 };
    assert_eq!(answer(continued.take(Message::Push(sequenced('a', 7)))).outcome, DeployOutcome::Skipped);
    life.take(Message::Push(sequenced('a', 8)));
    life.take(Message::Teardown(LeakReport::default()));
    life.roll_out();
}

#[test]
fn job_runs_again_once_the_pull_request_is_open_again() {
    let memory = Memory { sequence: Some(7), closed: Some(closed('a', 2)), ..Memory::default() };
    let mut life = next_run(Some(Box::new(memory)), vec![Message::Facts(open('a', 3))]);
    assert_eq!(life.step(), Step::Wait, "it is wanted");
    life.take(Message::Rules(Ok(None)));
    life.take(Message::Push(sequenced('a', 7)));
    life.roll_out();
}

#[test]
fn facts_that_were_seen_before_the_end_close_nothing_again() {
    let memory = || Some(Box::new(Memory { closed: Some(closed('a', 2)), ..Memory::default() }));
    for facts in [closed('a', 2), open('a', 1)] {
        ends(&mut next_run(memory(), vec![Message::Facts(facts)]));
    }
    let mut life = next_run(memory(), vec![Message::Push(push('a'))]);
    ends(&mut life);
    let mut life = next_run(memory(), vec![Message::Push(push('b'))]);
    life.roll_out();
}

#[test]
fn messages_count_in_the_order_of_their_arrival() {
    let higher = Message::Push(sequenced('a', 9));
    let mut life = next_run(remembers(8), vec![higher.clone(), close(9)]);
    assert_eq!(is_torn_down(&mut life), remembers(9));
    let mut life = next_run(remembers(8), vec![close(8), higher]);
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    life.roll_out();
}

#[test]
fn sender_of_an_update_that_waits_is_told_once() {
    let mut record = Record::default();
    record.begin_recall(Decisions { ends_if_app_is_unknown: false, looks_at_serving: false, ..Decisions::NEWEST });
    record.take(Message::Push(sequenced('a', 8)), Arrival::signal(1), NOW_MS);
    record.take(Message::Push(sequenced('a', 7)), Arrival::update(1), NOW_MS);
    record.take(Message::Recalled(None), Arrival::signal(1), NOW_MS);
    assert_eq!(record.taken_later(0), None, "a signal has no answer");
    let taken = record.taken_later(1).unwrap();
    assert_eq!(answer(taken).outcome, DeployOutcome::Skipped);
    assert_eq!(record.taken_later(1), None);
}

#[test]
fn message_during_the_end_is_looked_at() {
    let mut life = next_run(remembers(8), vec![Message::Push(sequenced('a', 8))]);
    assert_eq!(life.step(), Step::PrepareEnd);
    life.take(close(9));
    assert_eq!(is_torn_down(&mut life), remembers(9));

    let mut life = next_run(None, vec![close(9)]);
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::PrepareEnd);
    assert!(matches!(life.step(), Step::Remember(_)));
    life.take(Message::Push(sequenced('a', 10)));
    assert_eq!(life.step(), Step::Reopen);
    life.roll_out();
}

#[test]
fn memory_that_cannot_be_written_is_noted_and_the_run_ends() {
    let mut life = next_run(None, vec![close(9)]);
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::PrepareEnd);
    let Step::Remember(memory) = life.step() else { panic!("there is something to remember") };
    life.take(Message::Remembered(memory, Some("no room".to_owned())));
    assert_eq!(life.step(), Step::End { cancelled: false });
    assert_eq!(life.record.notes.to_vec(), ["what was seen is not kept: no room"]);
}

#[test]
fn run_of_an_older_version_remembers_nothing() {
    let mut life = Life::live();
    life.take(close(9));
    assert_eq!(is_torn_down(&mut life), None);
}

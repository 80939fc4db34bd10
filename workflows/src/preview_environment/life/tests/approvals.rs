//! Approvals of a fork's versions, which hold for a job that runs again.

use super::*;
use crate::contract::{exact, memory::Memory};

/// A preview whose first message has not come.
fn begun(memory: Option<Memory>) -> Life {
    let mut life = Life::default();
    life.record.begin_recall(Decisions { ends_if_app_is_unknown: false, looks_at_serving: false, ..Decisions::NEWEST });
    life.take(Message::Recalled(memory.map(Box::new)));
    life
}

fn fork(digit: char) -> Push {
    Push { fork: true, ..push(digit) }
}

/// A push of the same commit with another image.
fn other_image(push: &Push) -> Push {
    let image = Image::try_from(format!("acme/web@sha256:{}", "0".repeat(64))).unwrap();
    Push { image, ..push.clone() }
}

fn approve(push: &Push, image: Option<Image>) -> Message {
    Message::Approve(Approve { commit: push.commit.clone(), image, by: None })
}

fn outcome(taken: Taken) -> DeployOutcome {
    match taken {
        Taken::Push(Delivery::Answered(answer)) => answer.outcome,
        other => panic!("{other:?}"),
    }
}

impl Life {
    fn approved(&mut self, push: &Push) {
        assert_eq!(outcome(self.take(Message::Push(push.clone()))), DeployOutcome::AwaitingApproval);
        self.take(approve(push, None));
        self.roll_out();
    }

    fn awaits(&self) -> Option<&Commit> {
        self.record.mailbox.awaiting_approval().map(|release| &release.commit)
    }
}

#[test]
fn approved_version_that_serves_is_live_at_once() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    assert_eq!(outcome(life.take(Message::Push(fork('a')))), DeployOutcome::Live);
}

#[test]
fn approved_version_is_rolled_out_again_without_an_approval() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    life.approved(&fork('b'));
    assert!(matches!(life.take(Message::Push(fork('a'))), Taken::Push(Delivery::Waiting(_))));
    life.roll_out();
}

#[test]
fn commit_with_another_image_needs_an_approval_of_its_own() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    let other = other_image(&fork('a'));
    assert_eq!(outcome(life.take(Message::Push(other.clone()))), DeployOutcome::AwaitingApproval);
    life.take(approve(&other, None));
    life.roll_out();
    assert_eq!(life.record.notes.to_vec(), [""; 0]);
}

#[test]
fn job_without_a_sequence_leaves_the_push_that_waits_for_approval() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    life.approved(&fork('b'));
    life.take(Message::Push(fork('c')));
    assert_eq!(outcome(life.take(Message::Push(fork('b')))), DeployOutcome::Live);
    life.take(Message::Push(fork('a')));
    life.roll_out();
    assert_eq!(life.awaits(), Some(&fork('c').commit));
    life.take(approve(&fork('c'), None));
    life.roll_out();
    assert_eq!(life.record.book.serving.as_ref().unwrap().release.commit, fork('c').commit);
}

#[test]
fn job_with_a_higher_sequence_replaces_the_push_that_waits_for_approval() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    life.take(Message::Push(fork('c')));
    life.take(Message::Push(Push { sequence: Some(9), ..fork('a') }));
    assert_eq!(life.awaits(), None);
}

#[test]
fn approval_holds_in_the_runs_that_follow() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    let carried = exact::decode(serde_json::to_value(life.record.to_carry()).unwrap()).unwrap();
    let mut life = Life { record: carried, task: 0 };
    life.approved(&fork('b'));
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::PrepareEnd);
    let Step::Remember(memory) = life.step() else { panic!("approvals are remembered") };

    let mut life = begun(Some(*memory));
    life.take(Message::Push(fork('a')));
    life.roll_out();
    assert_eq!(outcome(life.take(Message::Push(fork('c')))), DeployOutcome::AwaitingApproval);
}

#[test]
fn approval_without_an_image_is_refused_if_several_have_waited() {
    let mut life = begun(None);
    let (first, second) = (fork('a'), other_image(&fork('a')));
    life.take(Message::Push(first.clone()));
    life.take(Message::Push(second.clone()));
    life.take(approve(&first, None));
    let notes = life.record.notes.to_vec();
    assert!(notes[0].contains(&first.image.to_string()) && notes[0].contains(&second.image.to_string()), "{notes:?}");
    life.take(approve(&first, Some(first.image.clone())));
    assert_eq!(life.awaits(), Some(&first.commit), "that image waits no more");
    life.take(approve(&first, Some(second.image.clone())));
    life.roll_out();
    assert_eq!(life.record.book.serving.as_ref().unwrap().release.image, second.image);
}

#[test]
fn close_forgets_the_images_that_have_waited() {
    let mut life = begun(None);
    life.take(Message::Push(fork('a')));
    life.take(Message::Close(Close::default()));
    life.take(Message::Push(other_image(&fork('a'))));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    life.take(approve(&fork('a'), None));
    life.roll_out();
}

#[test]
fn facts_that_tell_of_a_fork_hold_no_approved_version() {
    let mut life = begun(None);
    life.approved(&fork('a'));
    life.approved(&fork('b'));
    life.take(Message::Push(push('a')));
    life.take(Message::Facts(crate::contract::pull_request::PullRequestFacts { fork: true, ..facts('a', 1) }));
    life.take(Message::Rules(Ok(None)));
    life.roll_out();
    assert_eq!(life.record.notes.to_vec(), [""; 0], "what serves was approved");
}

#[test]
fn remembered_approvals_are_bounded() {
    let mut life = begun(None);
    for digit in "0123456789abc".chars() {
        life.approved(&fork(digit));
    }
    for waiting in "abcdef0123456".chars() {
        life.take(Message::Push(Push { commit: fork(waiting).commit, ..other_image(&fork('f')) }));
    }
    let carried = serde_json::to_value(life.record.to_carry()).unwrap();
    let approvals = &carried["mailbox"]["approvals"];
    let count = |list: &str| approvals[list].as_array().unwrap().len();
    assert_eq!((count("approved"), count("waited")), (10, 10));
}

#[test]
fn run_of_an_older_version_remembers_no_approval() {
    let mut life = Life::default();
    life.approved(&fork('a'));
    life.approved(&fork('b'));
    assert_eq!(outcome(life.take(Message::Push(fork('a')))), DeployOutcome::AwaitingApproval);
}

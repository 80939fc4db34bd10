//! An app that the worker does not know.

use super::*;
use crate::contract::{
    pull_request::PullRequestFacts,
    verdict::{FailureType, Verdict},
};

fn begun() -> Life {
    let mut life = Life::default();
    life.record.begin_recall(Decisions::NEWEST);
    life.take(Message::Recalled(None));
    life
}

fn unknown() -> Box<Verdict> {
    Box::new(Verdict::new(FailureType::UnknownApp, "no file of that app"))
}

fn fork(digit: char) -> Push {
    Push { fork: true, ..push(digit) }
}

impl Life {
    /// Takes the next step, which is a rollout, and lets it fail before it has made anything.
    fn fails_to_name(&mut self) {
        let Step::RollOut(queued) = self.step() else { panic!("no rollout is next") };
        let end = RolloutEnd::Failed(unknown(), Box::default());
        self.take(Message::RolloutEnded { queued: *queued, end, started_ms: NOW_MS });
    }

    fn is_known_to_have_no_app(&mut self) {
        assert!(self.record.mailbox.facts.are_rules_due());
        self.take(Message::UnknownApp(unknown()));
        assert!(!self.record.mailbox.facts.are_rules_due());
    }

    fn ends(&mut self) {
        assert!(!self.record.is_waiting());
        assert_eq!((self.step(), self.step()), (Step::PrepareEnd, Step::End { cancelled: false }));
        assert_eq!(self.record.phase(), Phase::Closed);
    }
}

#[test]
fn push_of_an_unknown_app_fails_and_the_run_ends() {
    let mut life = begun();
    let ticket = life.deploy('a');
    life.fails_to_name();
    assert_eq!(life.outcome(ticket), Some(DeployOutcome::Failed));
    life.ends();
    assert_eq!(life.record.book.failed.as_ref().unwrap().verdict, *unknown());
}

#[test]
fn job_may_run_again_once_there_is_such_an_app() {
    let mut life = begun();
    life.take(Message::Push(Push { sequence: Some(7), ..push('a') }));
    life.fails_to_name();
    // No memory is left.
    life.ends();
}

#[test]
fn forks_push_of_an_unknown_app_fails_and_the_run_ends() {
    let mut life = begun();
    life.task += 1;
    let taken = life.record.take(Message::Push(fork('a')), Arrival::update(life.task), NOW_MS);
    let Taken::Push(Delivery::Waiting(ticket)) = taken else { panic!("{taken:?}") };
    assert_eq!(life.step(), Step::Wait);
    life.is_known_to_have_no_app();
    let answer = life.record.mailbox.queue.take_answer(ticket).unwrap();
    assert_eq!((answer.outcome, answer.verdict), (DeployOutcome::Failed, Some(*unknown())));
    life.ends();
}

#[test]
fn forks_push_of_a_known_app_waits_for_approval() {
    let mut life = begun();
    life.take(Message::Push(fork('a')));
    life.take(Message::Rules(Ok(None)));
    assert_eq!((life.step(), life.record.phase()), (Step::Wait, Phase::AwaitingApproval));
    let again = life.take(Message::Push(fork('b')));
    assert!(matches!(again, Taken::Push(Delivery::Answered(_))), "the app file is read once: {again:?}");
}

#[test]
fn approval_counts_while_the_app_file_is_read() {
    let mut life = begun();
    life.take(Message::Push(fork('a')));
    life.take(Message::Approve(Approve { commit: push('b').commit, image: None, by: None }));
    assert_eq!(life.record.notes.to_vec().len(), 1, "another commit waits");
    life.take(Message::Approve(Approve { commit: push('a').commit, image: None, by: None }));
    life.take(Message::Rules(Ok(None)));
    life.roll_out();
}

#[test]
fn version_that_was_approved_waits_no_more() {
    let mut life = begun();
    let approve = || Message::Approve(Approve { commit: push('a').commit, image: None, by: None });
    life.take(Message::Push(fork('a')));
    life.take(approve());
    life.take(Message::Push(fork('a')));
    let image = Image::try_from(format!("acme/web@sha256:{}", "0".repeat(64))).unwrap();
    life.take(Message::Push(Push { image, ..fork('a') }));
    life.take(approve());
    assert_eq!(life.record.notes.to_vec(), [""; 0], "one image has waited since the approval");
    life.take(Message::Rules(Ok(None)));
    life.roll_out();
}

#[test]
fn close_and_forks_push_in_the_first_task_end() {
    for is_known_first in [true, false] {
        let mut life = Life::default();
        life.record.begin_recall(Decisions::NEWEST);
        life.record.take(Message::Close(Close::default()), Arrival::signal(1), NOW_MS);
        life.record.take(Message::Push(fork('a')), Arrival::signal(1), NOW_MS);
        life.take(Message::Recalled(None));
        assert_eq!(life.step(), Step::TearDown);
        if is_known_first {
            life.is_known_to_have_no_app();
            life.take(Message::Teardown(LeakReport::default()));
        } else {
            life.take(Message::Teardown(LeakReport::default()));
            assert_eq!(life.step(), Step::Wait);
            life = life.next_run();
            life.is_known_to_have_no_app();
        }
        life.ends();
    }
}

#[test]
fn facts_of_an_unknown_app_end_the_run() {
    let mut life = begun();
    life.take(Message::Facts(facts('a', 1)));
    life.is_known_to_have_no_app();
    life.ends();
    assert_eq!(life.record.notes.to_vec().len(), 1);
}

#[test]
fn reopened_pull_request_of_an_unknown_app_is_not_waited_for() {
    let mut life = begun();
    life.take(Message::Facts(closed('a', 1)));
    life.take(Message::Facts(facts('a', 2)));
    life.take(Message::Push(Push { fork: true, ..push('a') }));
    assert_eq!(life.step(), Step::TearDown);
    life.is_known_to_have_no_app();
    life.take(Message::Teardown(LeakReport::default()));
    // The facts from before the close are remembered by nobody: the pull request is open.
    life.ends();
}

#[test]
fn approval_that_is_waited_for_fails_with_the_rollout_beside_it() {
    let mut life = begun();
    life.take(Message::Push(push('a')));
    let Step::RollOut(queued) = life.step() else { panic!("no rollout is next") };
    life.take(Message::Push(fork('b')));
    life.is_known_to_have_no_app();
    let end = RolloutEnd::Failed(unknown(), Box::default());
    life.take(Message::RolloutEnded { queued: *queued, end, started_ms: NOW_MS });
    life.ends();
}

#[test]
fn app_that_appears_meanwhile_is_rolled_out() {
    let mut life = begun();
    life.take(Message::Push(push('a')));
    life.take(Message::Push(Push { draft: true, ..push('b') }));
    let Step::RollOut(queued) = life.step() else { panic!("no rollout is next") };
    life.is_known_to_have_no_app();
    let environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
    life.take(Message::Named(environment.clone(), None));
    life.record.book.begin(&environment, &queued, &StartTimings::default(), NOW_MS);
    let end = RolloutEnd::Live(Box::default());
    life.take(Message::RolloutEnded { queued: *queued, end, started_ms: NOW_MS });
    assert_eq!((life.step(), life.record.phase()), (Step::Wait, Phase::Live));
}

#[test]
fn message_while_the_run_ends_is_obeyed() {
    let mut life = begun();
    life.take(Message::Push(push('a')));
    life.fails_to_name();
    assert_eq!(life.step(), Step::PrepareEnd);
    life.take(Message::Push(push('b')));
    assert_eq!(life.step(), Step::Reopen);
    life.fails_to_name();
    assert_eq!(life.step(), Step::PrepareEnd);
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown, "a terminated run may have left something");
    life.take(Message::Teardown(LeakReport::default()));
    life.ends();
}

#[test]
fn environment_of_an_app_without_its_file_stays() {
    let mut life = begun();
    life.take(Message::Push(push('a')));
    life.roll_out();
    life.take(Message::Facts(PullRequestFacts { draft: true, ..facts('b', 1) }));
    life.take(Message::UnknownApp(unknown()));
    assert_eq!((life.step(), life.record.phase()), (Step::Wait, Phase::Live));
}

#[test]
fn run_of_an_older_version_stays_open() {
    let mut life = Life::default();
    life.take(Message::Push(push('a')));
    life.fails_to_name();
    assert_eq!(life.step(), Step::Wait);
}

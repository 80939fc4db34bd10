mod approvals;
mod looks;
mod memory;
mod unknown_app;

use super::*;
use crate::{
    contract::{
        environment::{Environment, EnvironmentKind},
        phase::Phase,
        release::{Commit, Image},
        rollout::{Made, RolledOut},
        status::Status,
        teardown::Remaining,
        timings::StartTimings,
    },
    preview_environment::facts::tests::{closed, facts},
};

const NOW_MS: u64 = 1_800_000_000_000;

fn push(digit: char) -> Push {
    Push::new(
        Commit::try_from(digit.to_string().repeat(40)).unwrap(),
        Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
    )
}

/// A record, and messages to it that each come in a task of their own.
#[derive(Default)]
struct Life {
    record: Record,
    task: u32,
}

impl Life {
    fn take(&mut self, message: Message) -> Taken {
        self.task += 1;
        self.record.take(message, Arrival::signal(self.task), NOW_MS)
    }

    fn step(&mut self) -> Step {
        self.record.step()
    }

    /// Takes the next step, which is a rollout, and lets it become live.
    fn roll_out(&mut self) {
        let Step::RollOut(queued) = self.step() else { panic!("no rollout is next") };
        let queued = *queued;
        let environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
        self.take(Message::Named(environment.clone(), None));
        self.record.book.begin(&environment, &queued, &StartTimings::default(), NOW_MS);
        let end = RolloutEnd::Live(Box::new(RolledOut {
            made: Made { stored_release: Some("stored".to_owned()), serves: true, ..Made::default() },
            ..RolledOut::default()
        }));
        self.take(Message::RolloutEnded { queued, end, started_ms: NOW_MS });
    }

    /// The run that continues this one.
    fn next_run(&self) -> Self {
        let carried = serde_json::to_value(self.record.to_carry()).unwrap();
        Self { record: serde_json::from_value(carried).unwrap(), task: 0 }
    }

    /// Takes an update `deploy` in. Returns its ticket.
    fn deploy(&mut self, digit: char) -> u64 {
        self.task += 1;
        match self.record.take(Message::Push(push(digit)), Arrival::update(self.task), NOW_MS) {
            Taken::Push(Delivery::Waiting(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn outcome(&mut self, ticket: u64) -> Option<DeployOutcome> {
        self.record.mailbox.queue.take_answer(ticket).map(|answer| answer.outcome)
    }

    fn live() -> Self {
        let mut life = Self::default();
        life.take(Message::Push(push('a')));
        life.roll_out();
        assert_eq!(life.step(), Step::Wait);
        life
    }
}

fn stuck() -> LeakReport {
    let remaining = Remaining { object: "Widget/stuck".into(), reason: "held".into(), command: String::new() };
    LeakReport { remaining: vec![remaining], ..LeakReport::default() }
}

#[test]
fn close_of_a_live_environment_leads_to_its_end() {
    let mut life = Life::live();
    assert!(life.record.is_waiting());
    life.take(Message::Close(Close::default()));
    assert!(!life.record.is_waiting());
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!((life.step(), life.step()), (Step::PrepareEnd, Step::End { cancelled: false }));
}

#[test]
fn blocked_teardown_is_tried_again_after_longer_pauses() {
    let mut life = Life::live();
    life.take(Message::Cancel);
    for attempts in 1..4 {
        assert_eq!(life.step(), Step::TearDown);
        life.take(Message::Teardown(stuck()));
        assert_eq!(life.step(), Step::Pause { attempts });
    }
    let mut next_run = life.next_run();
    assert_eq!(next_run.step(), Step::TearDown);
    next_run.take(Message::Teardown(stuck()));
    assert_eq!(next_run.step(), Step::Pause { attempts: u32::MAX }, "the run before has made many attempts");
    assert_eq!(next_run.step(), Step::TearDown);
    next_run.take(Message::Teardown(LeakReport::default()));
    assert_eq!((next_run.step(), next_run.step()), (Step::PrepareEnd, Step::End { cancelled: true }));
}

#[test]
fn push_during_the_teardown_is_rolled_out_after_it() {
    let mut life = Life::live();
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Push(push('b')));
    life.take(Message::Teardown(LeakReport::default()));
    life.roll_out();
    assert_eq!(life.step(), Step::Wait);
}

#[test]
fn push_after_a_cancel_continues_in_a_new_run() {
    let mut life = Life::live();
    life.take(Message::Cancel);
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Push(push('b')));
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::ContinueInNewRun);
    let mut next_run = life.next_run();
    next_run.roll_out();
}

#[test]
fn updates_while_a_cancelled_run_continues_are_answered() {
    let mut life = Life::live();
    life.take(Message::Cancel);
    assert_eq!(life.step(), Step::TearDown);
    let first = life.deploy('b');
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::ContinueInNewRun);
    assert_eq!(life.outcome(first), Some(DeployOutcome::Queued));
    let second = life.deploy('c');
    assert_eq!(life.outcome(second), Some(DeployOutcome::Queued));
    life.take(Message::Close(Close::default()));
    let after_a_close = life.deploy('d');
    assert_eq!(life.outcome(after_a_close), Some(DeployOutcome::Queued));
}

#[test]
fn update_that_waited_for_rules_is_answered_while_the_teardown_is_blocked() {
    let mut life = Life::live();
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(stuck()));
    life.take(Message::Facts(facts('b', 1)));
    let ticket = life.deploy('b');
    assert_eq!(life.outcome(ticket), None, "the app file is to be read");
    life.take(Message::Rules(Ok(None)));
    assert_eq!(life.outcome(ticket), Some(DeployOutcome::Queued));
}

#[test]
fn push_while_the_end_is_prepared_reopens() {
    let mut life = Life::live();
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(LeakReport::default()));
    assert_eq!(life.step(), Step::PrepareEnd);
    life.take(Message::Push(push('b')));
    assert_eq!(life.step(), Step::Reopen);
    life.roll_out();
    life.take(Message::Facts(closed('b', 1)));
    assert_eq!(life.step(), Step::TearDown);
}

#[test]
fn close_during_a_blocked_teardown_asks_for_another_attempt() {
    let mut life = Life::live();
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    life.take(Message::Teardown(stuck()));
    assert_eq!(life.step(), Step::Pause { attempts: 1 });
    assert!(!life.record.is_hurried());
    life.take(Message::Close(Close::default()));
    assert!(life.record.is_hurried());
    assert_eq!(life.step(), Step::TearDown);
    assert!(!life.record.is_hurried(), "it asks for one attempt");
    life.take(Message::Teardown(stuck()));
    assert_eq!(life.step(), Step::Pause { attempts: 2 });
}

#[test]
fn answer_to_a_close_names_its_removal() {
    let mut life = Life::live();
    for number in 1..4 {
        let Taken::Close(answer) = life.take(Message::Close(Close::default())) else { panic!("not taken as a close") };
        assert_eq!(answer.removal, Some(number));
        assert_eq!(life.step(), Step::TearDown);
        assert_ne!(shown(&life).removed.map(|removed| removed.number), answer.removal);
        life.take(Message::Push(push('b')));
        life.take(Message::Teardown(LeakReport { gone: vec!["Namespace/pr-1".into()], ..LeakReport::default() }));
        life.roll_out();
        assert_eq!(life.step(), Step::Wait);
        let removed = shown(&life).removed.unwrap();
        assert_eq!((Some(removed.number), removed.gone), (answer.removal, vec!["Namespace/pr-1".to_owned()]));
        life.record = life.record.to_carry();
    }
}

fn shown(life: &Life) -> Status {
    Status::new("web", 1, &life.record)
}

#[test]
fn status_shows_only_what_is() {
    let mut life = Life::default();
    life.take(Message::Push(push('a')));
    let Step::RollOut(_) = life.step() else { panic!("no rollout is next") };
    life.take(Message::Named(
        Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1"),
        None,
    ));
    assert_eq!((shown(&life).url, shown(&life).serving), (None, None), "nothing serves yet");

    let mut life = Life::live();
    assert!(shown(&life).url.is_some() && shown(&life).serving.is_some());
    life.take(Message::Close(Close::default()));
    assert_eq!(life.step(), Step::TearDown);
    assert_eq!((shown(&life).url, shown(&life).serving, shown(&life).secrets), (None, None, None));
    let namespace = shown(&life).namespace.unwrap();
    life.take(Message::Teardown(LeakReport { gone: vec![format!("Namespace/{namespace}")], ..stuck() }));
    assert_eq!((shown(&life).phase, shown(&life).namespace), (Phase::TeardownBlocked, None));
}

#[test]
fn answer_names_the_pages_only_if_something_serves() {
    let failed = |life: &mut Life| {
        let Step::RollOut(queued) = life.step() else { panic!("no rollout is next") };
        let environment = Environment {
            temporal_ui_host: Some("temporal.example.com".to_owned()),
            ..Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1")
        };
        life.take(Message::Named(environment, None));
        let ticket = queued.ticket;
        let end = RolloutEnd::not_started("no room");
        life.take(Message::RolloutEnded { queued: *queued, end, started_ms: NOW_MS });
        life.record.mailbox.queue.take_answer(ticket).unwrap()
    };
    let mut life = Life::default();
    life.take(Message::Push(push('a')));
    let answer = failed(&mut life);
    assert_eq!((answer.url, answer.temporal_ui), (None, None));
    let mut life = Life::live();
    life.take(Message::Push(push('b')));
    let answer = failed(&mut life);
    assert!(answer.url.is_some() && answer.temporal_ui.is_some(), "{answer:?}");
}

#[test]
fn ignored_signal_is_noted_and_ignored_update_is_answered() {
    let mut record = Record::default();
    let older = |sequence| Push { sequence: Some(sequence), ..push('a') };
    record.take(Message::Push(older(9)), Arrival::signal(1), NOW_MS);
    for arrival in [Arrival::signal(2), Arrival::update(3)] {
        let taken = record.take(Message::Push(older(8)), arrival, NOW_MS);
        assert!(matches!(taken, Taken::Push(Delivery::Answered(_))), "{taken:?}");
        let close = Close { sequence: Some(8), proof: None };
        record.take(Message::Close(close), arrival, NOW_MS);
    }
    let expected =
        ["push aaaaaaa: sequence 8 is older than 9, already seen", "close: sequence 8 is older than 9, already seen"];
    assert_eq!(record.notes.to_vec(), expected);
}

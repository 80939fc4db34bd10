use super::*;
use crate::contract::{
    environment::EnvironmentKind,
    release::{Commit, Image},
};

const NOW_MS: u64 = (DEPLOY_ID_EPOCH_SECONDS + 1000) * 1000;

fn queued(digit: char) -> QueuedRelease {
    let release = Release {
        commit: Commit::try_from(digit.to_string().repeat(40)).unwrap(),
        image: Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
        author: None,
        branch: None,
        number: None,
    };
    QueuedRelease { ticket: 1, release }
}

fn environment() -> Environment {
    Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1")
}

fn begin(book: &mut Book, digit: char) -> RolloutInput {
    book.begin(&environment(), &queued(digit), &Timings::default(), NOW_MS)
}

fn made(stored_release: &str) -> Made {
    Made { stored_release: Some(stored_release.to_owned()), serves: true, ..Made::default() }
}

fn live(stored_release: &str) -> RolloutEnd {
    RolloutEnd::Live(Box::new(RolledOut {
        url: String::new(),
        made: made(stored_release),
        plan: Default::default(),
        gates: Vec::new(),
        pruned: Vec::new(),
        notes: Vec::new(),
        steps: Vec::new(),
    }))
}

#[test]
fn numbers_and_deploy_ids_rise_within_one_second() {
    let mut book = Book::default();
    let (first, second) = (begin(&mut book, 'a'), begin(&mut book, 'b'));
    assert_eq!((first.number, first.deploy_id), (1, 1000));
    assert_eq!((second.number, second.deploy_id), (2, 1001));
}

#[test]
fn prune_keeps_the_serving_release_and_the_one_before() {
    let mut book = Book::default();
    for (digit, stored) in [('a', "stored-a"), ('b', "stored-b"), ('c', "stored-c")] {
        begin(&mut book, digit);
        book.conclude(queued(digit), live(stored), NOW_MS, NOW_MS);
    }
    assert_eq!(begin(&mut book, 'd').keep, ["stored-c", "stored-b"]);
}

#[test]
fn release_that_fails_its_gates_serves_and_is_failed() {
    let mut book = Book::default();
    begin(&mut book, 'a');
    let verdict = Verdict::new(FailureType::GateFailed, "404");
    let end = RolloutEnd::Failed(Box::new(verdict), Box::new(made("stored-a")));
    let answer = book.conclude(queued('a'), end, NOW_MS, NOW_MS);
    assert_eq!((answer.outcome, answer.reason.as_deref()), (DeployOutcome::Failed, Some("GateFailed: 404")));
    assert_eq!(book.serving.as_ref().unwrap().release, queued('a').release);
    assert_eq!(book.current().serving, None, "a push of it is rolled out again");
}

#[test]
fn stopped_rollout_serves_only_after_it_reported_so() {
    let stop = || RolloutEnd::Stopped(StopReason::Superseded { by: "b".repeat(40) });
    let mut book = Book::default();
    begin(&mut book, 'a');
    assert_eq!(book.conclude(queued('a'), stop(), NOW_MS, NOW_MS).outcome, DeployOutcome::Superseded);
    assert_eq!(book.serving, None);

    let number = begin(&mut book, 'a').number;
    let progress = |number| RolloutProgress {
        number,
        step: RolloutStep::CheckingGates,
        waiting_for: None,
        cluster_objects: Vec::new(),
        serving: Some("stored-a".into()),
        not_observed: None,
        deploy_id: None,
        touched: false,
    };
    assert!(!book.record_progress(progress(number + 1)), "another rollout's report is ignored");
    assert!(book.record_progress(progress(number)));
    book.conclude(queued('a'), stop(), NOW_MS, NOW_MS);
    assert_eq!(book.serving.unwrap().stored_release.as_deref(), Some("stored-a"));
}

#[test]
fn rollout_that_is_stopping_cannot_be_joined() {
    let mut book = Book::default();
    begin(&mut book, 'a');
    assert!(book.current().rolling_out.is_some());
    book.stop();
    assert!(book.current().rolling_out.is_none());
}

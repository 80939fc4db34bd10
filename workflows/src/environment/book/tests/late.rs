//! Looks at a release after its wait has failed.

use super::*;
use crate::contract::{checks::AwaitInput, environment::EnvironmentKind};

fn wait() -> Box<AwaitInput> {
    let wait = serde_json::json!({
        "environment": environment(), "workloads": [], "deadline_ms": 1, "secret": "s", "timings": {}, "deploy_id": 1,
    });
    Box::new(serde_json::from_value(wait).unwrap())
}

/// A rollout that failed before its workloads served.
fn late(waited: Option<Box<AwaitInput>>) -> RolloutEnd {
    let made = Made { stored_release: Some("stored-b".into()), touched: true, waited, ..Made::default() };
    RolloutEnd::Failed(Box::new(Verdict::new(FailureType::NotReady, "0 of 1 pods ready")), Box::new(made))
}

/// A book in which `a` serves and the wait for `b` has failed.
fn book_of(kind: EnvironmentKind, end: RolloutEnd) -> Book {
    let mut book = Book { environment: Some(Environment { kind, ..environment() }), ..Book::default() };
    conclude(&mut book, 'a', live("stored-a"));
    begin(&mut book, 'b');
    book.conclude(queued('b'), end, NOW_MS, NOW_MS);
    book
}

fn failed() -> Book {
    book_of(EnvironmentKind::Preview { pr: 1 }, late(Some(wait())))
}

#[test]
fn release_that_serves_later_is_the_serving_one_and_stays_failed() {
    let mut book = failed();
    assert_eq!(book.serving.as_ref().unwrap().release, queued('a').release);
    let note = book.end_late_look(true, NOW_MS + 120_000).unwrap();
    assert!(
        note.contains("serves all the same, seen 120 s after") && note.contains("gates were not checked"),
        "{note}"
    );
    let serving = book.serving.as_ref().unwrap();
    assert_eq!((&serving.release, serving.stored_release.as_deref()), (&queued('b').release, Some("stored-b")));
    assert_eq!((serving.since_ms, book.served_before.as_deref()), (NOW_MS + 120_000, Some("stored-a")));
    assert_eq!((book.late.as_ref(), book.proven.as_deref()), (None, Some("stored-a")), "its gates prove it");
    assert!(book.failed.is_some() && book.current().serving.is_none(), "a push of it is rolled out again");
}

#[test]
fn looks_are_further_apart_each_time_and_end_after_an_hour() {
    let mut book = failed();
    let mut at = Vec::new();
    while let Some(look) = &book.late {
        let next_ms = look.next_ms;
        at.push((next_ms - NOW_MS) / 1000);
        assert_eq!(book.end_late_look(false, next_ms), None);
    }
    assert_eq!(at, [15, 30, 60, 120, 240, 480, 960, 1560, 2160, 2760, 3360, 3960]);
}

#[test]
fn next_rollout_a_teardown_and_production_have_no_looks() {
    let mut next = failed();
    begin(&mut next, 'c');
    let mut gone = failed();
    gone.forget_environment();
    let production = book_of(EnvironmentKind::Production, late(Some(wait())));
    let job_failed = book_of(EnvironmentKind::Preview { pr: 1 }, late(None));
    for book in [next, gone, production, job_failed] {
        assert_eq!(book.late, None);
    }
}

#[test]
fn look_that_is_to_come_is_carried() {
    let book = failed();
    let carried: Book = crate::contract::exact::decode(serde_json::to_value(&book).unwrap()).unwrap();
    assert_eq!(carried, book);
    assert!(!serde_json::to_string(&Book::default()).unwrap().contains("late"));
}

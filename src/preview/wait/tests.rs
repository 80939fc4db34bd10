use berth_test_support::{commit, preview::push};
use berth_workflows::{
    contract::{
        phase::{Failed, PastRollout},
        verdict::{FailureType, Verdict},
    },
    environment::{
        arrival::Arrival,
        book::Serving,
        queue::{Current, QueuedRelease},
    },
    preview_environment::record::Record,
};

use super::*;

fn observed(change: impl FnOnce(&mut Record)) -> Option<Status> {
    let mut record = Record::default();
    change(&mut record);
    Some(Status::new("web", 1, &record))
}

fn serves(record: &mut Record, digit: char) {
    record.book.serving =
        Some(Serving { release: push(digit).release(), rollout: "r".into(), since_ms: 1, stored_release: None });
}

#[test]
fn line_says_why_nothing_can_be_seen_of_a_release() {
    let mut status = observed(|record| {
        record.book.expect("preview-web-1", &QueuedRelease { ticket: 1, release: push('a').release() }, 1);
    });
    assert_eq!(line(status.as_ref()), "RollingOut: aaaaaaa waits for the app file to be read");
    status.as_mut().unwrap().rolling_out.as_mut().unwrap().not_observed = Some("no answer".into());
    assert_eq!(line(status.as_ref()), "RollingOut: aaaaaaa waits for the app file to be read; not observed: no answer");
}

fn failed(record: &mut Record, digit: char) {
    let verdict = Verdict::new(FailureType::GateFailed, "no");
    record.book.failed = Some(Failed { release: push(digit).release(), rollout: None, verdict });
}

fn superseded(record: &mut Record, digit: char) {
    record.book.remember(PastRollout {
        number: 1,
        commit: commit(digit).to_string(),
        outcome: DeployOutcome::Superseded,
        author: None,
        ms: 1,
        failure: None,
        release: None,
        rollback: false,
    });
}

#[test]
fn a_wait_for_a_commit_ends_with_its_rollout() {
    let mut was_open = false;
    let mut decide = |observed: &Option<Status>| live_commit(observed.as_ref(), &commit('a'), &mut was_open);
    assert_eq!(decide(&None), Decision::Wait, "the push may come after the wait");
    assert_eq!(decide(&observed(|record| record.closed = true)), Decision::Wait, "closed before the push");
    assert_eq!(decide(&observed(|_| {})), Decision::Wait);
    assert_eq!(decide(&observed(|record| serves(record, 'b'))), Decision::Wait, "the older one still serves");
    assert_eq!(decide(&observed(|record| serves(record, 'a'))), Decision::done("live", Exit::Done));
    let gate_failed = observed(|record| {
        serves(record, 'a');
        failed(record, 'a');
    });
    assert_eq!(
        decide(&gate_failed),
        Decision::done("failed", Exit::Failed),
        "a release that failed a gate serves all the same"
    );
    assert_eq!(decide(&observed(|record| superseded(record, 'a'))), Decision::done("superseded", Exit::Superseded));
    assert_eq!(decide(&observed(|record| record.closed = true)), closed());
}

#[test]
fn a_closed_or_missing_environment_is_gone() {
    let done = Decision::done("gone", Exit::Done);
    assert_eq!(gone(None), done);
    assert_eq!(gone(observed(|record| record.closed = true).as_ref()), done);
    assert_eq!(gone(observed(|record| record.tearing_down = true).as_ref()), Decision::Wait);
}

#[test]
fn a_wait_without_commit_follows_the_newest_push() {
    assert_eq!(live(None), absent());
    assert_eq!(live(observed(|record| serves(record, 'a')).as_ref()), Decision::done("live", Exit::Done));
    let next = observed(|record| {
        serves(record, 'a');
        record.mailbox.push(&push('b'), Arrival::signal(1), Current::default());
    });
    assert_eq!((live(next.as_ref()), at_rest(next.as_ref())), (Decision::Wait, Decision::Wait));
}

#[test]
fn commit_that_was_taken_and_is_unknown_is_superseded() {
    let decide = |observed: Option<Status>| taken_commit(observed.as_ref(), &commit('a'));
    let queued = |record: &mut Record, digit| {
        record.mailbox.push(&push(digit), Arrival::signal(1), Current::default());
    };
    let overtaken = Decision::because("superseded", Exit::Superseded, "a newer push has taken its place");
    assert_eq!(decide(observed(|record| serves(record, 'b'))), overtaken);
    assert_eq!(decide(observed(|record| serves(record, 'a'))), Decision::done("live", Exit::Done));
    let next = observed(|record| {
        failed(record, 'a');
        queued(record, 'a');
    });
    assert_eq!(decide(next), Decision::Wait, "it failed before, and is next");
    let replaced = observed(|record| {
        queued(record, 'a');
        queued(record, 'b');
    });
    assert_eq!(decide(replaced), overtaken);
    assert_eq!(decide(observed(|record| record.closed = true)), closed());
}

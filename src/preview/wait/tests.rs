use berth_test_support::{commit, preview::push};
use berth_workflows::{
    contract::{
        phase::{Failed, PastRollout},
        signals::{Close, Push},
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
use crate::poll::Ending;

fn observed(change: impl FnOnce(&mut Record)) -> Option<Status> {
    let mut record = Record::default();
    change(&mut record);
    Some(Status::new("web", 1, &record))
}

fn serves(record: &mut Record, digit: char) {
    record.book.serving = Some(Serving {
        release: push(digit).release(),
        rollout: "r".into(),
        since_ms: 1,
        stored_release: None,
        secrets: None,
    });
}

#[test]
fn line_says_why_nothing_can_be_seen_of_a_release() {
    let status = observed(|record| {
        record.book.expect("preview-web-1", &QueuedRelease { ticket: 1, release: push('a').release() }, 1);
    });
    let mut status = status.unwrap();
    let line = |status: &Status| line(Some(&Seen::from(status.clone())));
    assert_eq!(line(&status), "RollingOut: aaaaaaa waits for the app file to be read");
    let mut awaits = Status::new("web", 1, &Record::default());
    awaits.waits_for = Some("the image of 4f2a9c1".into());
    assert_eq!(super::line(Some(&Seen::from(awaits))), "AwaitingPush: waits for the image of 4f2a9c1");
    status.rolling_out.as_mut().unwrap().not_observed = Some("no answer".into());
    assert_eq!(line(&status), "RollingOut: aaaaaaa waits for the app file to be read; not observed: no answer");
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
    assert_eq!(decide(&observed(|record| superseded(record, 'a'))), overtaken());
    assert_eq!(decide(&observed(|record| record.closed = true)), closed());
}

fn overtaken() -> Decision {
    Decision::because("superseded", Exit::Superseded, "a newer push has taken its place")
}

fn push_to(record: &mut Record, push: &Push) {
    record.mailbox.push(push, Arrival::signal(1), Current::default());
}

/// Decides about the commit of `a`, in an environment that was not seen before.
fn decide(change: impl FnOnce(&mut Record)) -> Decision {
    live_commit(observed(change).as_ref(), &commit('a'), &mut false)
}

#[test]
fn commit_that_never_began_ends_its_wait() {
    let overtaken_in_the_queue = decide(|record| {
        push_to(record, &push('a'));
        push_to(record, &push('b'));
    });
    assert_eq!(overtaken_in_the_queue, overtaken());
    let skipped = decide(|record| {
        push_to(record, &Push { sequence: Some(7), ..push('b') });
        push_to(record, &Push { sequence: Some(6), ..push('a') });
    });
    let why = "sequence 6 is older than 7, already seen";
    assert_eq!(skipped, Decision::because("skipped", Exit::Skipped, why));
    let pushed_again = decide(|record| {
        push_to(record, &push('a'));
        push_to(record, &push('b'));
        push_to(record, &push('a'));
    });
    assert_eq!(pushed_again, Decision::Wait);
    let closed = decide(|record| {
        push_to(record, &push('a'));
        record.mailbox.close(&Close::default(), Arrival::signal(1));
    });
    let why = "the environment was closed before it was live";
    assert_eq!(closed, Decision::because("closed", Exit::Absent, why));
}

#[test]
fn draft_ends_its_wait_as_skipped() {
    let draft = decide(|record| {
        record.take_rules(Ok(None));
        push_to(record, &Push { draft: true, ..push('a') });
    });
    let Decision::Done(Ending { outcome, exit, reason }) = draft else { panic!("{draft:?}") };
    assert_eq!((outcome.as_str(), exit), ("skipped", Exit::Skipped));
    assert!(reason.as_ref().unwrap().contains("draft"), "{reason:?}");
}

#[test]
fn queued_commit_is_waited_for_during_a_teardown() {
    let queued = |record: &mut Record| {
        record.tearing_down = true;
        push_to(record, &push('a'));
    };
    assert_eq!(decide(queued), Decision::Wait);
    assert_eq!(decide(|record| record.tearing_down = true), closed(), "it is not queued");
}

#[test]
fn commit_is_found_by_its_first_digits() {
    let short = Commit::try_from("AAAAAAA".to_owned()).unwrap();
    let status = observed(|record| serves(record, 'a'));
    assert_eq!(live_commit(status.as_ref(), &short, &mut false), Decision::done("live", Exit::Done));
    let several = observed(|record| {
        serves(record, 'a');
        let mut other = push('b');
        other.commit = Commit::try_from(format!("aaaaaaa{}", "0".repeat(33))).unwrap();
        push_to(record, &other);
    });
    let decision = live_commit(several.as_ref(), &short, &mut false);
    let Decision::Done(Ending { outcome, exit, reason: Some(reason) }) = decision else { panic!("{decision:?}") };
    assert_eq!((outcome.as_str(), exit), ("ambiguous", Exit::Usage));
    assert!(reason.starts_with("aaaaaaa is the start of aaaaaaa0") && reason.ends_with("give more digits"), "{reason}");
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
    assert_eq!(decide(observed(|record| serves(record, 'b'))), overtaken());
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
    assert_eq!(decide(replaced), overtaken());
    assert_eq!(decide(observed(|record| record.closed = true)), closed());
}

#[test]
fn redeploy_ends_beside_a_fork_that_waits() {
    let fork = |record: &mut Record| push_to(record, &Push { fork: true, ..push('b') });
    let serving = observed(|record| {
        serves(record, 'a');
        fork(record);
    });
    assert_eq!(serving.as_ref().unwrap().phase, Phase::AwaitingApproval);
    assert_eq!(at_rest(serving.as_ref()), Decision::done("live", Exit::Done));
    let broken = observed(|record| {
        serves(record, 'a');
        failed(record, 'a');
        fork(record);
    });
    assert_eq!(at_rest(broken.as_ref()), Decision::done("failed", Exit::Failed));
    assert_eq!(at_rest(observed(fork).as_ref()), Decision::done("awaiting_approval", Exit::Waiting));
}

#[test]
fn approval_ends_with_the_outcome_of_its_commit() {
    let fork = |digit| Push { fork: true, ..push(digit) };
    let decide = |observed: Option<Status>| approved(observed.as_ref(), &commit('a'));
    let live = observed(|record| {
        serves(record, 'a');
        push_to(record, &fork('b'));
    });
    assert_eq!(decide(live), Decision::done("live", Exit::Done), "a later push waits for its own approval");
    let overtaken_before = observed(|record| {
        push_to(record, &fork('a'));
        push_to(record, &fork('b'));
    });
    assert_eq!(decide(overtaken_before), overtaken());
    let Decision::Done(untaken) = decide(observed(|record| push_to(record, &fork('a')))) else { panic!() };
    assert_eq!((untaken.outcome.as_str(), untaken.exit), ("awaiting_approval", Exit::Waiting));
}

mod late;

use super::*;
use crate::contract::{
    environment::{ClusterObject, EnvironmentKind},
    release::{Commit, Image},
    rollout::RolledOut,
    stop_reason::StopReason,
    verdict::{FailureType, Verdict},
};

const NOW_MS: u64 = (DEPLOY_ID_EPOCH_SECONDS + 1000) * 1000;

fn queued(digit: char) -> QueuedRelease {
    let release = Release::new(
        Commit::try_from(digit.to_string().repeat(40)).unwrap(),
        Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
    );
    QueuedRelease { ticket: 1, release }
}

fn environment() -> Environment {
    Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1")
}

fn begin(book: &mut Book, digit: char) -> RolloutInput {
    book.begin(&environment(), &queued(digit), &StartTimings::default(), NOW_MS)
}

fn made(stored_release: &str) -> Made {
    Made { stored_release: Some(stored_release.to_owned()), serves: true, ..Made::default() }
}

fn live(stored_release: &str) -> RolloutEnd {
    RolloutEnd::Live(Box::new(RolledOut { made: made(stored_release), ..RolledOut::default() }))
}

/// The report of a rollout that is at its gates: its release serves by then.
fn progress(number: u64, stored_release: &str) -> RolloutProgress {
    RolloutProgress {
        number,
        step: RolloutStep::CheckingGates,
        waiting_for: None,
        cluster_objects: Vec::new(),
        serving: Some(stored_release.to_owned()),
        not_observed: None,
        deploy_id: None,
        touched: false,
    }
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

/// Rolls a release out, which ends as given. Returns the book's `served_before` and `proven` afterwards.
fn conclude(book: &mut Book, digit: char, end: RolloutEnd) -> (Option<String>, Option<String>) {
    begin(book, digit);
    book.conclude(queued(digit), end, NOW_MS, NOW_MS);
    (book.served_before.clone(), book.proven.clone())
}

fn gates_failed(stored_release: &str) -> RolloutEnd {
    let verdict = Verdict::new(FailureType::GateFailed, "404");
    RolloutEnd::Failed(Box::new(verdict), Box::new(made(stored_release)))
}

fn names(before: Option<&str>, proven: Option<&str>) -> (Option<String>, Option<String>) {
    (before.map(str::to_owned), proven.map(str::to_owned))
}

#[test]
fn redeploy_of_the_same_content_keeps_the_release_before() {
    let mut book = Book::default();
    assert_eq!(conclude(&mut book, 'a', live("stored-a")), names(None, Some("stored-a")));
    assert_eq!(conclude(&mut book, 'a', live("stored-a")), names(None, Some("stored-a")));
    conclude(&mut book, 'b', live("stored-b"));
    for _ in 0..2 {
        let after = conclude(&mut book, 'b', live("stored-b"));
        assert_eq!(after, names(Some("stored-a"), Some("stored-b")));
    }
    assert_eq!(begin(&mut book, 'b').keep, ["stored-b", "stored-a"]);
}

#[test]
fn redeploy_with_other_content_has_the_former_content_before_it() {
    // Other secrets or manifests make another stored release of the same commit.
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    assert_eq!(conclude(&mut book, 'a', live("stored-a2")), names(Some("stored-a"), Some("stored-a2")));
}

#[test]
fn return_to_an_earlier_release_has_the_later_one_before_it() {
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    conclude(&mut book, 'b', live("stored-b"));
    assert_eq!(conclude(&mut book, 'a', live("stored-a")), names(Some("stored-b"), Some("stored-a")));
    assert_eq!(conclude(&mut book, 'a', live("stored-a")), names(Some("stored-b"), Some("stored-a")));
}

#[test]
fn release_that_fails_its_gates_is_not_proven() {
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    assert_eq!(conclude(&mut book, 'b', gates_failed("stored-b")), names(Some("stored-a"), Some("stored-a")));
    assert_eq!(conclude(&mut book, 'b', gates_failed("stored-b")), names(Some("stored-a"), Some("stored-a")));
    assert_eq!(conclude(&mut book, 'c', gates_failed("stored-c")), names(Some("stored-b"), Some("stored-a")));
    assert_eq!(begin(&mut book, 'd').keep, ["stored-c", "stored-b", "stored-a"], "the proven one is not pruned");
}

#[test]
fn redeploy_that_fails_its_gates_leaves_its_release_proven() {
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    conclude(&mut book, 'b', live("stored-b"));
    assert_eq!(conclude(&mut book, 'b', gates_failed("stored-b")), names(Some("stored-a"), Some("stored-b")));
}

#[test]
fn stopped_rollout_proves_nothing_even_if_it_serves() {
    let stopped = || RolloutEnd::stopped(StopReason::Superseded { by: "c".repeat(40) });
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    assert_eq!(conclude(&mut book, 'b', stopped()), names(None, Some("stored-a")), "it never served");
    let number = begin(&mut book, 'b').number;
    book.record_progress(progress(number, "stored-b"));
    book.conclude(queued('b'), stopped(), NOW_MS, NOW_MS);
    assert_eq!((book.served_before, book.proven), names(Some("stored-a"), Some("stored-a")));
}

#[test]
fn secrets_are_those_of_what_serves() {
    let secrets = |version: &str| SyncedSecrets {
        secret: format!("web-{version}"),
        version: version.to_owned(),
        set_by_berth: Vec::new(),
        stale: Vec::new(),
        temporal_server_address: "temporal:7233".to_owned(),
        temporal_server_address_from_doppler: false,
    };
    let failed = |version: &str, serves| {
        let made = Made { secrets: Some(secrets(version)), serves, ..made(version) };
        RolloutEnd::Failed(Box::new(Verdict::new(FailureType::CrashLoop, "exit 1")), Box::new(made))
    };
    let shown = |book: &Book| book.shown_secrets().map(|secrets| secrets.version.clone());
    let mut book = Book::default();
    conclude(&mut book, 'a', failed("v1", false));
    assert_eq!(shown(&book).as_deref(), Some("v1"), "nothing serves");
    conclude(&mut book, 'a', failed("v2", true));
    assert_eq!(shown(&book).as_deref(), Some("v2"));
    conclude(&mut book, 'b', failed("v3", false));
    assert_eq!(shown(&book).as_deref(), Some("v2"), "v3 does not serve");
}

#[test]
fn environment_that_is_gone_has_no_release_before() {
    let mut book = Book::default();
    conclude(&mut book, 'a', live("stored-a"));
    conclude(&mut book, 'b', live("stored-b"));
    book.forget_environment();
    assert_eq!((&book.served_before, &book.proven, &book.serving), (&None, &None, &None));
}

#[test]
fn release_that_fails_its_gates_serves_and_is_failed() {
    let mut book = Book::default();
    begin(&mut book, 'a');
    let answer = book.conclude(queued('a'), gates_failed("stored-a"), NOW_MS, NOW_MS);
    assert_eq!((answer.outcome, answer.reason.as_deref()), (DeployOutcome::Failed, Some("GateFailed: 404")));
    assert_eq!(book.serving.as_ref().unwrap().release, queued('a').release);
    assert_eq!(book.current().serving, None, "a push of it is rolled out again");
}

#[test]
fn stopped_rollout_serves_only_after_it_reported_so() {
    let stop = || RolloutEnd::stopped(StopReason::Superseded { by: "b".repeat(40) });
    let mut book = Book::default();
    begin(&mut book, 'a');
    assert_eq!(book.conclude(queued('a'), stop(), NOW_MS, NOW_MS).outcome, DeployOutcome::Superseded);
    assert_eq!(book.serving, None);

    let number = begin(&mut book, 'a').number;
    assert!(!book.record_progress(progress(number + 1, "stored-a")), "another rollout's report is ignored");
    assert!(book.record_progress(progress(number, "stored-a")));
    book.conclude(queued('a'), stop(), NOW_MS, NOW_MS);
    assert_eq!(book.serving.unwrap().stored_release.as_deref(), Some("stored-a"));
}

#[test]
fn report_of_a_rollout_is_bounded() {
    let mut book = Book { environment: Some(environment()), ..Book::default() };
    let number = begin(&mut book, 'a').number;
    let last_deploy_id = book.last_deploy_id;
    let object = ClusterObject { api_version: "v1".into(), kind: "Namespace".into(), name: "n".repeat(10_000) };
    let long = || "x".repeat(10_000);
    assert!(book.record_progress(RolloutProgress {
        waiting_for: Some(long()),
        not_observed: Some(long()),
        cluster_objects: vec![object; 20],
        deploy_id: Some(u64::MAX),
        ..progress(number, &long())
    }));
    assert_eq!(book.last_deploy_id, last_deploy_id);
    let bytes = serde_json::to_vec(&book).unwrap().len();
    assert!(bytes < 3000, "{bytes}");

    let report = RolloutProgress { deploy_id: Some(last_deploy_id + 5), ..progress(number, "stored-a") };
    book.record_progress(report);
    assert_eq!(book.last_deploy_id, last_deploy_id + 5);
}

#[test]
fn rollout_that_fails_while_it_is_stopped_leaves_what_it_made() {
    let mut book = Book { environment: Some(environment()), ..Book::default() };
    conclude(&mut book, 'a', live("stored-a"));
    begin(&mut book, 'b');
    book.stop();
    let made = Made {
        stored_release: Some("stored-b".to_owned()),
        serves: true,
        namespace_uid: Some("uid".to_owned()),
        ..Made::default()
    };
    let stopped = RolloutEnd::Stopped(StopReason::Superseded { by: "c".repeat(40) }, Box::new(made));
    let answer = book.conclude(queued('b'), stopped, NOW_MS, NOW_MS);
    assert_eq!(answer.outcome, DeployOutcome::Superseded);
    let serving = book.serving.as_ref().and_then(|serving| serving.stored_release.as_deref());
    assert_eq!((serving, &book.failed), (Some("stored-b"), &None));
    assert_eq!(book.environment.and_then(|environment| environment.namespace_uid).as_deref(), Some("uid"));
}

#[test]
fn rollout_that_is_stopping_cannot_be_joined() {
    let mut book = Book::default();
    begin(&mut book, 'a');
    assert!(book.current().rolling_out.is_some());
    book.stop();
    assert!(book.current().rolling_out.is_none());
}

#[test]
fn nothing_counts_as_live_beside_a_stopped_rollout() {
    let mut book = Book::default();
    begin(&mut book, 'a');
    book.conclude(queued('a'), live("stored-a"), NOW_MS, NOW_MS);
    assert!(book.current().serving.is_some());
    begin(&mut book, 'b');
    book.stop();
    assert!(book.current().serving.is_none(), "its objects may be there");
    book.conclude(
        queued('b'),
        RolloutEnd::Stopped(StopReason::Superseded { by: "c".into() }, Box::default()),
        NOW_MS,
        NOW_MS,
    );
    assert!(book.current().serving.is_none(), "its objects may be there still");
    begin(&mut book, 'a');
    book.conclude(queued('a'), live("stored-a"), NOW_MS, NOW_MS);
    assert!(book.current().serving.is_some());
}

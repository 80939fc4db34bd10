use super::*;
use crate::contract::pull_request::{PullRequestState, Timestamp};

pub(crate) fn commit(digit: char) -> Commit {
    Commit::try_from(digit.to_string().repeat(40)).unwrap()
}

pub(crate) fn facts(head: char, second: u32) -> PullRequestFacts {
    PullRequestFacts {
        head: commit(head),
        state: PullRequestState::Open,
        draft: false,
        fork: false,
        labels: Vec::new(),
        locked: false,
        author: None,
        updated_at: Timestamp::try_from(format!("2026-11-28T07:15:{second:02}Z")).unwrap(),
        asked: false,
        ignored: Vec::new(),
    }
}

pub(crate) fn closed(head: char, second: u32) -> PullRequestFacts {
    PullRequestFacts { state: PullRequestState::Closed, ..facts(head, second) }
}

pub(crate) fn rules() -> GithubRules {
    GithubRules {
        repository_id: 7,
        reports: true,
        comment: true,
        commands: true,
        drafts: false,
        label: None,
        skip_label: None,
        production_environment: None,
        temporal_ui: None,
    }
}

fn refused(facts: &Facts, digit: char) -> Option<DeployOutcome> {
    facts.refuse(&commit(digit)).map(|(outcome, _)| outcome)
}

#[test]
fn push_is_skipped_only_if_newer_facts_name_another_head() {
    let mut known = Facts::default();
    assert_eq!(refused(&known, 'a'), None, "no facts have come");
    known.take(facts('a', 1)).unwrap();
    assert_eq!((refused(&known, 'a'), refused(&known, 'b')), (None, None), "nothing has named b yet");
    known.take(facts('b', 2)).unwrap();
    assert_eq!(known.refuse(&commit('a')).unwrap().1, "aaaaaaa is not the head any more: bbbbbbb is");
    assert_eq!((refused(&known, 'b'), refused(&known, 'c')), (None, None));
    known.take(facts('a', 3)).unwrap();
    assert_eq!((refused(&known, 'a'), refused(&known, 'b')), (None, Some(DeployOutcome::Skipped)), "pushed back to a");
}

#[test]
fn older_facts_change_nothing_but_name_an_earlier_head() {
    let mut known = Facts::default();
    known.take(facts('b', 2)).unwrap();
    let ignored = known.take(closed('a', 1)).unwrap_err();
    assert!(ignored.contains("2026-11-28T07:15:01Z are older than those of 2026-11-28T07:15:02Z"), "{ignored}");
    assert_eq!(refused(&known, 'a'), Some(DeployOutcome::Skipped));
    assert!(!known.newest().unwrap().is_closed());
}

#[test]
fn closed_beats_open_within_one_second_until_github_is_asked() {
    for closed_first in [true, false] {
        let mut known = Facts::default();
        let (first, second) = (facts('a', 1), closed('a', 1));
        let (first, second) = if closed_first { (second, first) } else { (first, second) };
        let first_closes = known.take(first).unwrap();
        let second_closes = known.take(second);
        assert_eq!((first_closes, second_closes.is_err()), (closed_first, closed_first));
        assert!(known.newest().unwrap().is_closed(), "{closed_first}");
        assert_eq!(known.take(PullRequestFacts { asked: true, ..facts('a', 1) }), Ok(false));
        assert!(known.is_reopened() && known.take(closed('a', 1)).is_err(), "GitHub was asked");
    }
}

#[test]
fn heads_of_one_second_are_both_taken() {
    let mut known = Facts::default();
    known.take(facts('a', 1)).unwrap();
    known.take(facts('b', 1)).unwrap();
    assert_eq!((refused(&known, 'a'), refused(&known, 'b')), (None, None), "it is not known which is newer");
}

#[test]
fn close_is_news_once_and_again_if_it_is_later() {
    let mut known = Facts::default();
    known.take(facts('a', 1)).unwrap();
    let closes: Vec<_> = [2, 2, 3].into_iter().map(|second| known.take(closed('a', second)).unwrap()).collect();
    assert_eq!(closes, [true, false, true]);
    assert_eq!((refused(&known, 'a'), refused(&known, 'b')), (Some(DeployOutcome::Closed), None));
    assert!(!known.is_reopened());
    known.take(facts('a', 4)).unwrap();
    assert!(known.is_reopened() && refused(&known, 'a').is_none());
}

#[test]
fn rules_are_read_again_when_facts_change() {
    let mut known = Facts::default();
    assert!(!known.need_rules(false) && known.need_rules(true), "only a draft is judged by them without facts");
    known.set_rules(Some(rules()));
    assert!(!known.need_rules(true));
    known.take(facts('a', 1)).unwrap();
    assert!(known.need_rules(false));
    known.set_rules(Some(rules()));
    known.take(facts('a', 2)).unwrap();
    assert!(!known.are_rules_due(), "they say the same");
    known.take(PullRequestFacts { labels: vec!["x".into()], ..facts('a', 3) }).unwrap();
    assert!(known.are_rules_due());
    known.keep_rules();
    assert_eq!(known.github(), Some(&rules()));
}

#[test]
fn drafts_and_labels_hold_pushes_as_the_app_file_says() {
    let (label, skip_label) = (Some("preview".to_owned()), Some("no-preview".to_owned()));
    let by_label = GithubRules { label, skip_label, ..rules() };
    let drafts = GithubRules { drafts: true, ..rules() };
    let with = |draft, labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Some(PullRequestFacts { draft, labels, ..facts('a', 1) })
    };
    let cases = [
        (None, None, false, None),
        (None, None, true, Some("the pull request to be ready for review")),
        (Some(&drafts), None, true, None),
        (Some(&drafts), with(true, &[]), true, None),
        (Some(&by_label), None, false, None),
        (Some(&by_label), with(false, &[]), false, Some("the label preview")),
        (Some(&by_label), with(false, &["Preview"]), true, None),
        (Some(&by_label), with(true, &["preview"]), false, Some("the pull request to be ready for review")),
        (
            Some(&by_label),
            with(false, &["preview", "no-preview"]),
            false,
            Some("the label no-preview to be taken away"),
        ),
    ];
    for (rules, newest, draft, waits_for) in cases {
        let mut known = Facts { newest, ..Facts::default() };
        known.set_rules(rules.cloned());
        assert_eq!(known.hold(draft).map(|hold| hold.waits_for()).as_deref(), waits_for, "{known:?}");
    }
}

#[test]
fn awaited_head_is_the_one_whose_image_has_not_come() {
    let release = |digit| {
        Release::new(
            commit(digit),
            crate::contract::release::Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap(),
        )
    };
    let mut known = Facts::default();
    assert_eq!(known.awaited_head(None), None);
    known.take(facts('a', 1)).unwrap();
    assert_eq!(known.awaited_head(None), Some(&commit('a')));
    assert_eq!(known.awaited_head(Some(&release('a'))), None);
    assert_eq!(known.awaited_head(Some(&release('c'))), None, "it may be newer than the facts");
    known.take(facts('b', 2)).unwrap();
    assert_eq!(known.awaited_head(Some(&release('a'))), Some(&commit('b')));
}

#[test]
fn carried_facts_have_only_labels_of_the_rules() {
    let labels = (0..99).map(|n| format!("{n:x>50}")).chain(["Preview".to_owned()]).collect();
    let mut known = Facts { newest: Some(PullRequestFacts { labels, ..facts('a', 1) }), ..Facts::default() };
    known.set_rules(Some(GithubRules { label: Some("preview".into()), ..rules() }));
    known.shorten();
    assert_eq!(known.newest().unwrap().labels, ["Preview"]);
    assert_eq!(known.hold(false), None);
}

#[test]
fn carried_facts_keep_labels_while_the_rules_are_to_be_read() {
    let mut known = Facts::default();
    known.take(PullRequestFacts { labels: vec!["no-preview".into()], ..facts('a', 1) }).unwrap();
    known.shorten();
    known.set_rules(Some(GithubRules { skip_label: Some("no-preview".into()), ..rules() }));
    assert_eq!(known.hold(false), Some(Hold::SkipLabel("no-preview".into())));
}

//! Pushes that wait for facts about the pull request.

use super::*;
use crate::{
    contract::load_app::GithubRules,
    preview_environment::facts::tests::{closed, facts, rules},
};

fn mailbox(rules: GithubRules) -> Mailbox {
    let mut mailbox = Mailbox::default();
    mailbox.facts.set_rules(Some(rules));
    mailbox
}

fn draft(digit: char) -> Push {
    Push { draft: true, ..push(digit, None) }
}

fn take(mailbox: &mut Mailbox, facts: PullRequestFacts) {
    mailbox.take_facts(facts, signal(1), Current::default()).unwrap();
    mailbox.facts.set_rules(mailbox.facts.github().cloned());
    mailbox.settle(Current::default());
}

fn next(mailbox: &Mailbox) -> Option<char> {
    mailbox.queue.next().and_then(|release| release.commit.as_str().chars().next())
}

#[test]
fn newest_push_of_a_draft_goes_on_when_it_is_ready() {
    let mut mailbox = mailbox(rules());
    for digit in ['a', 'b'] {
        let Delivery::Answered(answer) = mailbox.push(&draft(digit), signal(1), Current::default()) else { panic!() };
        assert_eq!(answer.outcome, DeployOutcome::Skipped);
        let reason = "the pull request is a draft: it waits for the pull request to be ready for review";
        assert_eq!(answer.reason.as_deref(), Some(reason));
    }
    assert!(!mailbox.has_work() && mailbox.is_wanted());
    take(&mut mailbox, facts('b', 1));
    assert_eq!((next(&mailbox), mailbox.held()), (Some('b'), None));
}

#[test]
fn approved_draft_of_a_fork_waits_once_the_app_file_holds_drafts() {
    let mut mailbox = mailbox(GithubRules { drafts: true, ..rules() });
    let pushed = mailbox.push(&Push { fork: true, ..draft('a') }, signal(1), Current::default());
    assert_eq!(outcome(pushed), DeployOutcome::AwaitingApproval);
    mailbox.facts.set_rules(Some(rules()));
    let approve = Approve { commit: push('a', None).commit, image: None, by: None };
    mailbox.approve(&approve, Current::default()).unwrap();
    assert_eq!((next(&mailbox), mailbox.held().unwrap().1), (None, Some(Hold::Draft)));
    take(&mut mailbox, facts('a', 1));
    assert_eq!(next(&mailbox), Some('a'));
}

#[test]
fn push_without_the_label_goes_on_when_it_comes() {
    let mut mailbox = mailbox(GithubRules { label: Some("preview".into()), ..rules() });
    take(&mut mailbox, facts('a', 1));
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(1), Current::default())), DeployOutcome::Skipped);
    assert_eq!(mailbox.held().unwrap().1, Some(Hold::Label("preview".into())));
    take(&mut mailbox, PullRequestFacts { labels: vec!["preview".into()], ..facts('a', 2) });
    assert_eq!(next(&mailbox), Some('a'));
}

#[test]
fn push_that_waits_is_dropped_when_newer_facts_name_another_head() {
    let mut mailbox = mailbox(rules());
    take(&mut mailbox, PullRequestFacts { draft: true, ..facts('a', 1) });
    mailbox.push(&push('a', None), signal(1), Current::default());
    assert!(mailbox.held().is_some());
    take(&mut mailbox, PullRequestFacts { draft: true, ..facts('b', 2) });
    assert_eq!((mailbox.held(), next(&mailbox)), (None, None));
}

#[test]
fn sender_waits_for_the_rules_and_stops_nothing_before() {
    let mut mailbox = mailbox(GithubRules { label: Some("preview".into()), ..rules() });
    mailbox.take_facts(facts('a', 1), signal(1), Current::default()).unwrap();
    assert_eq!(mailbox.push(&push('a', None), signal(1), Current::default()), Delivery::Waiting(1));
    assert_eq!(mailbox.push(&push('a', None), signal(1), Current::default()), Delivery::Waiting(1), "it joins");
    assert_eq!((mailbox.has_work(), mailbox.stop_reason()), (false, None));
    mailbox.facts.set_rules(Some(GithubRules { label: Some("preview".into()), ..rules() }));
    mailbox.settle(Current::default());
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Skipped);

    mailbox.take_facts(facts('b', 2), signal(1), Current::default()).unwrap();
    assert_eq!(mailbox.push(&push('b', None), signal(1), Current::default()), Delivery::Waiting(2));
    assert_eq!(mailbox.push(&push('c', None), signal(1), Current::default()), Delivery::Waiting(3));
    assert_eq!(mailbox.queue.answer_to(2).unwrap().outcome, DeployOutcome::Superseded);
    mailbox.facts.set_rules(None);
    mailbox.settle(Current::default());
    assert_eq!((next(&mailbox), mailbox.queue.next_ticket()), (Some('c'), Some(3)), "it keeps its ticket");
}

#[test]
fn push_that_serves_already_is_live_though_the_rules_are_due() {
    let mut mailbox = Mailbox::default();
    mailbox.take_facts(facts('a', 1), signal(1), Current::default()).unwrap();
    let live = push('a', None).release();
    let current = Current { serving: Some(&live), rolling_out: None };
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(1), current)), DeployOutcome::Live);
}

#[test]
fn fork_is_known_by_facts_whatever_the_push_says() {
    let mut mailbox = mailbox(GithubRules { label: Some("preview".into()), ..rules() });
    let labelled = |second| PullRequestFacts { fork: true, labels: vec!["preview".into()], ..facts('a', second) };
    take(&mut mailbox, PullRequestFacts { labels: Vec::new(), ..labelled(1) });
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(1), Current::default())), DeployOutcome::Skipped);
    take(&mut mailbox, labelled(2));
    let waiting = mailbox.awaiting_approval().map(|release| release.commit.clone());
    assert_eq!((waiting, next(&mailbox)), (Some(push('a', None).commit), None), "a label is no approval");
    take(&mut mailbox, PullRequestFacts { labels: Vec::new(), ..labelled(3) });
    let approve = Approve { commit: push('a', None).commit, image: None, by: None };
    mailbox.approve(&approve, Current::default()).unwrap();
    assert_eq!((next(&mailbox), mailbox.held().is_some()), (None, true), "an approval is no label");
    take(&mut mailbox, labelled(4));
    assert_eq!(next(&mailbox), Some('a'), "it is not asked for twice");
}

#[test]
fn closed_facts_are_a_close() {
    let mut mailbox = mailbox(rules());
    take(&mut mailbox, PullRequestFacts { draft: true, ..facts('a', 1) });
    mailbox.push(&push('a', None), signal(1), Current::default());
    take(&mut mailbox, closed('a', 2));
    assert!(mailbox.is_close_requested() && mailbox.held().is_none());
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(2), Current::default())), DeployOutcome::Closed);
    assert!(mailbox.take_close() && !mailbox.is_wanted());
    take(&mut mailbox, facts('a', 3));
    assert!(mailbox.is_wanted() && !mailbox.has_work(), "it was opened again");
}

#[test]
fn sender_that_waits_is_answered_by_a_close() {
    let mut mailbox = Mailbox::default();
    mailbox.take_facts(facts('a', 1), signal(1), Current::default()).unwrap();
    assert_eq!(mailbox.push(&push('a', None), signal(1), Current::default()), Delivery::Waiting(1));
    mailbox.close(&Close::default(), signal(2));
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Closed);
}

#[test]
fn push_that_waits_in_the_queue_waits_for_approval_once_it_is_a_forks() {
    let mut mailbox = mailbox(rules());
    assert_eq!(mailbox.push(&push('a', None), signal(1), Current::default()), Delivery::Waiting(1));
    take(&mut mailbox, PullRequestFacts { fork: true, ..facts('a', 1) });
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::AwaitingApproval);
    assert_eq!((next(&mailbox), mailbox.awaiting_approval().is_some()), (None, true));
}

#[test]
fn approved_image_of_a_fork_is_not_asked_for_again() {
    let mut mailbox = mailbox(rules());
    let (approved, other) = (push('a', None).release(), Push { image: push('b', None).image, ..push('a', None) });
    let live = Current { serving: Some(&approved), rolling_out: None };
    let fork = |push: Push| Push { fork: true, ..push };
    assert_eq!(outcome(mailbox.push(&fork(push('a', None)), signal(1), live)), DeployOutcome::Live);
    assert_eq!(outcome(mailbox.push(&fork(other), signal(1), live)), DeployOutcome::AwaitingApproval);
}

fn fork(digit: char) -> Push {
    Push { fork: true, ..push(digit, None) }
}

#[test]
fn version_of_a_fork_that_serves_needs_no_second_approval_before_rules() {
    let mut mailbox = mailbox(rules());
    let serving = push('a', None).release();
    let current = Current { serving: Some(&serving), rolling_out: None };
    mailbox.take_facts(PullRequestFacts { fork: true, ..facts('a', 1) }, signal(1), current).unwrap();
    assert!(mailbox.facts.are_rules_due());
    assert_eq!(outcome(mailbox.push(&fork('a'), signal(1), current)), DeployOutcome::Live);
}

#[test]
fn push_that_joins_while_rules_are_due_replaces_one_that_waits_for_approval() {
    let mut mailbox = mailbox(rules());
    let serving = push('a', None).release();
    let current = Current { serving: Some(&serving), rolling_out: None };
    mailbox.push(&fork('b'), signal(1), current);
    mailbox.take_facts(facts('c', 1), signal(1), current).unwrap();
    assert_eq!(outcome(mailbox.push(&push('a', None), signal(1), current)), DeployOutcome::Live);
    assert_eq!(mailbox.awaiting_approval(), None);
}

#[test]
fn approval_counts_for_a_second_push_of_the_version_while_it_is_held() {
    let mut mailbox = mailbox(rules());
    mailbox.push(&fork('a'), signal(1), Current::default());
    mailbox.take_facts(facts('a', 1), signal(1), Current::default()).unwrap();
    let approve = Approve { commit: push('a', None).commit, image: None, by: None };
    mailbox.approve(&approve, Current::default()).unwrap();
    assert_eq!(mailbox.push(&fork('a'), signal(1), Current::default()), Delivery::Waiting(1));
    mailbox.facts.set_rules(Some(rules()));
    mailbox.settle(Current::default());
    assert_eq!((next(&mailbox), mailbox.awaiting_approval()), (Some('a'), None));
}

#[test]
fn approval_is_needed_if_either_of_two_pushes_is_of_a_fork() {
    for (first, second) in [(fork('a'), push('a', None)), (push('a', None), fork('a'))] {
        let mut mailbox = mailbox(rules());
        mailbox.take_facts(facts('a', 1), signal(1), Current::default()).unwrap();
        mailbox.push(&first, signal(1), Current::default());
        mailbox.push(&second, signal(1), Current::default());
        mailbox.facts.set_rules(Some(rules()));
        mailbox.settle(Current::default());
        assert!(next(&mailbox).is_none() && mailbox.awaiting_approval().is_some());
    }
}

#[test]
fn older_push_does_not_wait_for_approval_beside_a_newer_one() {
    let mut mailbox = mailbox(rules());
    mailbox.push(&push('a', None), signal(1), Current::default());
    mailbox.push(&draft('b'), signal(1), Current::default());
    take(&mut mailbox, PullRequestFacts { fork: true, draft: true, ..facts('b', 1) });
    assert_eq!((next(&mailbox), mailbox.awaiting_approval()), (None, None));
    assert_eq!(mailbox.queue.answer_to(1).unwrap().outcome, DeployOutcome::Superseded);
    assert_eq!(mailbox.held().unwrap().0.commit, push('b', None).commit);
}

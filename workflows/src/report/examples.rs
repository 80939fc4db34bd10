//! Previews in each state, for the tests of reports.

use crate::{
    contract::{
        environment::{Environment, EnvironmentKind, PullRequest},
        load_app::GithubRules,
        release::{Commit, Image, Name},
        rollout::{Made, RolledOut, RolloutProgress, RolloutStep},
        signals::{Approve, Push},
        timings::StartTimings,
        verdict::{FailureType, Verdict},
    },
    environment::{
        arrival::Arrival,
        book::RolloutEnd,
        queue::{Current, QueuedRelease},
    },
    preview_environment::{
        facts::tests::{commit, facts, rules},
        record::Record,
    },
    report::View,
};

pub(super) fn rules_with_pages() -> GithubRules {
    GithubRules { temporal_ui: Some("https://temporal.example.com/".into()), ..rules() }
}

pub(super) fn push(digit: char) -> Push {
    Push {
        author: Some(Name::try_from("octocat".to_owned()).unwrap()),
        ..Push::new(
            commit(digit),
            Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
        )
    }
}

/// A preview, and what is to be shown of it.
#[derive(Default)]
pub(super) struct Example {
    pub(super) record: Record,
    second: u32,
    now_ms: u64,
}

impl Example {
    pub(super) fn new() -> Self {
        let mut example = Self::default();
        example.record.take_rules(Ok(Some(rules_with_pages())));
        example
    }

    pub(super) fn view(&self) -> View {
        self.record.view(&PullRequest::new("web", 123), "ci").unwrap()
    }

    pub(super) fn head(&mut self, digit: char) {
        self.second += 1;
        self.record.take_facts(facts(digit, self.second), Arrival::signal(self.second)).unwrap();
        self.record.take_rules(Ok(Some(rules_with_pages())));
    }

    pub(super) fn fork(&mut self, digit: char) {
        self.record.deliver(&Push { fork: true, ..push(digit) }, Arrival::signal(1));
    }

    pub(super) fn approve(&mut self, digit: char) {
        let approve = Approve { commit: commit(digit), image: None, by: None };
        self.record.mailbox.approve(&approve, Current::default()).unwrap();
    }

    /// Delivers a push, if there is one, and begins the rollout of the newest.
    pub(super) fn begin(&mut self, digit: Option<char>) -> QueuedRelease {
        if let Some(digit) = digit {
            self.record.deliver(&push(digit), Arrival::signal(1));
        }
        let queued = self.record.mailbox.take_push().unwrap();
        let mut environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 123 }, "preview-web-123");
        environment.namespace = "pr-123".into();
        environment.host = "pr-123.example.com".into();
        environment.temporal_ui_host = Some("pr-123-temporal.example.com".into());
        environment.scheme = "https".into();
        self.record.book.environment = Some(environment.clone());
        self.now_ms += 1_000_000;
        self.record.book.begin(&environment, &queued, &StartTimings::default(), self.now_ms);
        self.record.book.record_progress(RolloutProgress {
            number: self.record.book.last_number,
            step: RolloutStep::AwaitingRollout,
            waiting_for: None,
            cluster_objects: Vec::new(),
            serving: None,
            not_observed: None,
            deploy_id: None,
            touched: true,
        });
        queued
    }

    pub(super) fn end(&mut self, queued: QueuedRelease, end: RolloutEnd) {
        let started = self.now_ms;
        self.now_ms += 12_345;
        self.record.book.conclude(queued, end, started, self.now_ms);
    }

    pub(super) fn live(&mut self, digit: char) {
        let queued = self.begin(Some(digit));
        let made = Made { stored_release: Some(format!("berth-release-{digit}")), serves: true, ..Made::default() };
        let rolled_out = RolledOut { made, ..RolledOut::default() };
        self.end(queued, RolloutEnd::Live(Box::new(rolled_out)));
    }

    pub(super) fn failed(&mut self, digit: char, verdict: Verdict) {
        let queued = self.begin(Some(digit));
        self.end(queued, RolloutEnd::Failed(Box::new(verdict), Box::default()));
    }

    pub(super) fn close(&mut self) {
        self.record.forget_environment();
        self.record.closed = true;
    }
}

/// A verdict whose texts come from outside.
pub(super) fn crash_loop() -> Verdict {
    let mut verdict = Verdict::new(FailureType::CrashLoop, "exits again and again: ask @octocat\n| <b>`now`</b>");
    verdict.workload = Some("Deployment/web".into());
    verdict.container = Some("web".into());
    verdict.exit_code = Some(1);
    verdict.log_tail = (1..=25).map(|n| format!("{n} ``` @acme/team [x](http://evil.example) <img src=x>")).collect();
    verdict.events = vec!["BackOff: Back-off restarting failed container".into()];
    verdict.advice = "read its log, then push again".into();
    verdict.bounded()
}

/// A commit of abbreviated digits.
pub(super) fn abbreviated(digit: char) -> Commit {
    Commit::try_from(digit.to_string().repeat(7)).unwrap()
}

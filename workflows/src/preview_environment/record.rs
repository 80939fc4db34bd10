//! The state of a preview: carried from run to run, shown by `status`, and the source of its phase.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        environment::Environment,
        load_app::GithubRules,
        phase::Phase,
        pull_request::PullRequestFacts,
        release::Release,
        signals::{DeployOutcome, Push},
        stop_reason::StopReason,
        teardown::{LeakReport, Remaining},
        verdict::truncate,
    },
    environment::{
        arrival::Arrival,
        book::Book,
        carry,
        notes::Notes,
        queue::{Current, Delivery},
    },
    preview_environment::{commands::Commands, mailbox::Mailbox, running_scripts::RunningScripts},
    report::Reports,
};

/// The answer to a push during a blocked teardown.
pub const TEARDOWN_BLOCKED: &str = "the old environment is not gone yet, and status says why; a new one follows";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    #[serde(flatten)]
    pub book: Book,
    pub mailbox: Mailbox,
    pub tearing_down: bool,
    /// The report of the last attempt at the teardown.
    pub teardown: Option<LeakReport>,
    /// The teardown follows a cancel of a run that this one continues.
    pub was_cancelled: bool,
    pub closed: bool,
    pub notes: Notes,
    pub scripts: RunningScripts,
    /// What was shown on GitHub.
    #[serde(skip_serializing_if = "Reports::is_empty")]
    pub reports: Reports,
    #[serde(skip_serializing_if = "Commands::is_empty")]
    pub commands: Commands,
}

impl Record {
    /// The phase follows from the rest: there is no second place to keep in step.
    pub fn phase(&self) -> Phase {
        if self.closed {
            Phase::Closed
        } else if self.tearing_down || self.mailbox.is_close_requested() {
            match &self.teardown {
                Some(report) if !report.remaining.is_empty() => Phase::TeardownBlocked,
                _ => Phase::TearingDown,
            }
        } else if self.book.rolling_out.is_some() || self.mailbox.queue.next().is_some() {
            Phase::RollingOut
        } else if self.mailbox.awaiting_approval().is_some() {
            Phase::AwaitingApproval
        } else if self.book.failed.is_some() {
            Phase::Failed
        } else if self.book.serving.is_some() {
            Phase::Live
        } else {
            Phase::AwaitingPush
        }
    }

    /// Puts a push in. Returns its answer, or the ticket to wait under.
    pub fn deliver(&mut self, push: &Push, arrival: Arrival) -> Delivery {
        let (mailbox, current) = self.mailbox_and_current();
        match mailbox.push(push, arrival, current) {
            Delivery::Answered(mut answer) if answer.outcome == DeployOutcome::Live => {
                answer.url = self.book.environment.as_ref().map(Environment::url);
                answer.rollout = self.book.serving.as_ref().map(|serving| serving.rollout.clone());
                Delivery::Answered(answer)
            }
            // It may take days until the old environment is gone, too long for an open update.
            Delivery::Waiting(ticket) if self.phase() == Phase::TeardownBlocked => {
                self.mailbox.queue.answer_queued(TEARDOWN_BLOCKED);
                Delivery::Waiting(ticket)
            }
            delivery => delivery,
        }
    }

    /// Puts facts about the pull request in.
    ///
    /// # Errors
    /// The reason why they are ignored.
    pub fn take_facts(&mut self, mut facts: PullRequestFacts, arrival: Arrival) -> Result<(), String> {
        let ignored = std::mem::take(&mut facts.ignored);
        if !ignored.is_empty() {
            self.notes.add(format!("pull_request: ignored what this version does not know: {}", ignored.join(", ")));
        }
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.take_facts(facts, arrival, current)
    }

    /// Takes the app file's rules for GitHub in. A push that waited for them goes on.
    pub fn take_rules(&mut self, rules: Result<Option<GithubRules>, String>) {
        match rules {
            Ok(github) => self.mailbox.facts.set_rules(github),
            Err(why) => {
                self.notes.add(format!("the app file's rules for pull requests: {why}"));
                self.mailbox.facts.keep_rules();
            }
        }
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.settle(current);
    }

    /// Something still to come that the newest commit waits for, to be read after "waits for".
    pub fn waits_for(&self) -> Option<String> {
        if self.is_closing() {
            return None;
        }
        let facts = &self.mailbox.facts;
        if let Some((_, hold)) = self.mailbox.held() {
            return Some(hold.map_or_else(|| "the app file to be read".to_owned(), |hold| hold.waits_for()));
        }
        if let Some(waiting) = self.mailbox.awaiting_approval() {
            return Some(format!("approval of commit {}", waiting.commit));
        }
        let head = facts.awaited_head(self.newest_release())?;
        let image = format!("the image of {}", head.short());
        Some(facts.hold(false).map_or_else(|| image.clone(), |hold| format!("{}, and {image}", hold.waits_for())))
    }

    /// Queues the newest release once more.
    ///
    /// # Errors
    /// There is none, or the environment closes.
    pub fn redeploy(&mut self) -> Result<(), String> {
        // No further close would come to remove what it made.
        if self.is_closing() {
            return Err(StopReason::EnvironmentCloses.to_string());
        }
        let release = self.newest_release().cloned().ok_or("nothing has been pushed yet")?;
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.queue.put_again(release, current);
        Ok(())
    }

    /// Mailbox and the releases that a new push is compared with. Nothing that is torn down can be joined.
    pub fn mailbox_and_current(&mut self) -> (&mut Mailbox, Current<'_>) {
        let current = if self.tearing_down { Current::default() } else { self.book.current() };
        (&mut self.mailbox, current)
    }

    /// The newest release that was asked for, however it went.
    pub fn newest_release(&self) -> Option<&Release> {
        self.book.newest_release(&self.mailbox.queue)
    }

    /// The state for the next run of the workflow: the same, with short texts. If it is long all the same, past rollouts
    /// and notes are dropped, since nothing is decided by them.
    pub fn to_carry(&self) -> Self {
        let mut carried = self.clone();
        carried.book.shorten();
        carried.mailbox.facts.shorten();
        if let Some(report) = &mut carried.teardown {
            report.shorten();
        }
        // Not `||`: a rollout and a note are dropped at a time.
        carry::shorten(&mut carried, |record| record.book.drop_oldest_rollout() | record.notes.drop_oldest());
        carried
    }

    /// Whether a close has come, and nothing of a new environment has begun yet.
    pub fn is_closing(&self) -> bool {
        self.tearing_down || self.closed || self.mailbox.is_close_requested()
    }

    /// Forgets an environment that is verified gone.
    pub fn forget_environment(&mut self) {
        self.book.forget_environment();
        self.tearing_down = false;
        self.teardown = None;
    }
}

impl LeakReport {
    /// How many objects that remain are carried to the next run. Each attempt finds all of them again.
    const MAX_CARRIED: usize = 3;

    /// The start of what remains, in short.
    fn shorten(&mut self) {
        self.gone.clear();
        self.remaining.truncate(Self::MAX_CARRIED);
        for Remaining { object, reason, command } in &mut self.remaining {
            truncate(object, 300);
            truncate(reason, 200);
            truncate(command, 300);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        environment::{ClusterObject, Environment, EnvironmentKind},
        exact,
        phase::{Failed, PastRollout},
        release::*,
        signals::{DeployOutcome, Push},
        verdict::{FailureType, Verdict},
    };
    use crate::environment::book::Serving;

    /// JSON needs two bytes for each quote.
    fn longest_release() -> Release {
        let name = || Some(Name::try_from("\"".repeat(255)).unwrap());
        let digest = "a".repeat(64);
        Release {
            commit: Commit::try_from("a".repeat(64)).unwrap(),
            image: Image::try_from(format!("{}:{}@sha256:{digest}", "r".repeat(300), "t".repeat(128))).unwrap(),
            author: name(),
            branch: name(),
            number: None,
        }
    }

    /// A record with the longest texts.
    fn longest_record() -> Record {
        let mut record = Record::default();
        record.book.served_before = Some("x".repeat(63));
        record.book.proven = Some("p".repeat(63));
        for number in 0..100 {
            record.notes.add("\"".repeat(10_000));
            record.book.remember(PastRollout {
                number,
                commit: "a".repeat(64),
                outcome: DeployOutcome::AwaitingApproval,
                author: longest_release().author,
                ms: u64::MAX,
                failure: Some(FailureType::DatabaseUnavailable.to_string()),
                release: None,
                rollback: false,
            });
        }
        let mut verdict = Verdict::new(FailureType::CrashLoop, "\"".repeat(10_000)).advise("a".repeat(1000));
        verdict.log_tail = vec!["l".repeat(500); 100];
        let Release { commit, image, author, branch, .. } = longest_release();
        let push =
            Push { commit, image, sequence: Some(u64::MAX), author, branch, fork: true, draft: false, proof: None };
        record.mailbox.push(&push, Arrival::signal(1), Current::default());
        let remaining = Remaining { object: "o".repeat(300), reason: "\"".repeat(500), command: "c".repeat(500) };
        record.teardown = Some(LeakReport { gone: vec!["g".repeat(300); 100], remaining: vec![remaining; 100] });
        record.book.failed = Some(Failed { release: longest_release(), rollout: Some("r".repeat(80)), verdict });
        record.book.serving = Some(Serving {
            release: longest_release(),
            rollout: "r".repeat(80),
            since_ms: u64::MAX,
            stored_release: Some("s".repeat(63)),
        });
        let mut environment =
            Environment::unrecorded("a".repeat(30), EnvironmentKind::Preview { pr: u64::MAX }, "w".repeat(60));
        environment.record_cluster_objects((0..100).map(|n| ClusterObject {
            api_version: "scheduling.k8s.io/v1".into(),
            kind: "PriorityClass".into(),
            name: format!("{n:0>253}"),
        }));
        record.book.environment = Some(environment);
        record
    }

    #[test]
    fn carried_state_is_short_with_the_longest_texts() {
        let record = longest_record();
        let carried = record.to_carry();
        let bytes = serde_json::to_vec(&carried).unwrap().len();
        assert!(bytes <= carry::TARGET_BYTES, "{bytes} bytes");
        assert_eq!(
            (carried.mailbox, carried.book.serving),
            (record.mailbox, record.book.serving),
            "needed state stays"
        );
        assert_eq!(carried.teardown.unwrap().remaining.len(), LeakReport::MAX_CARRIED);
    }

    #[test]
    fn phase_is_failed_while_an_older_release_serves() {
        let mut record = Record::default();
        record.book.serving =
            Some(Serving { release: longest_release(), rollout: "r".into(), since_ms: 0, stored_release: None });
        record.book.failed = Some(Failed {
            release: longest_release(),
            rollout: None,
            verdict: Verdict::new(FailureType::NotReady, "no"),
        });
        assert_eq!(record.phase(), Phase::Failed);
        // A push of the serving release must be rolled out: objects of the failed one may be there instead of its own.
        assert_eq!(record.book.current().serving, None);
    }
    #[test]
    fn carried_state_reads_whole_in_the_same_version() {
        let mut record = longest_record();
        record.scripts.last_number = 3;
        let carried = serde_json::to_value(record.to_carry()).unwrap();
        assert_eq!(exact::decode::<Record>(carried), Ok(record.to_carry()));
    }

    #[test]
    fn carried_state_with_a_part_more_is_refused() {
        for pointer in [
            "",
            "/environment",
            "/serving",
            "/serving/release",
            "/failed/verdict",
            "/mailbox",
            "/scripts",
            "/rollouts/0",
        ] {
            let mut carried = serde_json::to_value(longest_record()).unwrap();
            carried.pointer_mut(pointer).unwrap()["newer"] = serde_json::json!({"by": "octocat"});
            let refusal = exact::decode::<Record>(carried).unwrap_err();
            assert!(refusal.contains("newer is not known to this version of berth"), "{pointer}: {refusal}");
        }
        for (pointer, variant) in [("/rollouts/0/outcome", "promoted"), ("/failed/verdict/failure", "MigrationFailed")]
        {
            let mut carried = serde_json::to_value(longest_record()).unwrap();
            *carried.pointer_mut(pointer).unwrap() = serde_json::json!(variant);
            exact::decode::<Record>(carried).unwrap_err();
        }
    }

    #[test]
    fn carried_state_keeps_its_fields() {
        let fields = |json: &serde_json::Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        let json = serde_json::to_value(Record::default()).unwrap();
        assert_eq!(
            fields(&json),
            "closed environment failed last_deploy_id last_number mailbox notes proven rolling_out rollouts scripts \
             secrets served_before serving teardown tearing_down was_cancelled"
        );
        assert_eq!(fields(&json["mailbox"]), "awaiting_approval close_requested last_ticket next seen_sequence");
    }
}

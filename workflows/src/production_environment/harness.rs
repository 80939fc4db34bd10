//! A production that is driven by hand, for tests of its decisions.

use super::{
    inbox::Receipt,
    next::Action,
    state::{Planned, State},
};
use crate::{
    contract::{
        environment::{Environment, EnvironmentKind},
        plan::{PlannedRelease, ReleasePlan},
        preparation::SyncedSecrets,
        production::{Freeze, Rollback, Unfreeze},
        production_answer::ProductionAnswer,
        production_record::{BegunRollout, QueuedRelease, Recalled, StoredVersion},
        release::{Commit, Image, Name},
        rollout::{Made, RolledOut},
        rollout_input::DEPLOY_ID_EPOCH_SECONDS,
        signals::Push,
        stop_reason::StopReason,
        timings::StartTimings,
        verdict::{FailureType, Verdict},
    },
    environment::{book::RolloutEnd, queue},
};

/// A production with a namespace, and a clock that stands still unless a test moves it.
pub(super) struct Production {
    pub(super) state: State,
    pub(super) now_ms: u64,
    /// Whether the app file asks for approval.
    pub(super) needs_approval: bool,
    /// Whether it lets only proved approvals count.
    pub(super) needs_proof: bool,
    /// Appended to the id of each plan, to make it differ.
    pub(super) content: &'static str,
}

pub(super) fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

pub(super) fn push(digit: char, sequence: Option<u64>) -> Push {
    let commit = Commit::try_from(digit.to_string().repeat(40)).unwrap();
    let image = Image::try_from(format!("acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap();
    Push { sequence, ..Push::new(commit, image) }
}

fn secrets() -> SyncedSecrets {
    SyncedSecrets {
        secret: "web-secrets-1".into(),
        version: "1".into(),
        set_by_berth: Vec::new(),
        stale: Vec::new(),
        temporal_server_address: "web-temporal:7233".into(),
        temporal_server_address_from_doppler: false,
    }
}

impl Production {
    /// A production whose namespace has no record yet.
    pub(super) fn new() -> Self {
        let mut state = State::default();
        state.book.environment = Some(Environment::unrecorded("web", EnvironmentKind::Production, "production-web"));
        state.recall(Recalled::default());
        Self {
            state,
            now_ms: (DEPLOY_ID_EPOCH_SECONDS + 1000) * 1000,
            needs_approval: false,
            needs_proof: false,
            content: "",
        }
    }

    /// A production whose release 1 serves.
    pub(super) fn serving() -> Self {
        let mut production = Self::new();
        production.release('a', 1);
        production.live();
        production
    }

    /// A new run that continues no other one: it knows what was last written.
    pub(super) fn restarted(self) -> Self {
        let recorded = self.state.recorded.unwrap();
        let mut fresh = Self::new();
        fresh.state.recall(Recalled { record: recorded.record, version: recorded.version });
        Self { state: fresh.state, ..Self { state: State::default(), ..fresh } }
    }

    pub(super) fn release(&mut self, digit: char, sequence: u64) -> ProductionAnswer {
        self.state.release(&push(digit, Some(sequence)), Receipt::Usual)
    }

    pub(super) fn freeze(&mut self) {
        self.take_freeze(Receipt::Usual);
    }

    pub(super) fn take_freeze(&mut self, receipt: Receipt) -> ProductionAnswer {
        self.state.take_freeze(&Freeze { reason: name("incident"), by: name("ops"), proof: None }, receipt, self.now_ms)
    }

    pub(super) fn unfreeze(&mut self) {
        self.state.unfreeze(&Unfreeze { by: name("ops"), proof: None }, Receipt::Usual, self.now_ms);
    }

    pub(super) fn rollback(&mut self, version: StoredVersion) -> ProductionAnswer {
        let rollback =
            Rollback { to: None, by: name("ops"), reason: None, secrets: None, keep_going: false, proof: None };
        self.state.request_rollback(&rollback, version, self.now_ms)
    }

    /// Does every step that has no outcome to choose: writes the record and makes plans. Returns the next one.
    pub(super) fn settle(&mut self) -> Action {
        for _ in 0..20 {
            match self.state.next(self.now_ms) {
                Action::Record => self.write(),
                Action::Plan(queued) => self.plan(&queued),
                action => return action,
            }
        }
        panic!("does not settle: {:#?}", self.state);
    }

    pub(super) fn write(&mut self) {
        let record = Some(self.state.record.clone());
        self.state.recorded = Some(Recalled { record, version: None });
        self.state.marks.clear();
    }

    pub(super) fn plan(&mut self, queued: &QueuedRelease) {
        let number = queued.release.number.unwrap();
        let live = self.state.record.live.as_ref().map(|live| live.stored_release.clone());
        let id = format!("plan-{number}-{}{}", live.as_deref().unwrap_or_default(), self.content);
        if let Some(queued) = &mut self.state.record.queued {
            queued.approval.take_if(|approval| approval.plan != id);
        }
        self.state.planned = Some(Planned {
            release: number,
            planned: PlannedRelease {
                stored_release: format!("stored-{number}{}", self.content),
                secrets: secrets(),
                plan: ReleasePlan { id, ..ReleasePlan::default() },
                cluster_objects: Vec::new(),
            },
            serving: live,
            needs_approval: self.needs_approval,
            needs_proof: self.needs_proof,
            is_stale: false,
        });
    }

    /// The rollout that is next, numbered as when it starts.
    pub(super) fn start(&mut self) -> BegunRollout {
        let Action::RollOut(begun) = self.settle() else { panic!("nothing to roll out: {:#?}", self.state) };
        let queued = queue::QueuedRelease { ticket: 0, release: begun.version.release.clone() };
        let environment = self.state.book.environment.clone().unwrap();
        let input = self.state.book.begin(&environment, &queued, &StartTimings::default(), self.now_ms);
        assert_eq!((input.number, input.deploy_id), (self.state.record.rollout, self.state.record.deploy_id));
        *begun
    }

    /// Starts the rollout that is next, and ends it as live. Returns the number of its release.
    pub(super) fn live(&mut self) -> u64 {
        let begun = self.start();
        self.succeed();
        begun.version.release.number.unwrap()
    }

    /// Ends the rollout in flight as live.
    pub(super) fn succeed(&mut self) {
        let begun = self.state.record.begun.as_ref();
        let stored_release = begun.map(|begun| begun.version.stored_release.clone());
        let made = Made { stored_release, serves: true, touched: true, ..Made::default() };
        let rolled_out = RolledOut { made, ..RolledOut::default() };
        self.end(RolloutEnd::Live(Box::new(rolled_out)));
    }

    /// Starts the rollout that is next, and ends it as failed. `touched`: something of it was applied.
    pub(super) fn fail(&mut self, touched: bool) -> BegunRollout {
        let begun = self.start();
        self.break_down(touched);
        begun
    }

    /// Ends the rollout in flight as failed.
    pub(super) fn break_down(&mut self, touched: bool) {
        let verdict = Verdict::new(FailureType::CrashLoop, "exit 1");
        self.end(RolloutEnd::Failed(Box::new(verdict), Box::new(Made { touched, ..Made::default() })));
    }

    /// Stops the rollout in flight.
    pub(super) fn stop(&mut self) {
        self.end(RolloutEnd::stopped(StopReason::RolledBack { by: "ops".into() }));
    }

    fn end(&mut self, end: RolloutEnd) {
        self.state.conclude(end, self.now_ms, self.now_ms);
    }

    pub(super) fn serves(&self) -> Option<u64> {
        self.state.record.live.as_ref()?.release.number
    }
}

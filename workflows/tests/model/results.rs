//! What a preview has begun, and how that ends.

use berth_workflows::{
    contract::{
        checks::AwaitInput,
        environment::{Environment, EnvironmentKind},
        look::Missing,
        memory::Memory,
        rollout::{Made, RolledOut, RolloutProgress, RolloutStep},
        stop_reason::StopReason,
        teardown::{LeakReport, Remaining},
        timings::StartTimings,
        verdict::{FailureType, Verdict},
    },
    environment::{
        arrival::Arrival,
        book::{LookEnd, RolloutEnd},
        queue::QueuedRelease,
    },
    preview_environment::{
        life::{Decisions, Message, Step},
        record::Record,
    },
};

use super::{Checked, Driver, now_ms};
use berth_test_model::{
    messages::{self, End, Facts, Kind, Rules, Seen, Version},
    sequences::Ending,
};

use crate::written::{self, version};

/// What the run does, until it is told how that ended.
#[derive(Debug, Default)]
pub(super) enum Doing {
    #[default]
    Waiting,
    /// The environment's names are asked for.
    Naming(QueuedRelease),
    RollingOut(QueuedRelease, Option<StopReason>),
    Looking(QueuedRelease),
    TearingDown,
    Pausing,
    PreparingEnd,
    ContinuingInNewRun,
}

impl Driver {
    /// Does what follows from messages: a rollout in flight is stopped, or a wait ends.
    pub(super) fn go_on(&mut self) -> Checked {
        if let Doing::RollingOut(_, stopped @ None) = &mut self.doing {
            let reason = self.record.mailbox.stop_reason();
            if reason.is_some() != self.model.stop() {
                return Err(format!("the reason to stop is {reason:?}"));
            }
            if reason.is_some() {
                *stopped = reason;
                self.record.book.stop();
            }
        }
        if let Doing::Looking(queued) = &self.doing
            && let Some(reason) = self.record.mailbox.stop_reason()
        {
            let queued = queued.clone();
            self.doing = Doing::Waiting;
            self.model.looked(Seen::Stopped);
            self.give(Message::Looked { queued, end: LookEnd::Stopped(reason) });
        }
        match self.doing {
            Doing::Waiting if !self.record.is_waiting() => self.next_step(),
            _ => Ok(()),
        }
    }

    /// Takes the next step, which must be the model's.
    pub(super) fn next_step(&mut self) -> Checked {
        if !matches!(self.doing, Doing::Waiting) {
            return Ok(());
        }
        let step = match self.record.step() {
            Step::Remember(memory) => return self.remember(memory),
            step => step,
        };
        let expected = self.model.step();
        let known = match &step {
            Step::Wait => messages::Step::Wait,
            Step::RollOut(queued) => messages::Step::RollOut(version(&queued.release)),
            Step::Look(queued) => messages::Step::Look(version(&queued.release)),
            Step::AwaitScripts => return Err("no script runs".to_owned()),
            Step::Remember(_) => return Err("this run keeps no memory".to_owned()),
            Step::TearDown => messages::Step::TearDown,
            Step::Pause { .. } => messages::Step::Pause,
            Step::PrepareEnd => messages::Step::PrepareEnd,
            Step::Reopen => messages::Step::Reopen,
            Step::ContinueInNewRun => messages::Step::ContinueInNewRun,
            Step::End { cancelled } => messages::Step::End { cancelled: *cancelled },
        };
        if known != expected {
            return Err(format!("the next step is {known:?}, expected {expected:?}"));
        }
        self.do_step(step)
    }

    fn do_step(&mut self, step: Step) -> Checked {
        match step {
            Step::Wait | Step::AwaitScripts | Step::Remember(_) => {}
            Step::RollOut(queued) => {
                self.record.book.expect("preview-web-1", &queued, now_ms());
                if self.record.book.environment.is_some() {
                    self.begin(*queued);
                    return if matches!(self.doing, Doing::Waiting) { self.next_step() } else { Ok(()) };
                }
                self.doing = Doing::Naming(*queued);
            }
            Step::Look(queued) => self.doing = Doing::Looking(*queued),
            Step::TearDown => self.doing = Doing::TearingDown,
            Step::Pause { .. } => self.doing = Doing::Pausing,
            Step::PrepareEnd => self.doing = Doing::PreparingEnd,
            Step::Reopen => return self.next_step(),
            Step::ContinueInNewRun => self.doing = Doing::ContinuingInNewRun,
            Step::End { .. } => {
                self.take_answers()?;
                self.all_are_answered("at the end")?;
                self.model.ended();
                self.begin_run();
            }
        }
        Ok(())
    }

    /// Ends what is being done.
    pub(super) fn end(&mut self, ending: Ending) -> Checked {
        match std::mem::take(&mut self.doing) {
            Doing::Waiting => return Ok(()),
            Doing::Naming(queued) => self.end_naming(queued, ending.is_good),
            Doing::RollingOut(queued, stopped) => self.end_rollout(queued, stopped, ending),
            Doing::Looking(queued) => self.end_look(queued, ending),
            Doing::TearingDown => {
                self.model.torn_down(ending.is_good);
                self.give(Message::Teardown(if ending.is_good { LeakReport::default() } else { stuck() }));
            }
            Doing::Pausing | Doing::PreparingEnd => {}
            // It waits until every update has its answer.
            Doing::ContinuingInNewRun if !self.open.is_empty() => self.doing = Doing::ContinuingInNewRun,
            Doing::ContinuingInNewRun => self.carry()?,
        }
        self.next_step()
    }

    fn end_naming(&mut self, queued: QueuedRelease, is_good: bool) {
        if !is_good {
            self.model.rollout_ended(End::Failed, false);
            self.model.app_is_unknown();
            let end = RolloutEnd::Failed(unknown_app(), Box::default());
            return self.give(Message::RolloutEnded { queued, end, started_ms: now_ms() });
        }
        self.model.needs_run();
        self.model.rules(Some(Rules::default()));
        self.give(Message::Named(environment(), Some(written::rules(Rules::default()))));
        self.begin(queued);
    }

    /// Begins a rollout in an environment whose names are known.
    fn begin(&mut self, queued: QueuedRelease) {
        if let Some(end) = self.record.ended_before_it_began() {
            self.model.stop();
            self.model.rollout_ended(End::Stopped, false);
            return self.give(Message::RolloutEnded { queued, end, started_ms: now_ms() });
        }
        self.record.book.begin(&environment(), &queued, &StartTimings::default(), now_ms());
        self.doing = Doing::RollingOut(queued, None);
    }

    fn end_rollout(&mut self, queued: QueuedRelease, stopped: Option<StopReason>, ending: Ending) {
        let reported = self.record.book.rolling_out.as_ref().is_some_and(|now| now.serving.is_some());
        let stored_release = Some(stored(version(&queued.release)));
        let made = Made { stored_release, serves: ending.serves, touched: true, ..Made::default() };
        let (end, expected, serves) = match stopped {
            _ if ending.is_good => (live(Made { serves: true, ..made }), End::Live, true),
            Some(reason) => (RolloutEnd::Stopped(reason, Box::new(made)), End::Stopped, reported || ending.serves),
            None => {
                let verdict = Box::new(Verdict::new(FailureType::NotReady, ""));
                let made = Made { waited: Some(Box::new(waited())), ..made };
                (RolloutEnd::Failed(verdict, Box::new(made)), End::Failed, reported || ending.serves)
            }
        };
        self.model.rollout_ended(expected, serves);
        self.give(Message::RolloutEnded { queued, end, started_ms: now_ms() });
    }

    fn end_look(&mut self, queued: QueuedRelease, ending: Ending) {
        let missing = |is_namespace| LookEnd::Missing(Some(Missing { what: String::new(), is_namespace }));
        let (seen, end) = match (ending.is_good, ending.serves) {
            (true, _) => (Seen::All, LookEnd::Serves),
            (false, true) => (Seen::Part, missing(false)),
            (false, false) => (Seen::Nothing, missing(true)),
        };
        self.model.looked(seen);
        self.give(Message::Looked { queued, end });
    }

    /// Gives a result to the record alone.
    fn give(&mut self, message: Message) {
        self.record.take(message, Arrival::signal(self.task), now_ms());
    }

    pub(super) fn read_rules(&mut self, rules: Option<Rules>) {
        if self.record.mailbox.facts.are_rules_due() {
            self.model.rules(rules);
            self.give(Message::Rules(rules.map(|rules| Some(written::rules(rules))).ok_or_else(String::new)));
        }
    }

    pub(super) fn confirm(&mut self, facts: Option<Facts>) {
        if self.record.is_closing() {
            return;
        }
        match facts {
            Some(facts) => self.model.facts(facts, messages::Arrival { task: self.task, kind: Kind::Signal }),
            None => self.model.heard(),
        }
        self.give(Message::Confirmed(facts.map_or_else(|| Err(String::new()), written::facts)));
    }

    pub(super) fn report_serving(&mut self) {
        let now = self.record.book.rolling_out.as_ref().filter(|_| matches!(self.doing, Doing::RollingOut(..)));
        let Some(now) = now else { return };
        let progress = RolloutProgress {
            number: now.number,
            step: RolloutStep::CheckingGates,
            waiting_for: None,
            cluster_objects: Vec::new(),
            serving: Some(stored(version(&now.queued.release))),
            not_observed: None,
            deploy_id: None,
            touched: true,
        };
        self.give(Message::Progress(progress));
    }

    /// The worker looks for the app file that is to be read, and there is none.
    pub(super) fn find_no_app(&mut self) {
        if !self.record.mailbox.facts.are_rules_due() {
            return;
        }
        match self.record.book.environment {
            Some(_) => self.model.rules(None),
            None => self.model.app_is_unknown(),
        }
        self.give(Message::UnknownApp(unknown_app()));
    }

    pub(super) fn look_late(&mut self, serves: bool) -> Checked {
        let Some(look) = self.record.late_look().cloned() else { return Ok(()) };
        self.model.looked_late(version(&look.release), serves)?;
        self.give(Message::LookedLate { look: Box::new(look), serves });
        Ok(())
    }

    /// Continues as new where a run may, which is only if nobody waits for it.
    pub(super) fn continue_as_new(&mut self) -> Checked {
        let may = match self.doing {
            Doing::Waiting => self.record.is_waiting(),
            Doing::Pausing => true,
            _ => false,
        };
        if !may || self.record.mailbox.facts.are_rules_due() {
            return Ok(());
        }
        self.all_are_answered("as the run continues as new")?;
        self.carry()?;
        self.doing = Doing::Waiting;
        self.next_step()
    }

    /// Writes the record, and reads it in another run.
    fn carry(&mut self) -> Checked {
        let carried = serde_json::to_value(self.record.to_carry()).map_err(|e| e.to_string())?;
        self.record = serde_json::from_value::<Record>(carried).map_err(|e| e.to_string())?;
        self.model.continued();
        Ok(())
    }

    /// Begins another run, as the next message to a workflow that is not there does.
    pub(super) fn begin_again(&mut self) {
        self.model.begun_again();
        self.begin_run();
    }

    fn begin_run(&mut self) {
        (self.record, self.doing) = (Record::default(), Doing::Waiting);
        self.open.clear();
        self.record.begin_recall(Decisions::NEWEST);
        self.give(Message::Recalled(self.memory.clone()));
    }

    /// Keeps a memory for the runs that follow, as a workflow of its own does.
    fn remember(&mut self, memory: Box<Memory>) -> Checked {
        let approved: Vec<Version> = memory.approved.iter().map(version).collect();
        let expected = (self.model.kept_sequence(), &self.model.approved);
        if (memory.sequence, &approved) != expected {
            return Err(format!("{memory:?} is remembered, not {expected:?}"));
        }
        self.memory = Some(memory.clone());
        self.give(Message::Remembered(memory, None));
        self.next_step()
    }
}

/// The name of the stored release of a version.
pub(super) fn stored(version: Version) -> String {
    format!("stored-{}-{}", version.commit, version.image)
}

fn environment() -> Environment {
    Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1")
}

fn live(made: Made) -> RolloutEnd {
    RolloutEnd::Live(Box::new(RolledOut { made, ..RolledOut::default() }))
}

fn waited() -> AwaitInput {
    AwaitInput {
        environment: environment(),
        workloads: Vec::new(),
        deadline_ms: now_ms(),
        started_ms: now_ms(),
        unobserved_seconds: 0,
        timings: StartTimings::default().in_force(None),
        secret: String::new(),
        deploy_id: 0,
        late: false,
    }
}

fn stuck() -> LeakReport {
    let remaining = Remaining { object: "Widget/stuck".into(), reason: "held".into(), command: String::new() };
    LeakReport { remaining: vec![remaining], ..LeakReport::default() }
}

fn unknown_app() -> Box<Verdict> {
    Box::new(Verdict::new(FailureType::UnknownApp, ""))
}

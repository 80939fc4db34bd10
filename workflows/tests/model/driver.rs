//! A preview without Temporal: messages and results go to [`Record::take`], and [`Record::step`] says what is next.

use std::collections::BTreeMap;

use berth_workflows::{
    contract::{memory::Memory, release::Release, status::Status},
    environment::{arrival::Arrival, queue::Delivery},
    preview_environment::{life::Taken, record::Record},
};

use results::Doing;

use berth_test_model::{
    Model, Place, Sender,
    messages::{self, Kind, Outcome, Push, Rules, Version},
    sequences::{Ending, Event, Sent},
};

use crate::written::{self, START_SECONDS, version};

mod results;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    record: Record,
    model: Model,
    /// The memory of the runs that have ended.
    memory: Option<Box<Memory>>,
    doing: Doing,
    task: u32,
    last_sender: Sender,
    /// Updates that have no answer yet, with their tickets.
    open: BTreeMap<Sender, u64>,
}

pub(crate) type Checked = Result<(), String>;

impl Driver {
    /// A preview before its first message.
    pub(crate) fn new() -> Self {
        let mut driver = Self::default();
        driver.begin_again();
        driver
    }

    /// Lets something happen, and compares everything then.
    pub(crate) fn run(&mut self, event: &Event) -> Checked {
        self.task += 1;
        match event {
            Event::Task { sent, ending } => {
                self.deliver(sent)?;
                if let Some(ending) = ending {
                    self.end(*ending)?;
                }
            }
            Event::Burst(pushes) => self.burst(*pushes)?,
            Event::Rules(rules) => self.read_rules(*rules),
            Event::UnknownApp => self.find_no_app(),
            Event::Confirmed(facts) => self.confirm(*facts),
            Event::Progress => self.report_serving(),
            Event::LateLook { serves } => self.look_late(*serves)?,
            Event::Continue => self.continue_as_new()?,
            Event::Terminate => self.begin_again(),
        }
        self.go_on()?;
        self.take_answers()?;
        self.compare()
    }

    /// Lets everything end well, until there is nothing to do.
    pub(crate) fn settle(&mut self) -> Checked {
        let good = Event::Task { sent: Vec::new(), ending: Some(Ending { is_good: true, serves: true }) };
        for _ in 0..20 {
            self.run(&Event::Rules(Some(Rules::default())))?;
            self.run(&good)?;
        }
        if !matches!(self.doing, Doing::Waiting) {
            return Err(format!("it does not come to rest: {:?}", self.doing));
        }
        self.all_are_answered("at rest")
    }

    /// Delivers the messages of a task as the SDK does: all signals, then all updates, then a cancel.
    fn deliver(&mut self, sent: &[Sent]) -> Checked {
        let is_cancel = |sent: &&Sent| sent.message == messages::Message::Cancel;
        let has_cancel = sent.iter().any(|sent| is_cancel(&sent));
        let (updates, signals): (Vec<&Sent>, Vec<&Sent>) =
            sent.iter().filter(|sent| !is_cancel(sent)).partition(|sent| is_update(sent));
        for signal in signals {
            self.take(signal.message, Kind::Signal)?;
        }
        for update in updates {
            if has_cancel && matches!(update.message, messages::Message::Push(_)) {
                self.take(messages::Message::Cancel, Kind::Cancel)?;
            }
            self.take(update.message, Kind::Update)?;
            // Its handler looks for an answer before the next one runs.
            self.take_answers()?;
        }
        if has_cancel { self.take(messages::Message::Cancel, Kind::Cancel) } else { Ok(()) }
    }

    fn burst(&mut self, pushes: u8) -> Checked {
        for push in 0..pushes {
            let version = Version { commit: push % 2, image: 0 };
            let push = Push { version, sequence: None, fork: false, draft: false };
            self.take(messages::Message::Push(push), Kind::Signal)?;
        }
        Ok(())
    }

    /// Gives a message to both, and compares what became of it.
    fn take(&mut self, message: messages::Message, kind: Kind) -> Checked {
        let arrival = match kind {
            Kind::Signal => Arrival::signal(self.task),
            Kind::Update => Arrival::update(self.task),
            Kind::Cancel => Arrival::cancel(self.task),
        };
        let taken = self.record.take(written::message(message), arrival, now_ms());
        let arrival = messages::Arrival { task: self.task, kind };
        match message {
            messages::Message::Push(push) => {
                self.last_sender += 1;
                self.model.push(self.last_sender, push, arrival);
                return self.check_delivery(self.last_sender, kind, &taken);
            }
            messages::Message::Close(sequence) => {
                let obeyed = self.model.close(sequence, arrival);
                let Taken::Close(answer) = &taken else { return Err(format!("a close was taken as {taken:?}")) };
                if answer.reason.is_none() != obeyed {
                    return Err(format!("the close is obeyed: {obeyed}, and was answered {answer:?}"));
                }
            }
            messages::Message::Cancel => self.model.cancel(arrival),
            messages::Message::Facts(facts) => self.model.facts(facts, arrival),
            messages::Message::Approve(commit) => self.model.approve(commit),
            messages::Message::Redeploy => self.model.redeploy(),
            messages::Message::Unreadable => self.model.heard(),
        }
        Ok(())
    }

    fn check_delivery(&mut self, sender: Sender, kind: Kind, taken: &Taken) -> Checked {
        match taken {
            Taken::Push(Delivery::Answered(answer)) => self.check_answer(sender, written::outcome(answer.outcome)),
            Taken::Push(Delivery::Waiting(ticket)) => {
                if kind == Kind::Update {
                    self.open.insert(sender, *ticket);
                }
                Ok(())
            }
            other => Err(format!("a push was taken as {other:?}")),
        }
    }

    fn check_answer(&self, sender: Sender, answer: Outcome) -> Checked {
        match self.model.answer_to(sender) {
            Some(allowed) if allowed.contains(&answer) => Ok(()),
            expected => Err(format!("push {sender} was answered {answer:?}, expected {expected:?}")),
        }
    }

    /// Lets each update take its answer that has one.
    fn take_answers(&mut self) -> Checked {
        for (sender, ticket) in self.open.clone() {
            let answer = self.record.mailbox.queue.take_answer(ticket).map(|answer| written::outcome(answer.outcome));
            match answer {
                Some(answer) => {
                    self.open.remove(&sender);
                    self.check_answer(sender, answer)?;
                }
                None => {
                    if let Some(expected) = self.model.answer_to(sender) {
                        return Err(format!("push {sender} waits, expected {expected:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn all_are_answered(&self, when: &str) -> Checked {
        if self.open.is_empty() { Ok(()) } else { Err(format!("{when}, pushes wait: {:?}", self.open)) }
    }
}

impl Driver {
    /// Compares what people see with the model.
    fn compare(&self) -> Checked {
        let status = Status::new("web", 1, &self.record);
        let of = |release: Option<&Release>| release.map(version);
        let held = [Place::Held, Place::AwaitingRules].into_iter().find_map(|place| self.model.at(place));
        for (name, shown, expected) in [
            ("serving", of(status.serving.as_ref().map(|serving| &serving.release)), self.model.serving()),
            ("failed", of(status.failed.as_ref().map(|failed| &failed.release)), self.model.failed),
            ("queued", of(status.queued.as_ref()), self.model.at(Place::Next)),
            ("rolling out", of(status.rolling_out.as_ref().map(|now| &now.release)), self.model.at(Place::RollingOut)),
            ("awaiting approval", of(status.awaiting_approval.as_ref()), self.model.at(Place::AwaitingApproval)),
            ("held", of(status.held.as_ref()), held),
        ] {
            if shown != expected {
                return Err(format!("{name} is {shown:?}, expected {expected:?}"));
            }
        }
        let (before, expected) = (&self.record.book.served_before, self.model.served_before.map(results::stored));
        if *before != expected {
            return Err(format!("before, {before:?} served, expected {expected:?}"));
        }
        Ok(())
    }
}

fn is_update(sent: &Sent) -> bool {
    sent.is_update && matches!(sent.message, messages::Message::Push(_) | messages::Message::Close(_))
}

pub(crate) fn now_ms() -> u64 {
    START_SECONDS * 1000
}

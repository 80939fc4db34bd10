//! Random messages to a preview on a real dev server, against the model of it.
//!
//! `BERTH_MODEL_SEEDS=200 cargo test --test workflows model::` tries 200 seeds, and `BERTH_MODEL_SEEDS=117..118` one of them.

use std::{collections::VecDeque, time::Duration};

use berth_test_model::{
    Model, Place, Sender,
    messages::{Arrival, End, Kind, Message, Rules, Seen, Step, Version},
    sequences::{Round, Sent, of_seed, rounds},
};
use berth_test_support::{
    holds_within,
    preview::{Does, Preview, preview},
};
use berth_workflows::{
    contract::{
        release::Release,
        signals::{Approve, CloseAnswer, CloseOutcome, DeployAnswer},
        status::Status,
        verdict::FailureType,
    },
    preview_environment::PreviewEnvironment,
};
use futures::{StreamExt, stream};
use temporalio_client::{
    WorkflowCancelOptions, WorkflowGetResultOptions, WorkflowQueryOptions, WorkflowSignalOptions,
    WorkflowTerminateOptions,
};
use tokio::task::JoinHandle;

mod written;

/// How many seeds a plain run tries.
const SEEDS: u64 = 20;
/// How many are tried at once.
const AT_ONCE: usize = 5;
/// The bound of a wait. The server gives the tasks of a worker that has stopped to another one after ten seconds, so a round that
/// rolls out several times takes a while.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn preview_on_a_server_does_as_the_model() {
    let wanted = std::env::var("BERTH_MODEL_SEEDS").unwrap_or_else(|_| SEEDS.to_string());
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    let seeds = from.parse::<u64>().unwrap()..to.parse().unwrap();
    stream::iter(seeds).for_each_concurrent(AT_ONCE, |seed| Box::pin(live(seed))).await;
}

/// Lives the life of one seed.
async fn live(seed: u64) {
    let rounds = of_seed(rounds(), seed).unwrap();
    preview(&format!("model-{seed}"), async |mut t: Preview| {
        t.input.timings.history_events = 60;
        let lines: Vec<String> = rounds.iter().map(|round| format!("{round:?}")).collect();
        let mut life = Life::new(format!("seed {seed}:\n{}", lines.join("\n")), t);
        for round in rounds {
            life.round(round).await;
        }
        let rendered: Vec<Version> = life.t.world.rendered.lock().unwrap().iter().map(written::version).collect();
        assert_eq!(rendered, life.rolled_out, "each release is applied once, and no other: {}", life.story);
    })
    .await;
}

/// The end of a rollout that the world has in store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Hangs,
    Fails,
}

/// A preview on the server, and the model of it.
struct Life {
    /// The seed and its rounds, for messages.
    story: String,
    t: Preview,
    model: Model,
    task: u32,
    is_running: bool,
    is_named: bool,
    plan: Option<Plan>,
    blocked: usize,
    /// The rollouts so far, by the model.
    rolled_out: Vec<Version>,
    last_sender: Sender,
    deploys: Vec<(Sender, JoinHandle<DeployAnswer>)>,
    closes: VecDeque<(bool, JoinHandle<CloseAnswer>)>,
}

impl Life {
    fn new(story: String, t: Preview) -> Self {
        Self {
            story,
            t,
            model: Model::default(),
            task: 0,
            is_running: false,
            is_named: false,
            plan: None,
            blocked: 0,
            rolled_out: Vec::new(),
            last_sender: 0,
            deploys: Vec::new(),
            closes: VecDeque::new(),
        }
    }

    /// Sends the messages of a round, and compares everything at rest. They come in one task if each of them is judged at once,
    /// and one after the other else: what is between two of them would depend on the time.
    async fn round(&mut self, round: Round) {
        if round.terminates && self.is_running && self.model.at(Place::RollingOut).is_none() {
            self.t.handle().terminate(WorkflowTerminateOptions::default()).await.unwrap();
            self.begin_again();
        }
        self.order(&round);
        let is_judged_at_once = |sent: &Sent| match sent.message {
            Message::Facts(_) => false,
            Message::Push(push) => !push.draft && !push.fork,
            _ => true,
        };
        if round.sent.iter().all(is_judged_at_once) && self.model.at(Place::RollingOut).is_none() {
            self.t.worker.stop().await;
            self.deliver(&round.sent).await;
            self.t.worker.start().await;
            self.rest().await;
        } else {
            for sent in round.sent {
                self.deliver(&[sent]).await;
                self.rest().await;
            }
        }
    }

    /// Tells the world how the next rollout and the next teardown end.
    fn order(&mut self, round: &Round) {
        if self.plan.is_none() && (round.hangs || round.fails) {
            self.plan = Some(if round.hangs { Plan::Hangs } else { Plan::Fails });
            match self.plan {
                Some(Plan::Hangs) => self.t.world.next("await_rollout", Does::Hang),
                _ => self.t.world.next("check_gates", Does::Verdict(FailureType::GateFailed)),
            }
        }
        if round.is_blocked {
            self.blocked += 1;
            self.t.world.next("delete_environment", Does::Leave("Widget/stuck"));
        }
    }

    /// Sends messages, and gives them to the model in the order of their task: all signals, all updates, a cancel.
    async fn deliver(&mut self, sent: &[Sent]) {
        self.task += 1;
        if !self.is_running {
            self.t.start().await;
            self.is_running = true;
        }
        let mut updates = Vec::new();
        for sent in sent {
            let is_update = sent.is_update && matches!(sent.message, Message::Push(_) | Message::Close(_));
            if is_update || sent.message == Message::Cancel {
                updates.push(*sent);
            } else {
                self.signal(sent.message).await;
            }
        }
        let has_cancel = updates.iter().any(|sent| sent.message == Message::Cancel);
        if has_cancel {
            self.t.handle().cancel(WorkflowCancelOptions::default()).await.unwrap();
        }
        for sent in updates {
            self.update(sent.message, has_cancel).await;
        }
        if has_cancel {
            self.model.cancel(Arrival { task: self.task, kind: Kind::Cancel });
        }
    }

    async fn signal(&mut self, message: Message) {
        let arrival = Arrival { task: self.task, kind: Kind::Signal };
        let handle = self.t.handle();
        match message {
            Message::Push(push) => {
                self.last_sender += 1;
                self.model.push(self.last_sender, push, arrival);
                self.t.push(written::push(push)).await;
            }
            Message::Close(sequence) => {
                self.model.close(sequence, arrival);
                self.t.close_with(written::close(sequence)).await;
            }
            Message::Facts(facts) => {
                self.model.facts(facts, arrival);
                self.t.facts(written::facts(facts)).await;
            }
            Message::Approve(commit) => {
                self.model.approve(commit);
                let approve = Approve { commit: written::commit(commit), image: None, by: None };
                let options = WorkflowSignalOptions::default();
                handle.signal(PreviewEnvironment::approve, approve.into(), options).await.unwrap();
            }
            Message::Redeploy => {
                self.model.redeploy();
                self.t.redeploy().await;
            }
            Message::Cancel | Message::Unreadable => {}
        }
    }

    async fn update(&mut self, message: Message, has_cancel: bool) {
        let arrival = Arrival { task: self.task, kind: Kind::Update };
        match message {
            Message::Push(push) => {
                if has_cancel {
                    self.model.cancel(Arrival { task: self.task, kind: Kind::Cancel });
                }
                self.last_sender += 1;
                self.model.push(self.last_sender, push, arrival);
                self.deploys.push((self.last_sender, self.t.begin_deploy(written::push(push)).await));
            }
            Message::Close(sequence) => {
                let is_obeyed = self.model.close(sequence, arrival);
                self.closes.push_back((is_obeyed, self.t.begin_close(written::close(sequence)).await));
            }
            _ => {}
        }
    }

    /// Lets the model do what follows, and waits until the preview has done the same.
    async fn rest(&mut self) {
        self.read_rules();
        if self.model.at(Place::RollingOut).is_none() || self.model.stop() {
            if self.model.at(Place::RollingOut).is_some() {
                self.model.rollout_ended(End::Stopped, false);
            }
            self.run_model();
        }
        if !self.is_running {
            let handle = self.t.handle();
            let ended = handle.get_result(WorkflowGetResultOptions::default());
            drop(tokio::time::timeout(PATIENCE, ended).await.unwrap());
        } else {
            let expected = shown_by(&self.model);
            let mut last = None;
            let is_there = holds_within(PATIENCE, async || {
                // A query may find no worker, just after one was started.
                let options = WorkflowQueryOptions::default();
                let Ok(status) = self.t.handle().query(PreviewEnvironment::status, (), options).await else {
                    return false;
                };
                shown(last.insert(status)) == expected
            });
            assert!(is_there.await, "expected {expected:?}, {}, is {last:#?}", self.story);
            // The wait of each rollout has begun, and those that hang are there.
            let is_wait = |call: &String| call.starts_with("await_rollout") && !call.ends_with("cancelled");
            let waits = || self.t.world.calls().iter().filter(|call| is_wait(call)).count();
            let are_there = holds_within(PATIENCE, async || waits() >= self.rolled_out.len()).await;
            assert!(are_there, "{} rollouts waited, {}", waits(), self.story);
        }
        self.check_answers().await;
    }

    fn run_model(&mut self) {
        loop {
            self.read_rules();
            match self.model.step() {
                Step::Wait => return,
                Step::RollOut(version) => {
                    self.rolled_out.push(version);
                    if !std::mem::replace(&mut self.is_named, true) {
                        self.model.rules(Some(Rules::default()));
                    }
                    match self.plan.take() {
                        Some(Plan::Hangs) => return,
                        Some(Plan::Fails) => self.model.rollout_ended(End::Failed, true),
                        None => self.model.rollout_ended(End::Live, true),
                    }
                }
                Step::Look(_) => self.model.looked(Seen::All),
                Step::TearDown => {
                    let is_gone = self.blocked == 0;
                    self.blocked = self.blocked.saturating_sub(1);
                    self.is_named &= !is_gone;
                    self.model.torn_down(is_gone);
                }
                Step::Pause | Step::PrepareEnd | Step::Reopen => {}
                Step::ContinueInNewRun => self.model.continued(),
                Step::End { .. } => {
                    self.model.ended();
                    (self.is_running, self.is_named) = (false, false);
                    return;
                }
            }
        }
    }

    /// The app file has no rules for pull requests.
    fn read_rules(&mut self) {
        if self.model.are_rules_due() {
            self.model.rules(Some(Rules::default()));
        }
    }

    fn begin_again(&mut self) {
        (self.is_running, self.is_named) = (false, false);
        self.model.begun_again();
    }

    async fn check_answers(&mut self) {
        for (is_obeyed, answer) in std::mem::take(&mut self.closes) {
            let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
            assert_eq!(answer.outcome == CloseOutcome::Closing, is_obeyed, "{answer:?}, {}", self.story);
        }
        for (sender, answer) in std::mem::take(&mut self.deploys) {
            let Some(allowed) = self.model.answer_to(sender) else {
                if answer.is_finished() {
                    panic!("push {sender} was answered {:?}, {}", answer.await.unwrap().outcome, self.story);
                }
                self.deploys.push((sender, answer));
                continue;
            };
            let answered = tokio::time::timeout(PATIENCE, answer).await;
            let answer = answered.unwrap_or_else(|_| panic!("push {sender} waits, not {allowed:?}, {}", self.story));
            let outcome = written::outcome(answer.unwrap().outcome);
            assert!(allowed.contains(&outcome), "push {sender}: {outcome:?}, not {allowed:?}, {}", self.story);
        }
    }
}

/// What people see: what serves, failed, is queued, rolls out, and waits for approval or for something else.
fn shown(status: &Status) -> [Option<Version>; 6] {
    let of = |release: Option<&Release>| release.map(written::version);
    [
        of(status.serving.as_ref().map(|serving| &serving.release)),
        of(status.failed.as_ref().map(|failed| &failed.release)),
        of(status.queued.as_ref()),
        of(status.rolling_out.as_ref().map(|now| &now.release)),
        of(status.awaiting_approval.as_ref()),
        of(status.held.as_ref()),
    ]
}

fn shown_by(model: &Model) -> [Option<Version>; 6] {
    let held = [Place::Held, Place::AwaitingRules].into_iter().find_map(|place| model.at(place));
    let (queued, now) = (model.at(Place::Next), model.at(Place::RollingOut));
    [model.serving(), model.failed, queued, now, model.at(Place::AwaitingApproval), held]
}

//! `kill -9` of the worker in each phase of production: plan, approval, rollout, gates, rollback.

use std::{collections::BTreeMap, time::Duration};

use berth_test_support::lab_production::{LabProduction, broken_web, web};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    BERTH, GOES_ON_WITHIN, alone, elapsed, kills,
    observed::{Activity, Objects, activities, changed, objects, went_on},
    random,
};

const APP: &str = "p-kill";

/// Lines of the app file's `production`.
const SETTINGS: &str = "  approval: required
  gates: [{ name: web, http: { workload: web, port: 8080, path: /api/health, status: 200 } }]
";

/// Objects that berth keeps for itself, and writes in every step.
const OF_BERTH: [&str; 2] = ["ConfigMap/berth-production", "Secret/berth-"];

/// The activities of a rollout that nothing disturbs, in order.
const OF_ROLLOUT: [&str; 4] = ["apply_release", "await_rollout", "check_gates", "prune"];

/// A kill in a phase.
struct Kill {
    before: Objects,
    /// The production workflow, and the rollout in flight.
    workflows: Vec<String>,
    restarted: Timestamp,
}

/// The consequences of kills in one phase.
#[derive(Default)]
struct Survived {
    repaired: Vec<Duration>,
    changed: usize,
}

/// Production of an app, and what it has survived.
struct Victim {
    production: LabProduction,
    survived: BTreeMap<&'static str, Survived>,
    /// The number of rollouts so far.
    rollouts: u64,
}

impl Victim {
    /// An app that waits for approval, with a stability window: without it, the check of the gates is too short to hit.
    fn start() -> Self {
        let production = LabProduction::start(BERTH, APP, SETTINGS, &[("core/web.yaml", &web())]);
        production.until("its worker has started it", |status| status["namespace"].is_string());
        production.terminate();
        production.start_again(&json!({"app": APP, "timings": {"stability_seconds": 2}}));
        Self { production, survived: BTreeMap::new(), rollouts: 0 }
    }

    /// Kills the worker, and starts another.
    fn kill(&mut self, status: &Value) -> Kill {
        let rollout = status["rolling_out"]["rollout"].as_str().map(str::to_owned);
        self.production.worker.kill();
        let before = objects(&self.production.lab, &self.production.namespace());
        let restarted = Timestamp::now();
        self.production.start_worker();
        Kill { before, workflows: [self.production.workflow_id()].into_iter().chain(rollout).collect(), restarted }
    }

    /// Records the consequences of a kill, once the phase is over.
    fn survive(&mut self, phase: &'static str, kill: &Kill) {
        let lab = &self.production.lab;
        let first = kill.workflows.iter().filter_map(|id| went_on(lab, id, kill.restarted)).min();
        // Nothing was left to be done if the phase had just ended, or waits for a person.
        let repaired = first.map_or(Duration::ZERO, |first| elapsed(kill.restarted, first));
        assert!(repaired < GOES_ON_WITHIN, "{repaired:?} from the restart until work went on, in {phase}");
        let mut changed = changed(&kill.before, &objects(lab, &self.production.namespace()));
        changed.retain(|object| !OF_BERTH.iter().any(|own| object.starts_with(own)));
        assert_eq!(changed, Vec::<String>::new(), "the second try changes nothing, in {phase}");
        let survived = self.survived.entry(phase).or_default();
        survived.repaired.push(repaired);
        survived.changed += changed.len();
    }

    /// Releases, and kills in the plan and in the wait for its approval. Returns the last kill: nothing is compared after
    /// it, since the rollout has begun to apply.
    fn release(&mut self, digit: char, image: &str, with_kills: bool) {
        let sent = self.production.release(digit, image, &["--no-wait"]);
        assert_eq!(sent.json["outcome"], "queued", "{sent:?}");
        if with_kills {
            std::thread::sleep(random(Duration::from_millis(100)));
            let kill = self.kill(&Value::Null);
            self.production.until("planned", |status| status["phase"] == "AwaitingApproval");
            self.survive("plan", &kill);
        }
        let status = self.production.until("planned", |status| status["phase"] == "AwaitingApproval");
        let queued = &status["queued"];
        let (number, plan) = (queued["number"].to_string(), queued["plan"]["id"].as_str().unwrap());
        let arguments = ["--release", &number, "--plan", plan, "--by", "lead"];
        if with_kills {
            let kill = self.kill(&Value::Null);
            assert_eq!(self.production.status()["phase"], "AwaitingApproval", "it waits on");
            self.survive("approval wait", &kill);
        }
        let approved = self.production.berth("approve", &arguments);
        assert_eq!(approved.json["outcome"], "approved", "{approved:?}");
    }

    /// Kills as soon as the status meets the condition, and waits until it meets the other.
    fn kill_once(&mut self, phase: &'static str, is_in: impl Fn(&Value) -> bool, is_over: impl Fn(&Value) -> bool) {
        let status = self.production.until(phase, is_in);
        let kill = self.kill(&status);
        self.production.until(&format!("{phase} is over"), is_over);
        self.survive(phase, &kill);
    }

    /// Asserts that the next rollout scheduled each of these activities once.
    fn assert_rolled_out(&mut self, expected: &[&str]) {
        self.rollouts += 1;
        let id = format!("{}-rollout-{}", self.production.workflow_id(), self.rollouts);
        let all: Vec<Activity> = activities(&self.production.lab, &id);
        let names: Vec<&str> = all.iter().map(|activity| activity.name.as_str()).collect();
        assert_eq!(names, expected, "{id} scheduled each activity once: {all:?}");
    }

    fn table(&self) {
        for (phase, survived) in &self.survived {
            let mut seconds: Vec<f64> = survived.repaired.iter().map(Duration::as_secs_f64).collect();
            seconds.sort_by(f64::total_cmp);
            println!(
                "production: kill in {phase:<14} {:>2} times; went on after {:.1} s (median), {:.1} s (longest); objects \
                 changed by the second try: {}",
                seconds.len(),
                seconds[seconds.len() / 2],
                seconds[seconds.len() - 1],
                survived.changed,
            );
        }
    }
}

fn is_step(step: &str) -> impl Fn(&Value) -> bool {
    move |status| status["rolling_out"]["step"] == step
}

#[test]
fn kill_in_each_phase_of_production_loses_and_repeats_nothing() {
    let _alone = alone();
    let mut victim = Victim::start();
    victim.release('f', "v1", false);
    victim.production.until("live", |status| status["phase"] == "Live");
    victim.assert_rolled_out(&OF_ROLLOUT);
    for round in 0..kills() {
        let image = ["v2", "v3"][round % 2];
        let good = char::from_digit(u32::try_from(round % 7).unwrap(), 16).unwrap();
        let before = victim.production.status()["serving"]["number"].as_u64();
        victim.release(good, image, true);
        let is_gated = |status: &Value| is_step("checking_gates")(status);
        victim.kill_once("rollout", is_step("awaiting_rollout"), is_gated);
        victim.kill_once("gates", is_gated, |status| status["phase"] == "Live");
        victim.assert_rolled_out(&OF_ROLLOUT);
        let serving = victim.production.status()["serving"]["number"].as_u64();
        assert!(serving > before, "{serving:?} after {before:?}");

        victim.production.write("core/web.yaml", &broken_web());
        victim.release(['8', '9'][round % 2], "v4", false);
        // While it applies, objects change for a good reason.
        let is_back = |status: &Value| {
            status["phase"] == "RollingBack"
                && ["awaiting_rollout", "checking_gates"].map(|step| is_step(step)(status)).contains(&true)
        };
        victim.kill_once("rollback", is_back, |status| status["phase"] == "RolledBack");
        victim.assert_rolled_out(&OF_ROLLOUT[..2]);
        victim.assert_rolled_out(&OF_ROLLOUT);
        victim.production.write("core/web.yaml", &web());
        assert_eq!(victim.production.status()["serving"]["number"].as_u64(), serving);
        assert_eq!(victim.production.page().map(|(version, _)| version).as_deref(), Some(image));
    }
    victim.table();
}

//! A long outage in each phase of a production rollout: Temporal, the API server and all workers are away.
//!
//! `cargo test --test kills outage -- --ignored --nocapture` takes twenty minutes, and prints how each release ended and the
//! notes of its production. `BERTH_OUTAGE_SECONDS` shortens the outage.

use std::{env, thread, time::Duration};

use berth_test_support::{
    lab_production::{LabProduction, web},
    until,
};
use serde_json::json;

use crate::{BERTH, alone, observed::both_answer};

/// The parts of the lab that are away.
const PARTS: [&str; 2] = ["temporal", "kube-apiserver"];

/// Long enough for the deadline of a rollout to pass unseen, which is ten minutes.
const OUTAGE_SECONDS: u64 = 900;

/// A gate that asks what the probes may not ask.
const GATE: &str = "  gates: [{ name: web, http: { workload: web, port: 8080, path: /api/health, status: 200 } }]\n";

/// A release that is in this step when the outage begins.
struct Case {
    app: &'static str,
    step: &'static str,
    settings: &'static str,
    manifest: String,
    stability_seconds: u64,
    is_good: bool,
}

/// A page that is healthy after this time, and ready if it answers this path.
fn page(healthy_after_seconds: u64, ready_path: &str) -> String {
    web()
        .replace("NOTHING, value: '5'", &format!("READY_AFTER_SECONDS, value: '{healthy_after_seconds}'"))
        .replace("path: /api/health", &format!("path: {ready_path}"))
}

/// A page that the kubelet restarts 40 seconds after its start, again and again.
fn restarted_page() -> String {
    let liveness = "livenessProbe: {httpGet: {path: /none, port: http}, initialDelaySeconds: 40, failureThreshold: 1}";
    web().replace("        readinessProbe:", &format!("        {liveness}\n        readinessProbe:"))
}

fn cases() -> Vec<Case> {
    const HOUR: u64 = 3600;
    let case = |app, step, settings, stability_seconds, is_good, manifest| Case {
        app,
        step,
        settings,
        manifest,
        stability_seconds,
        is_good,
    };
    vec![
        case("o-wait", "awaiting_rollout", "", 0, true, page(60, "/api/health")),
        case("o-wait-bad", "awaiting_rollout", "", 0, false, page(HOUR, "/api/health")),
        case("o-gates", "checking_gates", GATE, 0, true, page(60, "/")),
        case("o-gates-bad", "checking_gates", GATE, 0, false, page(HOUR, "/")),
        case("o-stable", "checking_gates", "", 120, true, web()),
        case("o-stable-bad", "checking_gates", "", 120, false, restarted_page()),
    ]
}

/// Starts production of a case with a release that serves.
fn start(case: &Case) -> LabProduction {
    let production = LabProduction::start(BERTH, case.app, case.settings, &[("core/web.yaml", &web())]);
    production.until("its worker has started it", |status| status["namespace"].is_string());
    let first = production.release('1', "v1", &[]);
    assert_eq!(first.json["outcome"], "live", "{first:?}");
    production.terminate();
    production.start_again(&json!({"app": case.app, "timings": {"stability_seconds": case.stability_seconds}}));
    production.until("it goes on", |status| status["serving"]["number"] == 1);
    production
}

/// The seconds for which nothing was seen of a release, as its production says.
fn unseen_seconds(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("nothing could be seen of it for ")?;
    rest.split_once(" s (")?.0.parse().ok()
}

#[test]
#[ignore = "takes twenty minutes"]
fn long_outage_in_each_phase_ends_as_the_release_deserves() {
    let _alone = alone();
    let cases = cases();
    let mut productions: Vec<LabProduction> = cases.iter().map(start).collect();
    for (case, production) in cases.iter().zip(&productions) {
        production.write("core/web.yaml", &case.manifest);
        let sent = production.release('2', "v2", &["--no-wait"]);
        assert_eq!(sent.json["outcome"], "queued", "{sent:?}");
    }
    for (case, production) in cases.iter().zip(&productions) {
        production.until(case.step, |status| status["rolling_out"]["step"] == case.step);
    }
    let lab = berth_lab::Lab::shared().unwrap();
    productions.iter_mut().for_each(|production| production.worker.kill());
    PARTS.iter().for_each(|part| lab.stop(part).unwrap());
    let seconds = env::var("BERTH_OUTAGE_SECONDS").ok().map_or(OUTAGE_SECONDS, |seconds| seconds.parse().unwrap());
    thread::sleep(Duration::from_secs(seconds));
    PARTS.iter().for_each(|part| lab.start(part).unwrap());
    until("both answer", || both_answer(&lab));
    productions.iter_mut().for_each(LabProduction::start_worker);
    for (case, production) in cases.iter().zip(&productions) {
        let waited = production.berth("wait", &["--release", "2", "--timeout", "10m"]);
        let status = production.status();
        let serves = if case.is_good { 2 } else { 1 };
        println!("{}: {} ({})", case.app, waited.json["outcome"], waited.json["reason"]);
        println!("  rollouts: {}\n  notes: {}", status["rollouts"], status["notes"]);
        let unseen = unseen_seconds(&format!("{} {} {}", status["notes"], status["rollouts"], waited.json["reason"]));
        assert!(unseen.is_some_and(|unseen| (seconds..seconds + 120).contains(&unseen)), "{unseen:?}: {status:#}");
        assert_eq!(waited.json["outcome"] == "live", case.is_good, "{waited:?}");
        let version = production.page().map(|(version, _)| version);
        assert_eq!((&status["serving"]["number"], version), (&json!(serves), Some(format!("v{serves}"))), "{status:#}");
    }
}

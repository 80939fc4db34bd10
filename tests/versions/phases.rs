//! The phases of an environment: how each is reached and left, and the end that follows, whichever version runs it.

use serde_json::{Value, json};

use crate::place::{Place, Site};

/// A phase in which the version changes.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Lines of production's settings. None: a preview.
    pub(crate) production: Option<&'static str>,
    pub(crate) timings: Value,
    /// Brings a new environment into the phase. Returns its status.
    pub(crate) reach: fn(&Place<'_>) -> Value,
    /// Sends the messages that lead to the end. Waits for nothing.
    pub(crate) leave: fn(&Place<'_>),
    pub(crate) end: End,
}

/// The end of an environment.
pub(crate) struct End {
    pub(crate) phase: &'static str,
    /// The commit that serves.
    pub(crate) serves: Option<char>,
    /// The number of rollouts.
    pub(crate) rollouts: usize,
    /// The number of rollouts that fail, by intention.
    pub(crate) failed: usize,
}

impl Phase {
    /// The environment of this phase. `number` must be its own.
    pub(crate) fn place<'a>(&self, site: &'a Site, number: usize) -> Place<'a> {
        match self.production {
            None => site.preview(number, &self.timings),
            Some(settings) => site.production(number, settings, &self.timings),
        }
    }
}

const fn live(serves: char, rollouts: usize) -> End {
    End { phase: "Live", serves: Some(serves), rollouts, failed: 0 }
}

const CLOSED: End = End { phase: "Closed", serves: None, rollouts: 1, failed: 0 };

/// All phases.
pub(crate) fn all() -> Vec<Phase> {
    let continuing = || json!({"history_events": 32});
    let short_teardown = || json!({"teardown_seconds": 1, "teardown_retry_seconds": 2});
    let preview = |name, timings, reach, leave, end| Phase { name, production: None, timings, reach, leave, end };
    let production = |name, settings, timings, reach, leave, end| Phase {
        name,
        production: Some(settings),
        timings,
        reach,
        leave,
        end,
    };
    const APPROVAL: &str = "  approval: required\n";
    // The worker starts production, so that no start has timings.
    const SHORT_ROLLOUT: &str = "timings: { capacity: 5s, rollout: 10s }\n";
    vec![
        preview("awaiting push", json!({}), awaiting_push, push_1, live('1', 1)),
        preview("held draft", json!({}), held_draft, ready_for_review, live('1', 1)),
        preview("awaiting approval", json!({}), awaiting_approval, approve, live('1', 1)),
        preview("awaiting approval, continued", continuing(), awaiting_approval_continued, approve, live('1', 1)),
        preview("rolling out", json!({}), rolling_out, |place| place.open('1'), live('1', 1)),
        preview("rolling out, superseded", json!({}), rolling_out, push_2, live('2', 2)),
        preview("rolling out, closed", json!({}), rolling_out, close, CLOSED),
        preview("live", json!({}), live_after_a_push, push_2, live('2', 2)),
        preview("live, same push", json!({}), live_after_a_push, push_1, live('1', 1)),
        preview("live, continued", continuing(), live_continued, push_2, live('2', 2)),
        preview("failed", json!({}), failed, push_2, End { failed: 1, ..live('2', 2) }),
        preview("failed, continued", continuing(), failed_continued, push_2, End { failed: 1, ..live('2', 2) }),
        preview("tearing down", json!({}), tearing_down, let_go, CLOSED),
        preview("teardown blocked", short_teardown(), teardown_blocked, let_go, CLOSED),
        preview("reopening", short_teardown(), reopening, let_go, live('2', 2)),
        preview("closed", json!({}), closed, push_3, live('3', 2)),
        production("awaiting release", "", json!({}), awaiting_release, push_1, live('1', 1)),
        production("awaiting approval of a plan", APPROVAL, json!({}), planned, approve_plan, live('1', 1)),
        production("production rolling out", "", json!({}), rolling_out, |place| place.open('1'), live('1', 1)),
        production("production live", "", json!({}), live_after_a_push, push_2, live('2', 2)),
        production("rolled back", SHORT_ROLLOUT, json!({}), rolled_back, push_3, End { failed: 1, ..live('3', 4) }),
        production("frozen", "", json!({}), frozen, unfreeze, live('2', 2)),
        production("frozen by a cancel, continued", "", json!({}), cancelled, unfreeze, live('2', 2)),
    ]
}

fn awaiting_push(place: &Place<'_>) -> Value {
    place.start();
    place.until_phase("AwaitingPush")
}

fn push_1(place: &Place<'_>) {
    place.open('1');
    place.push('1', &json!({}));
}

fn push_2(place: &Place<'_>) {
    place.open('2');
    place.push('2', &json!({}));
}

fn push_3(place: &Place<'_>) {
    place.open('3');
    place.push('3', &json!({}));
}

fn held_draft(place: &Place<'_>) -> Value {
    place.push('1', &json!({"draft": true}));
    place.until("held", |status| status["held"]["commit"].is_string())
}

fn ready_for_review(place: &Place<'_>) {
    place.open('1');
    let head = berth_test_support::commit('1');
    place.send("pull_request", &json!({"head": head, "state": "open", "updated_at": "2026-01-01T00:00:00Z"}));
}

fn awaiting_approval(place: &Place<'_>) -> Value {
    place.push('1', &json!({"fork": true}));
    place.until_phase("AwaitingApproval")
}

/// Continues the workflow as new. Its phase stays.
fn continued(place: &Place<'_>, phase: &str) -> Value {
    place.until_continued();
    place.until_phase(phase)
}

fn awaiting_approval_continued(place: &Place<'_>) -> Value {
    awaiting_approval(place);
    continued(place, "AwaitingApproval")
}

fn approve(place: &Place<'_>) {
    place.open('1');
    place.send("approve", &json!({"commit": berth_test_support::commit('1')}));
}

fn rolling_out(place: &Place<'_>) -> Value {
    place.push('1', &json!({}));
    place.until("rolling out", |status| status["rolling_out"]["step"] == "awaiting_rollout")
}

fn let_go(place: &Place<'_>) {
    place.release_namespace();
}

fn close(place: &Place<'_>) {
    place.send("close", &json!({"sequence": 1}));
}

fn live_after_a_push(place: &Place<'_>) -> Value {
    push_1(place);
    place.until_phase("Live")
}

fn live_continued(place: &Place<'_>) -> Value {
    live_after_a_push(place);
    continued(place, "Live")
}

fn failed(place: &Place<'_>) -> Value {
    // The app file does not list this image.
    let image = format!("registry.example.com/other/web@sha256:{}", "0".repeat(64));
    place.push('1', &json!({"image": image}));
    place.until_phase("Failed")
}

fn failed_continued(place: &Place<'_>) -> Value {
    failed(place);
    continued(place, "Failed")
}

fn tearing_down(place: &Place<'_>) -> Value {
    close_with_held_namespace(place);
    place.until_phase("TearingDown")
}

fn teardown_blocked(place: &Place<'_>) -> Value {
    close_with_held_namespace(place);
    place.until_phase("TeardownBlocked")
}

fn close_with_held_namespace(place: &Place<'_>) {
    live_after_a_push(place);
    place.hold_namespace();
    close(place);
}

fn reopening(place: &Place<'_>) -> Value {
    teardown_blocked(place);
    place.open('2');
    place.push('2', &json!({}));
    place.until("reopening", |status| status["queued"]["commit"].is_string())
}

fn closed(place: &Place<'_>) -> Value {
    live_after_a_push(place);
    close(place);
    place.until_phase("Closed")
}

fn awaiting_release(place: &Place<'_>) -> Value {
    place.start();
    place.until_phase("AwaitingRelease")
}

fn planned(place: &Place<'_>) -> Value {
    push_1(place);
    place.until_phase("AwaitingApproval")
}

fn approve_plan(place: &Place<'_>) {
    let plan = place.kept()["queued"]["plan"]["id"].clone();
    place.send("approve", &json!({"release": 1, "plan": plan, "by": "lead"}));
}

fn rolled_back(place: &Place<'_>) -> Value {
    live_after_a_push(place);
    // No pod of it starts.
    place.push('2', &json!({}));
    place.until_phase("RolledBack")
}

fn frozen(place: &Place<'_>) -> Value {
    live_after_a_push(place);
    place.send("freeze", &json!({"reason": "the versions change", "by": "lead"}));
    place.until_phase("Frozen")
}

fn cancelled(place: &Place<'_>) -> Value {
    live_after_a_push(place);
    let first = place.history().run_id;
    place.cancel();
    berth_test_support::until("the cancelled run continues", || place.history().run_id != first);
    place.until_phase("Frozen")
}

fn unfreeze(place: &Place<'_>) {
    push_2(place);
    place.send("unfreeze", &json!({"by": "lead"}));
}

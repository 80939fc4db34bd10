//! Messages of production that one workflow task brings, on a real dev server, with fake activities.
//!
//! The worker is stopped, the messages are sent, and the worker is started again. The SDK then delivers all signals, then all
//! updates, whatever was sent first.

use berth_test_support::production::{Production, production, push};
use berth_workflows::contract::{
    production_answer::ProductionOutcome::{self, *},
    production_status::ProductionStatus,
};
use futures::future::join_all;
use serde_json::{Value, json};

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Signal,
    Update,
}
use Sent::{Signal, Update};

fn input(message: &str) -> Value {
    match message {
        "rollback" => json!({ "to": 1, "by": "ops" }),
        "freeze" => json!({ "reason": "incident", "by": "ops" }),
        "unfreeze" => json!({ "by": "ops" }),
        "release" => serde_json::to_value(push('c')).unwrap(),
        other => panic!("no input for {other}"),
    }
}

/// Makes releases 1 and 2 live, then sends messages that one task brings. Returns the answers to the updates.
async fn send_at_once(t: &Production, messages: &[(&str, Sent)]) -> Vec<ProductionOutcome> {
    for (digit, number) in [('a', 1), ('b', 2)] {
        t.release(push(digit)).await;
        t.until_serves(number).await;
    }
    t.until("recorded", |_| t.record().begun.is_none()).await;
    t.worker.stop().await;
    let mut answers = Vec::new();
    for (message, sent) in messages {
        match sent {
            Signal => t.signal(message, &input(message)).await,
            Update => answers.push(t.begin_update(message, &input(message)).await),
        }
    }
    t.worker.start().await;
    join_all(answers).await.into_iter().map(|answer| answer.unwrap().outcome).collect()
}

/// The release that serves at last, and whether releases are held.
fn end(status: &ProductionStatus) -> (Option<u64>, bool) {
    (status.serving.as_ref().and_then(|serving| serving.release.number), status.frozen.is_some())
}

/// Messages, the answers to the updates among them, the release that serves at last, and whether releases are held.
type Case = (&'static [(&'static str, Sent)], &'static [ProductionOutcome], u64, bool);

const CASES: [Case; 9] = [
    // In the order of arrival.
    (&[("rollback", Signal), ("unfreeze", Signal)], &[], 1, false),
    (&[("unfreeze", Signal), ("rollback", Signal)], &[], 1, true),
    (&[("rollback", Update), ("unfreeze", Update)], &[RollingBack, Unfrozen], 1, false),
    (&[("freeze", Signal), ("release", Signal)], &[], 2, true),
    (&[("freeze", Update), ("release", Update), ("unfreeze", Update)], &[Frozen, Queued, Unfrozen], 3, false),
    (&[("rollback", Signal), ("unfreeze", Signal), ("release", Signal)], &[], 3, false),
    // A signal and an update have no order: what holds releases counts as the later one.
    (&[("rollback", Update), ("unfreeze", Signal)], &[RollingBack], 1, true),
    (&[("rollback", Signal), ("unfreeze", Update)], &[Refused], 1, true),
    (&[("unfreeze", Update), ("freeze", Signal)], &[Refused], 2, true),
];

#[tokio::test]
async fn messages_of_one_task_are_judged_in_the_promised_order() {
    join_all(CASES.into_iter().enumerate().map(async |(n, (messages, answers, serves, is_frozen))| {
        production(&format!("p-once-{n}"), async |t: Production| {
            assert_eq!(send_at_once(&t, messages).await, answers, "{messages:?}");
            let expected = (Some(serves), is_frozen);
            let is_at_rest = |s: &ProductionStatus| s.rolling_out.is_none() && end(s) == expected;
            t.until(&format!("{expected:?} after {messages:?}"), is_at_rest).await;
            t.until("recorded", |_| t.record().begun.is_none() && t.record().frozen.is_some() == is_frozen).await;
            t.record_history(&format!("same-task-{n}"), None).await;
        })
        .await;
    }))
    .await;
}

//! What berth makes of every condition, reason and Warning event of Kubernetes 1.34 that can hold a rollout, as a table. Each row
//! with a verdict names the recorded or written case that shows it: `recorded/<case>.json`, `fixtures/<case>.json`.
//!
//! The rows come from the API types (`core/v1`, `apps/v1`, `batch/v1`: types and reasons of conditions), the kubelet's reasons
//! (`pkg/kubelet/container/sync_result.go`, `images/types.go`, `kuberuntime/kuberuntime_container.go`, `lifecycle`), and every
//! use of `EventTypeWarning` in kubernetes 1.34.4.

mod controllers;
mod events;
mod pods;

use std::{collections::BTreeSet, fs, path::Path};

use berth_workflows::contract::verdict::FailureType;

use super::{
    classify::Cause,
    fixtures::{START_MS, case, snapshot_of, wait_of},
    judge::{Judge, Look},
    recorded::Recorded,
};

/// Where a state is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// A container that waits, by its reason.
    Waiting,
    /// A container that runs, by what has not happened.
    Running,
    /// A container that has ended, by its reason.
    Ended,
    /// A condition of a pod, and its reason.
    Pod,
    /// A pod that has ended as a whole, by its reason.
    EndedPod,
    /// The API server's refusal of a pod, in a condition or event of its owner.
    Refused,
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    /// A Warning event, by its reason.
    Event,
}

/// When a verdict is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Within ten seconds.
    Soon,
    /// After a minute: it may pass.
    Minute,
    /// At the deadline: it may end by itself.
    Deadline,
    /// At the deadline for a node.
    Capacity,
}

/// What berth makes of a state.
#[derive(Debug, Clone, Copy)]
enum Means {
    /// The verdict of that case, which has these words in its message.
    Verdict(FailureType, When, &'static str, &'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct State {
    of: Of,
    name: &'static str,
    means: Means,
}

const fn state(of: Of, name: &'static str, means: Means) -> State {
    State { of, name, means }
}

fn all() -> impl Iterator<Item = &'static State> {
    pods::STATES.iter().chain(controllers::STATES).chain(events::STATES)
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rollout").join(name)
}

/// Returns the cause of a case, and the second of the verdict.
fn judged(name: &str) -> (Cause, u64) {
    if !folder("fixtures").join(name).with_extension("json").exists() {
        let (_, cause, second) = Recorded::read(name).judge();
        return (cause, second);
    }
    let objects = case(name);
    let (snapshot, mut judge) = (snapshot_of(&objects), Judge::new(&wait_of(&objects)));
    for second in 30..1200 {
        match judge.look(&snapshot, START_MS + second * 1000) {
            Look::Failed(cause) => return (*cause, second - 30),
            Look::Waiting { .. } => {}
            Look::Complete => panic!("{name} is complete"),
        }
    }
    panic!("{name}: no verdict in 20 minutes");
}

#[test]
fn each_state_with_a_verdict_has_a_case_that_shows_it() {
    for State { of, name, means } in all() {
        let Means::Verdict(failure, when, case, words) = means else { continue };
        let (cause, second) = judged(case);
        assert_eq!(cause.failure, *failure, "{of:?} {name} in {case}: {}", cause.message);
        assert!(cause.message.contains(words), "{of:?} {name} in {case}: {words:?} should be in {:?}", cause.message);
        let given = match second {
            0..=10 => When::Soon,
            11..=60 => When::Minute,
            61..800 => When::Deadline,
            _ => When::Capacity,
        };
        assert_eq!(given, *when, "{of:?} {name} in {case}: after {second} s");
    }
}

#[test]
fn each_state_is_listed_once_with_a_reason_or_a_case() {
    let mut seen = BTreeSet::new();
    for State { of, name, means } in all() {
        assert!(seen.insert((*of, *name)), "{of:?} {name} is there twice");
        if let Means::Nothing(why) = means {
            assert!(why.len() > 10, "{of:?} {name}");
        }
    }
}

#[test]
fn each_written_case_is_one_of_a_state() {
    let named: BTreeSet<_> = all()
        .filter_map(|state| match state.means {
            Means::Verdict(_, _, case, _) => Some(case.to_owned()),
            Means::Nothing(_) => None,
        })
        .collect();
    // Cases of the judge's own tests: how a state begins, ends or repeats.
    let others = [
        "crash_long_ago",
        "crash_loop_running_again",
        "crash_loop_second_restart",
        "creating",
        "image_back_off_of_an_older_kubelet",
        "ready",
    ];
    for file in fs::read_dir(folder("fixtures")).unwrap() {
        let name = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(named.contains(&name) || others.contains(&name.as_str()), "{name} is not named by the table");
    }
}

#[test]
fn advice_on_a_state_without_a_probe_names_no_probe() {
    for State { name, means, .. } in all() {
        let Means::Verdict(FailureType::NotReady, _, case, _) = means else { continue };
        let (cause, _) = judged(case);
        let advice = cause.advice.unwrap_or_else(|| crate::failure::advice::advice(cause.failure).to_owned());
        assert!(!advice.contains("probe") || cause.message.contains("probe"), "{name} in {case}: {advice}");
    }
}

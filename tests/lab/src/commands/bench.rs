//! `cargo lab bench`: the time that berth takes, compared with kubectl by hand on the same warm lab.
//!
//! Work by hand means `kubectl apply` of the same rendered objects, `kubectl rollout status`, and `kubectl delete namespace`.
//! berth is a release build. Compare ratios of medians within one run: machines are noisy.
//!
//! The kubelet sees once a second that a container runs (`relist` of its PLEG), and most operations end with that. What
//! follows at once would always begin at the same moment of that second, to the profit of one side. So each run waits for
//! another part of a second before each operation.

use std::{
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    by_hand::{by_hand, objects},
    ending,
    options::ClusterOptions,
    pull_request::PullRequest,
};
use crate::{
    life::{
        plan::{self, Request},
        session,
        state::State,
    },
    parts::cargo,
};

const BENCH: &str = "bench";
/// A number far from those of other labs' pull requests.
const FIRST_PULL_REQUEST: u64 = 9_000;

/// The time between two looks of the kubelet at its containers, in milliseconds.
const KUBELET_LOOKS_EVERY_MS: u64 = 1000;

/// The times of an operation, by berth and by hand.
#[derive(Debug, Default)]
struct Comparison {
    berth: Vec<Duration>,
    floor: Vec<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    options: ClusterOptions,
    /// The number of measured runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let berth = cargo::berth_release()?;
    let session = session::join_or_start(BENCH, || {
        plan::make(Request {
            yes: bench.options.yes,
            fake_nodes: bench.options.fake_nodes,
            use_cluster: bench.options.use_cluster,
            worker: Some(berth.clone()),
            ..Request::named(BENCH)
        })
    })?;
    let measured = measure(&session.state, &berth, bench.runs);
    drop(session);
    ending::end_and_check(BENCH)?;
    write!(std::io::stdout(), "{}", measured?)?;
    Ok(())
}

fn measure(state: &State, berth: &std::path::Path, runs: u64) -> Result<String> {
    let (mut opened, mut pushed, mut closed) = (Comparison::default(), Comparison::default(), Comparison::default());
    let (mut first_steps, mut next_steps): (Vec<Value>, Vec<Value>) = Default::default();
    // The first run warms caches, and is not counted.
    for run in 0..=runs {
        let pull_request = PullRequest::new(state, berth.to_owned(), FIRST_PULL_REQUEST + run);
        let pause = Duration::from_millis(KUBELET_LOOKS_EVERY_MS * run / runs);
        let one = once(state, &pull_request, &format!("floor-{run}"), pause)?;
        if run == 0 {
            continue;
        }
        for (comparison, (berth, floor)) in
            [(&mut opened, one.opened), (&mut pushed, one.pushed), (&mut closed, one.closed)]
        {
            comparison.berth.push(berth);
            comparison.floor.push(floor);
        }
        first_steps.push(one.first_steps);
        next_steps.push(one.next_steps);
    }
    Ok(format!(
        "{runs} runs\n{}{}{}{}{}",
        opened.line("new environment: push to live"),
        pushed.line("next push: push to live"),
        closed.line("close to verified gone"),
        step_lines("a new environment", &first_steps),
        step_lines("the next push", &next_steps),
    ))
}

struct Once {
    opened: (Duration, Duration),
    pushed: (Duration, Duration),
    closed: (Duration, Duration),
    first_steps: Value,
    next_steps: Value,
}

/// One run. `floor` is the namespace by hand; `pause` is the time before each operation.
fn once(state: &State, pull_request: &PullRequest, floor: &str, pause: Duration) -> Result<Once> {
    let (person, own) = (&pull_request.person, pull_request.namespace());
    let image = |variant: &str| state.images.get(variant).cloned().unwrap_or_default();
    let push = |digit: &str, image: &str| {
        timed(pause, || {
            let commit = digit.repeat(40);
            pull_request.preview("push", &["--commit", &commit, "--image", image])?.expect(0, "live").map(drop)
        })
    };
    let berth_opened = push("1", &image("v1"))?;
    let first = objects(person, &own, floor)?;
    let berth_pushed = push("2", &image("v2"))?;
    let second = objects(person, &own, floor)?;
    let (first_steps, next_steps) = (pull_request.rollout_steps(1)?, pull_request.rollout_steps(2)?);
    let berth_closed = timed(pause, || pull_request.preview("close", &[]).map(drop))?;

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": floor}});
    let with_namespace = [vec![namespace], first].concat();
    let floor_opened = timed(pause, || by_hand(person, floor, &with_namespace))?;
    let floor_pushed = timed(pause, || by_hand(person, floor, &second))?;
    let floor_closed = timed(pause, || person.kubectl(&["delete", "namespace", floor]).map(drop))?;
    Ok(Once {
        opened: (berth_opened, floor_opened),
        pushed: (berth_pushed, floor_pushed),
        closed: (berth_closed, floor_closed),
        first_steps,
        next_steps,
    })
}

/// Returns the time that work takes, which begins after the pause.
fn timed(pause: Duration, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    thread::sleep(pause);
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

impl Comparison {
    fn line(&self, what: &str) -> String {
        let (berth, floor) = (median(&self.berth), median(&self.floor));
        format!(
            "{what:<32} berth {:>6} ms   by hand {:>6} ms   ratio {:.2}   difference {:+} ms\n",
            berth.as_millis(),
            floor.as_millis(),
            berth.as_secs_f64() / floor.as_secs_f64(),
            i128::try_from(berth.as_millis()).unwrap_or_default()
                - i128::try_from(floor.as_millis()).unwrap_or_default(),
        )
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The median time of each step, from the rollouts' results.
fn step_lines(rollout: &str, runs: &[Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let each = || runs.iter().flat_map(|steps| steps.as_array().into_iter().flatten());
    for step in each() {
        let name = step["step"].as_str().unwrap_or("?");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let line = |name: &&str| {
        let of_step = each().filter(|step| step["step"] == **name);
        let times: Vec<_> = of_step.filter_map(|step| step["ms"].as_u64()).map(Duration::from_millis).collect();
        format!("  {name:<20} {:>6} ms\n", median(&times).as_millis())
    };
    format!("{rollout} by step (median):\n{}", names.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_value_in_any_order() {
        assert_eq!(median(&[3, 1, 100].map(Duration::from_millis)), Duration::from_millis(3));
    }

    #[test]
    fn steps_are_listed_in_order_with_their_median() {
        let run = |ms: u64| json!([{"step": "applying", "ms": ms}, {"step": "pruning", "ms": 1}]);
        let lines = step_lines("the next push", &[run(10), run(30), run(20)]);
        assert!(lines.contains("applying                 20 ms\n  pruning"), "{lines}");
    }
}

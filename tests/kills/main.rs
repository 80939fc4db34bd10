//! `kill -9` of the worker in each step, of Temporal and of the API server: nothing is lost, and nothing is done twice.
//!
//! `BERTH_KILLS=10 cargo test --test kills -- --nocapture` kills ten times in each step, and prints the results.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "the table is what a person wants to see of this test")]

use berth_test_support::{Berth, until};
use k8s_openapi::jiff::Timestamp;
use observed::{Activity, Objects, activities, both_answer, changed, names, objects, went_on};
use std::{
    env,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

mod observed;
mod outage;
mod production;

/// The binary under test.
const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// A killed worker's work is picked up within 5 s of its restart, and within 11 s if it died inside a workflow task: the
/// server's own timeout for that is 10 s.
const GOES_ON_WITHIN: Duration = Duration::from_secs(11);

/// A first push and its close without a kill: times, and the objects that the push leaves.
struct Undisturbed {
    began: Timestamp,
    activities: Vec<Activity>,
    names: Vec<String>,
    close: Duration,
}

/// The number of kills to try for each that hits its step.
const TRIES: usize = 4;

fn kills() -> usize {
    env::var("BERTH_KILLS").ok().map_or(1, |kills| kills.parse().unwrap())
}

/// A random time within a range: the moment of a kill.
fn random(range: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let share = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    range.mul_f64(share)
}

/// Lets one test run at a time: each would feel the kills of another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts an environment with a stability window: without it, the check of the gates is too short to hit.
fn open(berth: &Berth, pr: u64) {
    // A worker that starts beside the push would spoil the aim.
    until("the worker takes work", || berth.worker.is_ready());
    let input = format!(r#"{{"app":"web","pr":{pr},"timings":{{"stability_seconds":2}}}}"#);
    let id = format!("preview-web-{pr}");
    let of_it = ["--type", "PreviewEnvironment", "--workflow-id", &id, "--task-queue", &berth.commands.task_queue];
    berth.temporal(&[&["workflow", "start"], &of_it[..], &["--input", &input]].concat());
}

fn undisturbed(pr: u64) -> Undisturbed {
    let berth = Berth::start(BERTH, pr);
    open(&berth, pr);
    let began = Timestamp::now();
    let answer = berth.push('1', &berth.lab.image("v1"), &[]);
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    let activities = activities(&berth.lab, &format!("preview-web-{pr}-rollout-1"));
    let names = names(&objects(&berth.lab, &format!("pr-{pr}")), pr);
    let closing = Instant::now();
    assert_eq!(berth.preview("close", &[]).code, 0);
    Undisturbed { began, activities, names, close: closing.elapsed() }
}

/// The run without a kill that all tests compare with.
fn normal() -> &'static Undisturbed {
    static NORMAL: OnceLock<Undisturbed> = OnceLock::new();
    // The first push of a lab is slower than all others: kills timed by it would come too late.
    NORMAL.get_or_init(|| {
        undisturbed(6_999);
        undisturbed(7_000)
    })
}

/// The consequences of a kill.
struct Survived {
    /// Activities with more than one attempt.
    again: Vec<String>,
    repaired: Duration,
    changed: Vec<String>,
}

fn kill_during(step: &str, pr: u64, normal: &Undisturbed) -> Survived {
    let usual = normal.activities.iter().find(|activity| activity.name == step).unwrap();
    let wait = elapsed(normal.began, usual.scheduled) + random(elapsed(usual.scheduled, usual.ended));
    let mut berth = Berth::start(BERTH, pr);
    open(&berth, pr);
    let namespace = format!("pr-{pr}");
    let push = berth.begin_push('1', &berth.lab.image("v1"), &[]);
    std::thread::sleep(wait);
    berth.worker.kill();
    let before = objects(&berth.lab, &namespace);
    let restarted = Timestamp::now();
    berth.restart_worker(|_| {});
    let answer = push.wait();
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    let survived = survived(&berth, pr, normal, &before, restarted);
    make_room(&berth, pr);
    survived
}

/// Deletes the environment, since the node has room for a hundred pods. It is not closed: that is another test.
fn make_room(berth: &Berth, pr: u64) {
    berth.temporal(&["workflow", "terminate", "--workflow-id", &format!("preview-web-{pr}")]);
    berth.kubectl(&["delete", "namespace", &format!("pr-{pr}"), "--wait=false"]);
}

fn survived(berth: &Berth, pr: u64, normal: &Undisturbed, before: &Objects, restarted: Timestamp) -> Survived {
    let after = objects(&berth.lab, &format!("pr-{pr}"));
    assert_eq!(names(&after, pr), normal.names, "the end state is that of a run in which nothing died");
    let rollout = format!("preview-web-{pr}-rollout-1");
    let all = activities(&berth.lab, &rollout);
    assert_eq!(scheduled(&all), scheduled(&normal.activities), "each activity was scheduled once: {all:?}");
    let again = all.iter().filter(|activity| activity.attempts > 1).map(|activity| activity.name.clone()).collect();
    let environment = went_on(&berth.lab, &format!("preview-web-{pr}"), restarted);
    let first = went_on(&berth.lab, &rollout, restarted).into_iter().chain(environment).min();
    let repaired = first.map(|first| elapsed(restarted, first)).unwrap_or_default();
    assert!(repaired < GOES_ON_WITHIN, "{repaired:?} from the restart until work went on");
    let changed = changed(before, &after);
    assert_eq!(changed, Vec::<String>::new(), "the second try changes nothing");
    Survived { again, repaired, changed }
}

/// The activities that a rollout scheduled, in order, without the prune. A first rollout skips it only if its own attempt
/// created the namespace, and a killed attempt may have created it.
fn scheduled(activities: &[Activity]) -> Vec<&str> {
    activities.iter().map(|activity| activity.name.as_str()).filter(|name| *name != "prune").collect()
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// The number of kills that hit their step.
fn hits(step: &str, survived: &[Survived]) -> usize {
    survived.iter().filter(|one| one.again.iter().any(|name| name == step)).count()
}

fn line(step: &str, survived: &[Survived]) {
    let mut seconds: Vec<_> = survived.iter().map(|one| one.repaired).collect();
    seconds.sort();
    let hits = hits(step, survived);
    let others: Vec<_> = survived.iter().flat_map(|one| &one.again).filter(|name| *name != step).collect();
    println!(
        "kill during {step:<20} {:>2} times, {hits:>2} in that very activity (else: {others:?}); went on after {:.1} s (median), \
         {:.1} s (longest); objects changed by the second try: {}",
        survived.len(),
        seconds[seconds.len() / 2].as_secs_f64(),
        seconds[seconds.len() - 1].as_secs_f64(),
        survived.iter().map(|one| one.changed.len()).sum::<usize>(),
    );
}

/// Kills until the step was hit often enough. A kill that misses a short step hits its neighbour, which must hold as well.
fn kill_again_and_again(step: &str, first: u64) {
    let _alone = alone();
    let normal = normal();
    let mut survived = Vec::new();
    let mut numbers = first..;
    while hits(step, &survived) < kills() && survived.len() < TRIES * kills() {
        survived.extend(numbers.next().map(|pr| kill_during(step, pr, normal)));
    }
    line(step, &survived);
}

#[test]
fn kill_during_ensure_namespace_loses_and_repeats_nothing() {
    kill_again_and_again("ensure_namespace", 7_300);
}

#[test]
fn kill_during_sync_secrets_loses_and_repeats_nothing() {
    kill_again_and_again("sync_secrets", 7_400);
}

#[test]
fn kill_during_apply_manifests_loses_and_repeats_nothing() {
    kill_again_and_again("apply_manifests", 7_500);
}

#[test]
fn kill_during_await_rollout_loses_and_repeats_nothing() {
    kill_again_and_again("await_rollout", 7_600);
}

#[test]
fn kill_during_check_gates_loses_and_repeats_nothing() {
    kill_again_and_again("check_gates", 7_700);
}

#[test]
fn kill_during_teardown_leaves_nothing() {
    let _alone = alone();
    let normal = normal();
    for pr in (7_101..).take(kills()) {
        let mut berth = Berth::start(BERTH, pr);
        assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).json["outcome"], "live");
        let begun = Instant::now();
        let close = berth.begin("close", &[]);
        std::thread::sleep(random(normal.close));
        let killed_after = begun.elapsed();
        berth.restart_worker(|_| {});
        let answer = close.wait();
        assert_eq!((answer.code, answer.data["gone"][0].as_str()), (0, Some(format!("Namespace/pr-{pr}").as_str())));
        assert_eq!(berth.object("namespace", &format!("pr-{pr}")), None);
        println!(
            "kill during teardown after {:.1} s: gone after {:.1} s (undisturbed: {:.1} s)",
            killed_after.as_secs_f64(),
            begun.elapsed().as_secs_f64(),
            normal.close.as_secs_f64()
        );
    }
}

#[test]
fn rollout_outlives_crashes_of_temporal_and_the_api_server() {
    let _alone = alone();
    let normal = normal();
    let first = normal.activities.iter().map(|activity| activity.scheduled).min().unwrap();
    let last = normal.activities.iter().map(|activity| activity.ended).max().unwrap();
    let mut pr = 7_200;
    for part in ["temporal", "kube-apiserver"] {
        for _ in 0..kills() {
            pr += 1;
            let berth = Berth::start(BERTH, pr);
            open(&berth, pr);
            let push = berth.begin_push('1', &berth.lab.image("v1"), &[]);
            std::thread::sleep(elapsed(normal.began, first) + random(elapsed(first, last)));
            let killed = Instant::now();
            berth.lab.kill(part).unwrap();
            until("both answer", || both_answer(&berth.lab));
            let back = killed.elapsed();
            let before = objects(&berth.lab, &format!("pr-{pr}"));
            let answer = push.wait();
            assert_eq!(answer.json["outcome"], "live", "{answer:?}");
            let after = objects(&berth.lab, &format!("pr-{pr}"));
            assert_eq!(names(&after, pr), normal.names);
            let changed = changed(&before, &after);
            assert_eq!(changed, Vec::<String>::new());
            println!(
                "{part} killed in a rollout: it answers after {:.1} s, live after {:.1} s (undisturbed: {:.1} s), objects changed: {}",
                back.as_secs_f64(),
                killed.elapsed().as_secs_f64(),
                elapsed(normal.began, last).as_secs_f64(),
                changed.len(),
            );
            make_room(&berth, pr);
        }
    }
}

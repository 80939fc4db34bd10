//! Two versions of berth on one Temporal server: one begins, the other ends.
//!
//! The older version is the commit in `old-commit`. Each environment ends as it would with one version, nothing is done
//! twice, and no workflow fails. A workflow task may fail while only a version polls that does not know what another has
//! decided. It goes on once the right one polls. `cargo test --test versions -- --nocapture` prints the matrix.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "the matrix is what a person wants to see of this test")]

use std::{
    fmt::Write as _,
    path::Path,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use berth_lab::Lab;
use berth_test_support::Worker;
use history::{Execution, History, executions};
use k8s_openapi::jiff::Timestamp;
use phases::Phase;
use place::{Place, Site};

mod history;
mod old_version;
mod phases;
mod place;

/// The binary under test.
const NEW: &str = env!("CARGO_BIN_EXE_berth");

/// A failed workflow task goes on within this time once the right version polls.
const HEALS_WITHIN: Duration = Duration::from_secs(30);

fn lab() -> Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    // Pods have nothing to do, so fake nodes show the same, and need no root.
    LAB.get_or_init(|| Lab::with_fake_nodes("versions", 2).unwrap()).clone()
}

/// Lets one test at a time run. All of their environments at once are more than a dev server on two cores answers in time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn worker(site: &Site, berth: &Path) -> Worker {
    Worker::start(&site.lab, berth, &site.task_queue, |worker| {
        worker.env("BERTH_APPS", site.apps.path());
    })
}

fn ready_worker(site: &Site, berth: &Path) -> Worker {
    let worker = worker(site, berth);
    berth_test_support::until("the worker takes work", || worker.is_ready());
    worker
}

/// All phases in one direction.
struct Direction<'a> {
    name: &'static str,
    site: &'a Site,
    cells: Vec<(Phase, Place<'a>)>,
    /// The UIDs of the namespaces when the version changed.
    namespaces: Vec<String>,
}

impl<'a> Direction<'a> {
    /// Brings an environment into each phase.
    fn reach(name: &'static str, site: &'a Site, cells: Vec<(Phase, Place<'a>)>) -> Self {
        for_all(&cells, |phase, place| {
            let status = (phase.reach)(place);
            place.keep(status);
        });
        let namespaces = cells.iter().map(|(_, place)| place.namespace_uid()).collect();
        Self { name, site, cells, namespaces }
    }

    /// Sends each environment the messages that lead to its end.
    fn leave(&self) {
        for_all(&self.cells, |phase, place| (phase.leave)(place));
    }

    /// Waits until a worker has taken a workflow task of each environment, whether or not it could.
    fn until_tried(&self, since: Timestamp) {
        for_all(&self.cells, |_, place| {
            let what = format!("a task of {} is taken", place.workflow_id);
            berth_test_support::until(&what, || place.is_tried(since));
        });
    }

    /// Waits for the end of each environment, and prints its line of the matrix. `since`: from then on the right version
    /// polled.
    fn assert_ends(&self, since: Timestamp) {
        for_all(&self.cells, |phase, place| {
            let end = &phase.end;
            let serves = end.serves.map(|digit| berth_test_support::commit(digit).to_string());
            place.until(end.phase, |status| {
                status["phase"] == end.phase && status["serving"]["commit"].as_str() == serves.as_deref()
            });
        });
        let all = executions(&self.site.lab, &self.site.task_queue);
        let mut matrix = String::new();
        for ((phase, place), namespace) in self.cells.iter().zip(&self.namespaces) {
            let of_it: Vec<_> = all.iter().filter(|execution| is_of(execution, &place.workflow_id)).collect();
            let healed = self.assert_nothing_twice(phase, place, namespace, &of_it, since);
            let (name, end) = (self.name, phase.end.phase);
            let rollouts = of_it.iter().filter(|execution| execution.kind == "Rollout").count();
            writeln!(matrix, "{:<30} {name:<10} {end:<11} rollouts {rollouts} {healed}", phase.name).unwrap();
        }
        println!("{matrix}");
    }

    /// Asserts that no workflow failed, and that nothing was done twice. Returns a text about failed workflow tasks.
    fn assert_nothing_twice(
        &self,
        phase: &Phase,
        place: &Place<'_>,
        namespace: &str,
        all: &[&Execution],
        since: Timestamp,
    ) -> String {
        let name = format!("{} {}: {all:#?}", self.name, phase.name);
        let rollouts: Vec<_> = all.iter().filter(|execution| execution.kind == "Rollout").collect();
        let failed = |execution: &&&Execution| execution.status == "FAILED";
        assert_eq!(all.iter().filter(failed).count(), rollouts.iter().copied().filter(failed).count(), "{name}");
        assert_eq!(rollouts.len(), phase.end.rollouts, "{name}");
        assert_eq!(rollouts.iter().copied().filter(failed).count(), phase.end.failed, "{name}");
        let is_same = !namespace.is_empty() && place.namespace_uid() == namespace;
        let is_remade = phase.end.serves.is_none() || ["reopening", "closed"].contains(&phase.name);
        assert!(is_same || namespace.is_empty() || is_remade, "{name}: the namespace was made again");
        let mut healed = Vec::new();
        for execution in all {
            let history = History::read(&self.site.lab, &execution.workflow_id, Some(&execution.run_id));
            healed.extend(history.healed_after(since));
            if execution.kind == "Rollout" {
                assert_eq!(history.repeated(), Vec::<&str>::new(), "{name}");
            }
        }
        let longest = healed.iter().max().copied().unwrap_or_default();
        assert!(longest < HEALS_WITHIN, "{name}: a workflow task failed for {longest:?}");
        match healed.len() {
            0 => String::new(),
            count => format!("failed workflow tasks {count}, the longest for {:.1} s", longest.as_secs_f64()),
        }
    }
}

/// Whether a workflow is that environment's own, or one of its children.
fn is_of(execution: &Execution, workflow_id: &str) -> bool {
    let rest = execution.workflow_id.strip_prefix(workflow_id);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-rollout-"))
}

/// Runs a step of all environments at once.
fn for_all<'a>(cells: &[(Phase, Place<'a>)], step: impl Fn(&Phase, &Place<'a>) + Sync) {
    thread::scope(|scope| {
        let threads: Vec<_> = cells.iter().map(|(phase, place)| scope.spawn(|| step(phase, place))).collect();
        let ends: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        assert!(ends.iter().all(Result::is_ok), "the messages are above");
    });
}

/// Numbers that no other environment has.
fn cells(site: &Site) -> Vec<(Phase, Place<'_>)> {
    let numbered = phases::all().into_iter().zip(1..);
    let cell = |(phase, number): (Phase, usize)| {
        let place = phase.place(site, number);
        (phase, place)
    };
    numbered.map(cell).collect()
}

#[test]
fn newer_version_ends_what_the_older_one_began() {
    let _alone = alone();
    let site = Site::new(lab(), "otn");
    let cells = cells(&site);
    let mut old = ready_worker(&site, old_version::berth());
    let direction = Direction::reach("old to new", &site, cells);
    old.kill();
    let _new = ready_worker(&site, NEW.as_ref());
    let since = Timestamp::now();
    direction.leave();
    direction.assert_ends(since);
}

#[test]
fn newer_version_replays_what_the_older_one_ended() {
    let _alone = alone();
    let site = Site::new(lab(), "oro");
    let cells = cells(&site);
    let mut old = ready_worker(&site, old_version::berth());
    let since = Timestamp::now();
    let direction = Direction::reach("old", &site, cells);
    direction.leave();
    direction.assert_ends(since);
    old.kill();
    // Without a workflow in its cache, the other worker answers a query by a replay of the whole run.
    let _new = ready_worker(&site, NEW.as_ref());
    for_all(&direction.cells, |phase, place| {
        place.until_phase(phase.end.phase);
    });
}

#[test]
fn older_version_fails_no_workflow_that_the_newer_one_began() {
    // Built before the other worker goes away: without any worker for that long, a rollout's wait is begun again.
    let old_berth = old_version::berth();
    let _alone = alone();
    let site = Site::new(lab(), "nto");
    let cells = cells(&site);
    let mut new = ready_worker(&site, NEW.as_ref());
    let direction = Direction::reach("new to old", &site, cells);
    new.kill();
    let mut old = ready_worker(&site, old_berth);
    let since = Timestamp::now();
    direction.leave();
    direction.until_tried(since);
    old.kill();
    let _new = ready_worker(&site, NEW.as_ref());
    direction.assert_ends(Timestamp::now());
}

#[test]
fn both_versions_at_once_end_what_they_began_together() {
    // As while an upgrade rolls out: any task may go to either, until the older one is gone.
    let old_berth = old_version::berth();
    let _alone = alone();
    let site = Site::new(lab(), "mix");
    let cells = cells(&site);
    let mut old = ready_worker(&site, old_berth);
    let _new = ready_worker(&site, NEW.as_ref());
    let direction = Direction::reach("together", &site, cells);
    let since = Timestamp::now();
    direction.leave();
    direction.until_tried(since);
    old.kill();
    direction.assert_ends(Timestamp::now());
}

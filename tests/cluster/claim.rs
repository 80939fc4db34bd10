//! One installation belongs to one Temporal namespace.

use std::process::Command;

use berth_lab::Lab;
use berth_test_support::{Worker, until};

use crate::{BERTH, contested::own_apps::paste};

#[test]
fn second_temporal_namespace_is_refused_until_it_is_handed_the_installation() {
    let lab = Lab::shared().unwrap();
    lab.temporal(&["operator", "namespace", "create", "--namespace", "second-505"]).unwrap();
    until("it is there", || lab.temporal(&["workflow", "list", "--namespace", "second-505"]).is_ok());
    let installed = |worker: &mut Command| {
        worker.env("BERTH_INSTALLATION", "claimed-505");
    };
    let second = |worker: &mut Command| {
        installed(worker);
        worker.env("TEMPORAL_NAMESPACE", "second-505");
    };
    let first = Worker::start(&lab, BERTH, "berth-505", installed);
    until("the first one works", || first.is_ready());
    let another = Worker::start(&lab, BERTH, "berth-505-2", installed);
    until("another worker of its namespace works", || another.is_ready());

    let refused = Worker::start(&lab, BERTH, "berth-505-3", second);
    until("it is refused", || refused.log().contains("belongs to the Temporal namespace"));
    let log = refused.log();
    let line = log.lines().find(|line| line.contains("belongs to the Temporal namespace")).unwrap();
    eprintln!("{line}");
    assert!(line.contains("\"default\"") && line.contains("\"second-505\""), "{line}");
    assert!(!refused.is_ready());

    drop((first, another));
    let (_, command) = line.rsplit_once("start again: ").unwrap();
    assert!(paste(&lab, command).status.success(), "{command}");
    let handed_over = Worker::start(&lab, BERTH, "berth-505-3", second);
    until("the second one works", || handed_over.is_ready());
    lab.kubectl(&["delete", "secret", "berth-installation-claimed-505", "-n", "berth-system"]).unwrap();
}

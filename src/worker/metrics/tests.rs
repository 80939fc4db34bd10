use berth_workflows::contract::{rollout::RolloutStep, teardown::Remaining};

use super::*;

fn ended(end: RolloutEnd, steps: &[StepTime], is_rollback: bool) -> EndedRollout<'_> {
    EndedRollout { end, took: Duration::from_secs(3), steps, is_rollback }
}

#[test]
fn rollbacks_are_shown_before_the_first_and_counted_each_time() {
    let metrics = Metrics::new().unwrap();
    metrics.expect_rollbacks("web");
    let failed = r#"berth_rollbacks_total{app="web",outcome="failed"}"#;
    let zero = metrics.text().unwrap();
    assert!(zero.contains(&format!("{failed} 0")), "{zero}");
    for (run, is_rollback) in [("a", true), ("b", true), ("c", false)] {
        metrics.count_rollout(run, "web", &ended(RolloutEnd::Failed(FailureType::CrashLoop), &[], is_rollback));
    }
    metrics.count_rollout("d", "web", &ended(RolloutEnd::Live, &[], true));
    let text = metrics.text().unwrap();
    for line in [format!("{failed} 2"), r#"berth_rollbacks_total{app="web",outcome="live"} 1"#.to_owned()] {
        assert!(text.contains(&line), "{line} should be in\n{text}");
    }
}

#[test]
fn a_rollout_is_counted_once_when_its_last_task_is_repeated() {
    let metrics = Metrics::new().unwrap();
    let steps = [StepTime { step: RolloutStep::Applying, ms: 700 }];
    for run in ["a", "a", "b", "a"] {
        metrics.count_rollout(run, "web", &ended(RolloutEnd::Live, &steps, false));
    }
    metrics.count_rollout("c", "web", &ended(RolloutEnd::Failed(FailureType::CrashLoop), &[], false));
    let text = metrics.text().unwrap();
    for line in [
        r#"berth_rollouts_total{app="web",failure="",outcome="live"} 2"#,
        r#"berth_rollouts_total{app="web",failure="CrashLoop",outcome="failed"} 1"#,
        r#"berth_rollout_step_seconds_bucket{step="applying",le="1"} 2"#,
        r#"berth_build_info{version=""#,
    ] {
        assert!(text.contains(line), "{line} should be in\n{text}");
    }
}

#[test]
fn remembered_runs_are_bounded() {
    let mut counted = CountedRuns::default();
    assert!((0..10 * REMEMBERED).all(|run| counted.add(&run.to_string())));
    assert_eq!((counted.runs.len(), counted.order.len()), (REMEMBERED, REMEMBERED));
}

#[test]
fn unknown_failure_types_count_as_other() {
    let metrics = Metrics::new().unwrap();
    metrics.count_activity_failure("prune", Some("a user's own text"));
    metrics.count_activity_failure("sync_secrets", Some("SecretsDenied"));
    let text = metrics.text().unwrap();
    for line in [
        r#"berth_activity_failures_total{activity="prune",failure="other"} 1"#,
        r#"berth_activity_failures_total{activity="sync_secrets",failure="SecretsDenied"} 1"#,
    ] {
        assert!(text.contains(line), "{line} should be in\n{text}");
    }
}

#[test]
fn a_step_that_saw_nothing_is_counted_by_app_and_activity() {
    let metrics = Metrics::new().unwrap();
    metrics.count_not_observed("web", "await_rollout");
    metrics.count_not_observed("web", "await_rollout");
    let line = r#"berth_not_observed_total{activity="await_rollout",app="web"} 2"#;
    let text = metrics.text().unwrap();
    assert!(text.contains(line), "{line} should be in\n{text}");
}

#[test]
fn a_teardown_that_left_something_counts_as_blocked() {
    let metrics = Metrics::new().unwrap();
    let remaining = vec![Remaining { object: "x".into(), reason: "y".into(), command: String::new() }];
    metrics.count_teardown_attempt("drop_database", Some(&LeakReport { remaining, ..LeakReport::default() }));
    metrics.count_teardown_attempt("drop_database", Some(&LeakReport::default()));
    metrics.count_teardown_attempt("prune", None);
    let text = metrics.text().unwrap();
    for line in [
        r#"berth_teardown_attempts_total{result="blocked"} 1"#,
        r#"berth_teardown_attempts_total{result="complete"} 0"#,
    ] {
        assert!(text.contains(line), "{line} should be in\n{text}");
    }
}

#[test]
fn child_that_does_not_stop_is_counted() {
    let metrics = Metrics::new().unwrap();
    metrics.count_stuck(&StuckReported { app: "web".into() });
    let text = metrics.text().unwrap();
    assert!(text.contains(r#"berth_stuck_children_total{app="web"} 1"#), "{text}");
}

#[test]
fn findings_of_a_look_are_counted_by_kind() {
    let metrics = Metrics::new().unwrap();
    let findings = [("namespace_without_workflow".to_owned(), 2), ("a kind of another version".to_owned(), 1)];
    let reported = FindingsReported { app: "web".into(), closed: 1, sent: 0, findings: findings.into() };
    metrics.count_findings(&reported);
    metrics.count_findings(&reported);
    let text = metrics.text().unwrap();
    for line in [
        r#"berth_janitor_findings_total{app="web",kind="namespace_without_workflow"} 4"#,
        r#"berth_janitor_findings_total{app="web",kind="database_without_workflow"} 0"#,
        r#"berth_janitor_repairs_total{app="web",repair="close"} 2"#,
        r#"berth_janitor_repairs_total{app="web",repair="facts"} 0"#,
    ] {
        assert!(text.contains(line), "{line} should be in\n{text}");
    }
    assert!(!text.contains("another version"), "{text}");
}

//! The activity `report_stuck`: the worker's log, and a count for its metrics.

use berth_workflows::contract::stuck::{ReportStuckInput, StuckChild, StuckReported};

/// Logs a child that does not stop, with the command for a person. `namespace` is Temporal's. Repeated, it logs again.
///
/// The command is made anew: a person runs it, and the input may be forged.
pub fn report_stuck(report: &ReportStuckInput, namespace: &str) -> StuckReported {
    let ReportStuckInput { app, child } = report;
    let child = StuckChild::new(&child.workflow, namespace, child.since_ms);
    tracing::warn!(%app, workflow.id = %child.workflow, "A child of an environment does not stop: {}", child.remark());
    StuckReported { app: app.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuck_child_is_reported_by_its_app_each_time() {
        let child = StuckChild::new("preview-web-1-rollout-2", "default", 1);
        let report = ReportStuckInput { app: "web".to_owned(), child };
        for _ in 0..2 {
            assert_eq!(report_stuck(&report, "default"), StuckReported { app: "web".to_owned() });
        }
    }
}

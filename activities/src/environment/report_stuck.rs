//! The activity `report_stuck`: the worker's log, and a count for its metrics.

use berth_workflows::contract::stuck::{ReportStuckInput, StuckReported};

/// Logs a child that does not stop, with the command for a person. Repeated, it logs again.
pub fn report_stuck(report: &ReportStuckInput) -> StuckReported {
    let ReportStuckInput { app, child } = report;
    tracing::warn!(%app, workflow.id = %child.workflow, "A child of an environment does not stop: {}", child.remark());
    StuckReported { app: app.clone() }
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::stuck::StuckChild;

    use super::*;

    #[test]
    fn stuck_child_is_reported_by_its_app_each_time() {
        let child = StuckChild::new("preview-web-1-rollout-2", "default", 1);
        let report = ReportStuckInput { app: "web".to_owned(), child };
        for _ in 0..2 {
            assert_eq!(report_stuck(&report), StuckReported { app: "web".to_owned() });
        }
    }
}

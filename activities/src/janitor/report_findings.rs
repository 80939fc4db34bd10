//! The activity `report_findings`: the worker's log, and the numbers for its metrics.

use std::collections::BTreeMap;

use berth_workflows::contract::janitor::{FindingsReported, ReportFindingsInput};

/// Logs what a `Janitor` has done and found. Returns how many there are of each kind.
///
/// Repeated, it logs again.
pub fn report_findings(report: &ReportFindingsInput) -> FindingsReported {
    let ReportFindingsInput { app, closed, sent, findings } = report;
    for pr in closed {
        tracing::warn!(%app, pr, "The Janitor has closed preview-{app}-{pr}: GitHub calls its pull request closed");
    }
    for pr in sent {
        tracing::info!(%app, pr, "The Janitor has sent facts about pull request {pr} again");
    }
    let mut kinds = BTreeMap::new();
    for finding in findings {
        let (kind, object) = (finding.kind.name(), &finding.object);
        tracing::warn!(%app, kind, "The Janitor has found what does not fit: {}: {object}", kind.replace('_', " "));
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    let count = |numbers: &[u64]| u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    FindingsReported { app: app.clone(), closed: count(closed), sent: count(sent), findings: kinds }
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::janitor::{Finding, FindingKind};

    use super::*;

    #[test]
    fn findings_are_counted_by_their_kind() {
        let finding = |kind, object: &str| Finding { kind, object: object.to_owned(), since_ms: 1 };
        let findings = vec![
            finding(FindingKind::NamespaceWithoutWorkflow, "Namespace/pr-7 of preview-web-7"),
            finding(FindingKind::NamespaceWithoutWorkflow, "Namespace/pr-8 of preview-web-8"),
            finding(FindingKind::WorkflowWithoutPullRequest, "preview-web-9"),
        ];
        let report = ReportFindingsInput { app: "web".to_owned(), closed: vec![1, 2], sent: vec![3], findings };
        let reported = report_findings(&report);
        assert_eq!((reported.closed, reported.sent), (2, 1));
        let expected = [("namespace_without_workflow", 2), ("workflow_without_pull_request", 1)];
        assert_eq!(reported.findings, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
        assert_eq!(report_findings(&report), reported);
    }
}

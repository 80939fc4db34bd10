//! Findings of a `Janitor`: parts of environments that belong to no other part. Pure.
//!
//! The lists of a look are of different moments, so that a part may have come or gone between them. A finding counts only
//! once a second look has found it again.

use std::collections::BTreeSet;

use crate::contract::{
    environment::EnvironmentKind,
    janitor::{Finding, FindingKind, ListedPart},
};

use super::{memory::Memory, plan::Look};

/// How many findings are kept. More have one cause, which a person finds in these.
const KEPT: usize = 50;
/// The phase in which a preview has a namespace.
const LIVE: &str = "Live";

impl Memory {
    /// Takes the findings of a look in. A kind that could not be looked for keeps what was found before.
    pub fn take_findings(&mut self, app: &str, look: &Look<'_>) {
        let id = |pr: u64| EnvironmentKind::Preview { pr }.workflow_id(app);
        let mut found = Vec::new();
        let mut unseen = Vec::new();
        let workflows = &look.found.workflows;
        let running: BTreeSet<u64> = workflows.iter().map(|workflow| workflow.pr).collect();
        let parts = [
            (FindingKind::NamespaceWithoutWorkflow, &look.found.namespaces),
            (FindingKind::DatabaseWithoutWorkflow, &look.found.databases),
        ];
        for (kind, parts) in parts {
            let Some(parts) = parts else {
                unseen.push(kind);
                continue;
            };
            let alone = parts.iter().filter(|part| !running.contains(&part.pr));
            found.extend(alone.map(|ListedPart { object, pr }| (kind, format!("{object} of {}", id(*pr)))));
        }
        match &look.found.namespaces {
            Some(namespaces) => {
                let has_namespace = |pr: u64| namespaces.iter().any(|part| part.pr == pr);
                let bare = workflows.iter().filter(|one| one.phase == LIVE && !has_namespace(one.pr));
                found.extend(bare.map(|one| (FindingKind::WorkflowWithoutNamespace, id(one.pr))));
            }
            None => unseen.push(FindingKind::WorkflowWithoutNamespace),
        }
        match look.listed {
            Some(listed) => {
                let absent = listed.absent.iter().filter(|number| running.contains(number));
                found.extend(absent.map(|number| (FindingKind::WorkflowWithoutPullRequest, id(*number))));
            }
            None => unseen.push(FindingKind::WorkflowWithoutPullRequest),
        }
        self.replace_findings(found, &unseen, look.now_ms);
    }

    fn replace_findings(&mut self, found: Vec<(FindingKind, String)>, unseen: &[FindingKind], now_ms: u64) {
        let before = std::mem::take(&mut self.findings);
        let since = |kind: FindingKind, object: &str| {
            let same = before.iter().find(|finding| finding.kind == kind && finding.object == object);
            same.map_or(now_ms, |finding| finding.since_ms)
        };
        let found = found.into_iter().map(|(kind, object)| {
            let since_ms = since(kind, &object);
            Finding { kind, object, since_ms }
        });
        let mut findings: Vec<Finding> = found.collect();
        findings.extend(before.iter().filter(|finding| unseen.contains(&finding.kind)).cloned());
        findings.sort_by(|one, other| {
            (one.since_ms, one.kind, &one.object).cmp(&(other.since_ms, other.kind, &other.object))
        });
        findings.truncate(KEPT);
        self.findings = findings;
    }

    /// Findings that a second look has found again.
    pub fn confirmed_findings(&self) -> Vec<Finding> {
        self.findings.iter().filter(|finding| finding.since_ms < self.looked_ms).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        janitor::{ListedEnvironments, ListedWorkflow},
        pull_request_list::ListedPullRequests,
    };

    fn part(object: &str, pr: u64) -> ListedPart {
        ListedPart { object: object.to_owned(), pr }
    }

    fn workflow(pr: u64, phase: &str) -> ListedWorkflow {
        ListedWorkflow { pr, run_id: format!("run-{pr}"), phase: phase.to_owned() }
    }

    /// Pull request 1 is live with its namespace, 2 live without one. Number 7 and 9 have no workflow, 8 no pull request.
    fn found() -> ListedEnvironments {
        ListedEnvironments {
            workflows: vec![
                workflow(1, LIVE),
                workflow(2, LIVE),
                workflow(3, "RollingOut"),
                workflow(8, "AwaitingPush"),
            ],
            namespaces: Some(vec![part("Namespace/pr-1", 1), part("Namespace/pr-7", 7)]),
            databases: Some(vec![part("Role/web_pr_9 on previews", 9)]),
            unseen: Vec::new(),
            interval_seconds: 300,
        }
    }

    fn look(memory: &mut Memory, found: &ListedEnvironments, listed: Option<&ListedPullRequests>, now_ms: u64) {
        memory.begin(now_ms);
        memory.take_findings("web", &Look { found, listed, now_ms, confirm_ms: 600_000 });
    }

    fn objects(memory: &Memory) -> Vec<String> {
        memory
            .confirmed_findings()
            .into_iter()
            .map(|finding| format!("{} {}", finding.kind.name(), finding.object))
            .collect()
    }

    #[test]
    fn part_without_the_other_counts_once_it_is_found_again() {
        let (mut memory, listed) = (Memory::default(), ListedPullRequests { absent: vec![8], ..Default::default() });
        look(&mut memory, &found(), Some(&listed), 1);
        assert_eq!(objects(&memory), [""; 0]);
        look(&mut memory, &found(), Some(&listed), 2);
        let expected = [
            "namespace_without_workflow Namespace/pr-7 of preview-web-7",
            "database_without_workflow Role/web_pr_9 on previews of preview-web-9",
            "workflow_without_namespace preview-web-2",
            "workflow_without_pull_request preview-web-8",
        ];
        assert_eq!(objects(&memory), expected);
        assert!(memory.confirmed_findings().iter().all(|finding| finding.since_ms == 1));
        look(&mut memory, &ListedEnvironments { workflows: Vec::new(), ..Default::default() }, None, 3);
        assert_eq!(objects(&memory), expected, "nothing was looked for");
        let fits =
            ListedEnvironments { namespaces: Some(Vec::new()), databases: Some(Vec::new()), ..Default::default() };
        look(&mut memory, &fits, Some(&ListedPullRequests::default()), 4);
        assert_eq!(objects(&memory), [""; 0]);
    }

    #[test]
    fn findings_are_bounded() {
        let mut memory = Memory::default();
        let many = (1..=200).map(|n| part(&format!("Namespace/pr-{n}"), n)).collect();
        let found = ListedEnvironments { namespaces: Some(many), ..Default::default() };
        look(&mut memory, &found, None, 1);
        look(&mut memory, &found, None, 2);
        assert_eq!(objects(&memory).len(), KEPT);
    }
}

//! Facts that were sent: what a `Janitor` remembers of them, and reports. Pure.

use crate::contract::janitor::{JanitorDeed, ReportFindingsInput, SentFacts};

use super::{
    memory::{Memory, Told},
    plan::Plan,
};

/// How many deeds `status` lists.
const KEPT_DEEDS: usize = 10;

impl Memory {
    /// Takes over which facts of a plan the environments have now. Returns what is to be reported.
    pub fn take_sent(&mut self, app: &str, plan: &Plan, sent: &SentFacts, now_ms: u64) -> ReportFindingsInput {
        let deeds = |numbers: &[u64]| -> Vec<_> {
            numbers.iter().map(|number| JanitorDeed { pull_request: *number, at_ms: now_ms }).collect()
        };
        let (closed, reminded): (Vec<u64>, Vec<u64>) = sent.sent.iter().partition(|number| plan.closes(**number));
        for (run_id, pull) in &plan.send {
            if sent.sent.contains(&pull.number) || sent.known.contains(&pull.number) {
                let told = Told { run_id: run_id.clone(), updated_at: pull.facts.updated_at.clone() };
                self.told.insert(pull.number, told);
            }
        }
        keep(&mut self.closed, deeds(&closed));
        keep(&mut self.sent, deeds(&reminded));
        if !sent.failed.is_empty() {
            self.record_trouble(format!("the previews of these pull requests took no facts: {:?}", sent.failed));
        }
        ReportFindingsInput { app: app.to_owned(), closed, sent: reminded, findings: self.confirmed_findings() }
    }
}

/// Adds deeds to the last ones.
fn keep(kept: &mut Vec<JanitorDeed>, new: Vec<JanitorDeed>) {
    kept.extend(new);
    kept.drain(..kept.len().saturating_sub(KEPT_DEEDS));
}

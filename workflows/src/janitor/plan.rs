//! The decisions of a `Janitor`: which pull requests it asks for, which facts it sends, which environments it closes. Pure.
//!
//! Nothing is closed for what is missing. A pull request that is not listed, an answer that is an error, a preview that is not
//! found: each leaves everything as it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{
    janitor::{ListedEnvironments, ListedWorkflow},
    pull_request_list::{ListedPullRequest, ListedPullRequests, MAX_ASKED},
};

use super::memory::{Memory, Told};

/// How many environments a look closes at most: a mistake of anybody's is noticed before all are gone.
const MAX_CLOSED: usize = 5;
/// How many facts a look sends at most. The rest follows with the next one.
const MAX_SENT: usize = 50;
/// Phases of a preview that has been closed already.
const CLOSING: [&str; 3] = ["TearingDown", "TeardownBlocked", "Closed"];

/// The facts of a look. `listed` is none if GitHub has not answered.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub found: &'a ListedEnvironments,
    pub listed: Option<&'a ListedPullRequests>,
    /// Unix time in milliseconds.
    pub now_ms: u64,
    /// The least time between two sightings that close, in milliseconds.
    pub confirm_ms: u64,
}

/// The messages to send, at most one for each environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Facts of closed pull requests, which close.
    pub close: Vec<ListedPullRequest>,
    /// Facts of open pull requests, each with the run of its environment.
    pub send: Vec<(String, ListedPullRequest)>,
}

impl Plan {
    /// Whether it closes the environment of that pull request.
    pub fn closes(&self, number: u64) -> bool {
        self.close.iter().any(|pull| pull.number == number)
    }

    /// All facts to send.
    pub fn pull_requests(&self) -> Vec<ListedPullRequest> {
        self.close.iter().chain(self.send.iter().map(|(_, pull)| pull)).cloned().collect()
    }
}

impl ListedWorkflow {
    fn is_closing(&self) -> bool {
        CLOSING.contains(&self.phase.as_str())
    }
}

impl Memory {
    /// The pull requests to ask for by number: those that were not open at the last look come first, and among them those that
    /// were closed. If there are too many, the next look goes on with the others.
    pub fn to_ask(&mut self, found: &ListedEnvironments) -> Vec<u64> {
        let running = found.workflows.iter().filter(|workflow| !workflow.is_closing());
        let mut numbers: Vec<u64> = running.map(|workflow| workflow.pr).collect();
        let turn =
            |pr: &u64| (self.open.contains(pr), !self.closed_since.contains_key(pr), *pr <= self.asked_up_to, *pr);
        numbers.sort_by_key(turn);
        numbers.dedup();
        let is_cut = numbers.len() > MAX_ASKED;
        numbers.truncate(MAX_ASKED);
        let last = numbers.iter().rev().find(|pr| !self.closed_since.contains_key(pr)).copied();
        self.asked_up_to = last.filter(|_| is_cut).unwrap_or_default();
        numbers
    }

    /// Decides by a look, and remembers it.
    pub fn plan(&mut self, look: &Look<'_>) -> Plan {
        let Some(listed) = look.listed else { return Plan::default() };
        let known: BTreeMap<u64, &ListedPullRequest> =
            listed.pull_requests.iter().map(|pull| (pull.number, pull)).collect();
        let running: Vec<&ListedWorkflow> =
            look.found.workflows.iter().filter(|workflow| !workflow.is_closing()).collect();
        let numbers: BTreeSet<u64> = running.iter().map(|workflow| workflow.pr).collect();
        self.closed_since.retain(|number, _| numbers.contains(number));
        self.told.retain(|number, _| numbers.contains(number));
        self.open.clear();

        let (mut due, mut plan) = (Vec::new(), Plan::default());
        for workflow in running {
            match known.get(&workflow.pr) {
                Some(pull) if pull.facts.is_closed() => {
                    let first_ms = *self.closed_since.entry(workflow.pr).or_insert(look.now_ms);
                    if first_ms < look.now_ms && look.now_ms - first_ms >= look.confirm_ms {
                        due.push((first_ms, *pull));
                    }
                }
                Some(pull) => {
                    self.closed_since.remove(&workflow.pr);
                    self.open.insert(workflow.pr);
                    if self.is_untold(workflow, pull) {
                        plan.send.push((workflow.run_id.clone(), (*pull).clone()));
                    }
                }
                // Nothing is known of it.
                None => {}
            }
        }
        due.sort_by_key(|(first_ms, pull)| (*first_ms, pull.number));
        plan.close = due.into_iter().take(MAX_CLOSED).map(|(_, pull)| pull.clone()).collect();
        plan.send.truncate(MAX_SENT);
        plan
    }

    /// Whether a preview may not have these facts: they are of another time than those it has, or it is another run.
    fn is_untold(&self, workflow: &ListedWorkflow, pull: &ListedPullRequest) -> bool {
        let is_same = |told: &Told| told.run_id == workflow.run_id && told.updated_at == pull.facts.updated_at;
        !self.told.get(&workflow.pr).is_some_and(is_same)
    }
}

#[cfg(test)]
mod tests;

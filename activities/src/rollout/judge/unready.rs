//! The verdict at the deadline.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};

use crate::rollout::classify::{Cause, Due, name_of};

/// Returns the cause at the deadline. It lists every incomplete workload with what is known of it, and is about the one that is
/// most likely the reason. `None` if no workload is waited for.
pub(super) fn cause(waits: &[(Workload, String)], found: &[Cause]) -> Option<Cause> {
    let mut lacks: Vec<_> = waits.iter().map(|(workload, text)| lack(workload, text, found)).collect();
    let message = match lacks.as_slice() {
        [only] => only.message.clone(), // a verdict names its workload itself
        all => all.iter().map(|lack| format!("{}: {}", lack.workload, lack.message)).collect::<Vec<_>>().join("; "),
    };
    lacks.sort_by_key(blame);
    let blamed = lacks.into_iter().next()?;
    Some(Cause { message, ..blamed })
}

fn lack(workload: &Workload, text: &str, found: &[Cause]) -> Cause {
    match found.iter().find(|cause| cause.workload == name_of(workload)) {
        Some(cause) => Cause { message: format!("{text}; {}", cause.message), ..cause.clone() },
        None => Cause::new(FailureType::NotReady, workload, text, Due::At(0)),
    }
}

/// The order in which workloads are blamed: other workloads may wait for what a Job makes, a cause of its own name says more than
/// a state, and a container has a log.
fn blame(cause: &Cause) -> (bool, bool, bool) {
    let is_known = cause.pod.is_some() || cause.failure != FailureType::NotReady;
    let is_job = cause.workload.starts_with("Job/");
    (!(is_job && is_known), cause.failure == FailureType::NotReady, cause.container.is_none())
}

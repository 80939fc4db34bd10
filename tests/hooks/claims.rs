//! Claims of jobs, as the lab's GitHub puts them into tokens. Tests change and sign them.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_lab::github::{GithubServer, Job};
use berth_test_support::PUBLIC_URL;
use serde_json::Value;

/// The run of every job.
pub(crate) const RUN: u64 = 4242;

/// Claims of a job of pull request 1.
pub(crate) fn of_pull_request(github: &GithubServer) -> Value {
    let job = Job { run_id: RUN, ..Job::of_pull_request(1, &"c".repeat(40)) };
    github.claims(&job, PUBLIC_URL)
}

/// Claims of a job of production.
pub(crate) fn of_release(github: &GithubServer) -> Value {
    let job = Job { run_id: RUN, ..Job::of_push("main", &"c".repeat(40)).in_environment("production") };
    github.claims(&job, PUBLIC_URL)
}

/// Claims with changes. One that is null is left out.
pub(crate) fn changed(claims: &Value, changes: &[(&str, Value)]) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Unix time in seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

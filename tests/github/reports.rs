use std::{collections::BTreeMap, process::Command, time::Duration};

use berth_lab::github::{Fault, GithubServer, REPOSITORY};
use berth_test_support::production::{Production, production};

use crate::{
    BERTH,
    site::{Site, commit},
};

const QUEUE: &str = "github-reports";
const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";
/// Everything that a report makes, in its order, with the route that makes it.
const MADE: [(&str, &str); 4] = [
    ("comment", COMMENTS),
    ("check run", "/repos/{owner}/{repo}/check-runs"),
    ("Deployment", "/repos/{owner}/{repo}/deployments"),
    ("state of the Deployment", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses"),
];
/// Longer than the test: the worker is killed before it gets the answer.
const LATE: Duration = Duration::from_secs(3600);

fn push(temporal: &str, digit: char) {
    let image = format!("registry.example.com/web:1@sha256:{}", "1".repeat(64));
    let mut push = Command::new(BERTH);
    push.args(["preview", "push", "web", "1", "--no-wait", "--commit", &commit(digit), "--image", &image]);
    push.args(["--task-queue", QUEUE]).env("TEMPORAL_ADDRESS", temporal);
    let output = push.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// How many comments, check runs, Deployments and states of Deployments there are of a commit. A comment is of every commit.
fn made(github: &GithubServer, digit: char) -> [usize; 4] {
    let deployments = github.deployments(REPOSITORY);
    let own: Vec<_> = deployments.iter().filter(|one| one.sha == commit(digit)).collect();
    let statuses = own.iter().map(|one| one.statuses.len()).sum();
    let comments = github.comments(REPOSITORY, 1).len();
    [comments, github.checks(REPOSITORY, &commit(digit)).len(), own.len(), statuses]
}

/// The states of each Deployment, each with the number of times that it was set.
fn states(github: &GithubServer) -> Vec<BTreeMap<String, usize>> {
    let deployments = github.deployments(REPOSITORY);
    let of = |statuses: &[berth_lab::github::DeploymentStatus]| {
        let mut counted = BTreeMap::new();
        statuses.iter().for_each(|status| *counted.entry(status.state.clone()).or_default() += 1);
        counted
    };
    deployments.iter().map(|deployment| of(&deployment.statuses)).collect()
}

#[tokio::test]
async fn worker_killed_before_it_records_a_write_never_makes_two() {
    // The dev server of a production that is not used.
    production("prod-github", async |t: Production| {
        let site = Site::start();
        let github = &site.github;
        // GitHub makes what it is asked for, and its answer is on its way for an hour.
        for (_, route) in MADE {
            github.fail(Fault::slow(LATE).after_work().on("POST", route).times(1));
        }
        push(&t.address, 'a');
        let mut worker = site.worker(&t.address, QUEUE);
        for (at, (what, _)) in MADE.into_iter().enumerate() {
            worker.until(&format!("made a {what}"), || made(github, 'a')[at] > 0).await;
            let there = made(github, 'a');
            drop(worker);
            println!("killed -9 after GitHub made the {what}, before it was recorded: {there:?}");
            worker = site.worker(&t.address, QUEUE);
        }
        // Another push is shown only when all that is above has been recorded.
        github.push(REPOSITORY, 1, &commit('b'));
        push(&t.address, 'b');
        worker.until("reported", || made(github, 'b').iter().all(|count| *count > 0)).await;
        println!(
            "one comment, check run, Deployment and state each, of both pushes: {:?}",
            [made(github, 'a'), made(github, 'b')]
        );
        assert_eq!((made(github, 'a')[..3].to_vec(), made(github, 'b')[..3].to_vec()), (vec![1; 3], vec![1; 3]));
        let states = states(github);
        assert!(states.iter().flat_map(BTreeMap::values).all(|times| *times == 1), "{states:?}");
        assert!(github.comments(REPOSITORY, 1)[0].author == github.bot());
        // Two a second, with the burst that the server allows at the start.
        let busiest = github.busiest(Duration::from_secs(5));
        assert!(busiest <= 12, "{busiest} writes in 5 s");
        site.check_requests("berth worker");
    })
    .await;
}

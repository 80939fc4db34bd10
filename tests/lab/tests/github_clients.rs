//! The GitHub stand-in, checked with GitHub's own clients, and held against GitHub's own description.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "it prints what each client did")]

use std::process::{Command, Output};

use berth_lab::github::{Description, GithubServer, NewPull, PERSON, REPOSITORY, Recorded, cli, node, packages};
use serde_json::Value;

const HEAD: &str = "4f2a9c14f2a9c14f2a9c14f2a9c14f2a9c14f2a9";

fn with_pulls() -> GithubServer {
    let github = GithubServer::start().unwrap();
    for branch in ["feature", "fix", "docs"] {
        github.open(REPOSITORY, NewPull { labels: vec!["preview".to_owned()], ..NewPull::new(branch, HEAD) }).unwrap();
    }
    github
}

/// Prints a row of the table of clients: who made which call, and how the answer was taken.
fn row(client: &str, call: &str, taken: &str) {
    println!("| {client:<13} | {call:<100} | {taken}");
}

/// Holds all requests and answers against GitHub's description, and prints how many there were.
fn assert_described(client: &str, requests: &[Recorded]) {
    let checked = Description::load().unwrap().check(requests);
    assert!(checked.problems.is_empty(), "{:#?}", checked.problems);
    let (requests, answers, routes) = (checked.requests, checked.answers, checked.routes.len());
    println!("{client}: {requests} requests and {answers} bodies of answers checked, on {routes} routes:");
    checked.routes.iter().for_each(|route| println!("    {route}"));
}

#[test]
fn octokit_accepts_every_route() {
    let github = with_pulls();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/npm/github/client.js");
    let output = Command::new(node().unwrap())
        .arg(script)
        .current_dir(packages().unwrap())
        .env("GITHUB_API_URL", github.url())
        .env("GITHUB_TOKEN", github.installation_token())
        .env("APP_TOKEN", github.app_token().unwrap())
        .env("HEAD_COMMIT", HEAD)
        .output()
        .unwrap();
    let calls = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{calls}{}", String::from_utf8_lossy(&output.stderr));
    calls.lines().for_each(|call| row("@octokit/rest", call, "accepted"));
    assert_described("@octokit/rest", &github.requests());
}

/// GitHub's CLI. It takes `github.localhost` for a GitHub without TLS, which a proxy finds.
struct Cli {
    github: GithubServer,
    token: String,
}

impl Cli {
    fn run(&self, arguments: &[&str]) -> Output {
        let home = env!("CARGO_TARGET_TMPDIR");
        Command::new(cli().unwrap())
            .arg("api")
            .args(arguments)
            .env_clear()
            .envs([("HOME", home), ("GH_CONFIG_DIR", home), ("GH_HOST", "github.localhost")])
            .envs([("GH_TOKEN", self.token.as_str()), ("GH_ENTERPRISE_TOKEN", self.token.as_str())])
            .envs([("HTTP_PROXY", self.github.url()), ("http_proxy", self.github.url())])
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        row("gh", &format!("api {}", arguments.join(" ")), "accepted");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn gh_reads_and_writes_as_a_person() {
    let github = with_pulls();
    let cli = Cli { token: github.person_token(PERSON), github };
    assert_eq!(cli.json(&["user"])["login"], PERSON);
    assert_eq!(cli.json(&["repos/acme/web"])["id"], REPOSITORY);
    let pages = cli.json(&["--paginate", "--slurp", "repos/acme/web/pulls?per_page=2"]);
    assert_eq!(pages.as_array().unwrap().iter().map(|page| page.as_array().unwrap().len()).sum::<usize>(), 3);
    let comment = cli.json(&["repos/acme/web/issues/1/comments", "-f", "body=/berth status"]);
    let own = format!("repos/acme/web/issues/comments/{}", comment["id"]);
    assert_eq!(cli.json(&["-X", "PATCH", &own, "-f", "body=/berth redeploy"])["body"], "/berth redeploy");
    let query = "query=query($owner: String!) { repository(owner: $owner, name: \"web\") { pullRequests(first: 10, states: OPEN) { totalCount } } }";
    let answer = cli.json(&["graphql", "-F", "owner=acme", "-f", query]);
    assert_eq!(answer["data"]["repository"]["pullRequests"]["totalCount"], 3);
    cli.github.rename(REPOSITORY, "site");
    assert_eq!(cli.json(&["repos/acme/web"])["full_name"], "acme/site");
    let refused = cli.run(&["repos/acme/none"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Not Found (HTTP 404)"), "{refused:?}");
    row("gh", "api repos/acme/none", "refused: Not Found (HTTP 404)");
    assert_described("gh", &cli.github.requests());
}

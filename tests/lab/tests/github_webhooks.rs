//! The GitHub stand-in's webhooks, verified by GitHub's own library, and held against GitHub's own description.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "it prints what was verified and checked")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use berth_lab::github::{Description, GithubServer, NewPull, PERSON, REPOSITORY, cli, node, packages};

const HEAD: &str = "4f2a9c14f2a9c14f2a9c14f2a9c14f2a9c14f2a9";
const NEXT: &str = "5e1b8d05e1b8d05e1b8d05e1b8d05e1b8d05e1b8";
const SECRET: &str = "a secret of this test";

/// A receiver that verifies webhooks by `@octokit/webhooks-methods`. Dropped, it ends.
struct Receiver {
    process: Child,
    url: String,
}

impl Receiver {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/npm/github/receiver.js");
        let mut command = Command::new(node().unwrap());
        command.arg(script).current_dir(packages().unwrap()).env("WEBHOOK_SECRET", SECRET);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("http://127.0.0.1:{}/", port.trim()) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Makes a check run, as only an App may.
fn make_check(github: &GithubServer) {
    let home = env!("CARGO_TARGET_TMPDIR");
    let output = Command::new(cli().unwrap())
        .args(["api", "repos/acme/web/check-runs", "-f", "name=berth", "-f"])
        .arg(format!("head_sha={NEXT}"))
        .env_clear()
        .envs([("HOME", home), ("GH_CONFIG_DIR", home), ("GH_HOST", "github.localhost")])
        .envs([("GH_TOKEN", github.installation_token()), ("HTTP_PROXY", github.url())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Does everything that is announced by a webhook.
fn act(github: &GithubServer) {
    github.ping();
    github.open(REPOSITORY, NewPull::new("feature", HEAD)).unwrap();
    let fork = NewPull { fork_of: Some("hubot".to_owned()), is_draft: true, ..NewPull::new("fix", HEAD) };
    github.open(REPOSITORY, fork).unwrap();
    github.push(REPOSITORY, 1, NEXT);
    github.add_label(REPOSITORY, 1, "preview");
    github.remove_label(REPOSITORY, 1, "preview");
    github.set_draft(REPOSITORY, 2, false);
    github.set_draft(REPOSITORY, 2, true);
    github.set_locked(REPOSITORY, 1, true);
    github.set_locked(REPOSITORY, 1, false);
    let comment = github.comment(REPOSITORY, 1, PERSON, "/berth status");
    github.edit_comment(REPOSITORY, comment, "/berth redeploy");
    github.delete_comment(REPOSITORY, comment);
    make_check(github);
    github.rerequest_check(REPOSITORY, github.checks(REPOSITORY, NEXT)[0].id);
    github.rerequest_suite(REPOSITORY, NEXT);
    github.close(REPOSITORY, 1);
    github.reopen(REPOSITORY, 1);
    github.merge(REPOSITORY, 1);
    github.delete_head_repository(REPOSITORY, 2);
    github.close(REPOSITORY, 2);
}

#[tokio::test]
async fn octokit_verifies_every_webhook() {
    let (github, receiver) = (GithubServer::start().unwrap(), Receiver::start());
    github.send_webhooks(&receiver.url, SECRET);
    act(&github);
    github.delivered().await;
    let deliveries = github.deliveries();
    for delivery in &deliveries {
        println!("@octokit/webhooks-methods | {:<34} | {}", delivery.name(), delivery.status.unwrap_or_default());
        assert_eq!(delivery.status, Some(202), "{}", delivery.name());
    }
    github.send_webhooks(&receiver.url, "another secret");
    github.ping();
    github.delivered().await;
    assert_eq!(github.deliveries().last().unwrap().status, Some(401), "it does verify");
    let checked = Description::load().unwrap().check_webhooks(&deliveries);
    assert!(checked.problems.is_empty(), "{:#?}", checked.problems);
    println!("{} payloads of {} kinds are as GitHub describes them", checked.requests, checked.routes.len());
}

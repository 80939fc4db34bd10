//! Commands while no worker polls: they ask again, and say why.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use berth_test_support::{
    Commands, commit,
    preview::{Preview, preview, push},
};
use futures::future::join_all;
use serde_json::Value;

use crate::BERTH;

const NOBODYS: &str = "never-polled";

fn command(t: &Preview, arguments: &[&str]) -> Command {
    let (temporal_address, task_queue) = (t.address.clone(), NOBODYS.to_owned());
    let mut command = Commands { berth: BERTH.into(), temporal_address, task_queue }.command();
    command.args(arguments).args(["--task-queue", NOBODYS, "--output", "json"]);
    command
}

/// Runs a command until it has written a line with that text to standard error, and stops it.
async fn line_of(mut command: Command, text: &'static str) -> Option<String> {
    let read = move || {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.into_iter().find(|line| line.contains(text));
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        line.filter(|_| is_running)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[tokio::test]
async fn question_without_a_worker_is_asked_again() {
    preview("cmd-away", async |t: Preview| {
        let (app, a, image) = (&t.input.app, commit('a').to_string(), push('a').image.to_string());
        let pushed = ["preview", "push", app, "1", "--commit", &a, "--image", &image, "--no-wait"];
        let output = command(&t, &pushed).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let of_one = ["status", "redeploy", "wait"].map(|verb| vec!["preview", verb, app, "1"]);
        let approve = vec!["preview", "approve", app, "1", "--commit", &a];
        let commands = of_one.into_iter().chain([approve]).map(|arguments| command(&t, &arguments));
        for line in join_all(commands.map(|command| line_of(command, "no answer yet"))).await {
            assert!(line.as_ref().is_some_and(|line| line.contains("poll")), "{line:?}");
        }
        for verb in ["redeploy", "wait"] {
            let late = command(&t, &["preview", verb, app, "1", "--timeout", "1s"]).output().unwrap();
            let json: Value = serde_json::from_slice(&late.stdout).unwrap();
            let (outcome, reason) = (json["outcome"].as_str(), json["reason"].as_str().unwrap_or_default());
            assert_eq!((late.status.code(), outcome), (Some(5), Some("timed_out")), "{json:#}");
            assert!(reason.contains("no answer") && reason.contains("poll"), "{json:#}");
            assert_eq!(reason.contains("nothing was sent"), verb == "redeploy", "{json:#}");
        }
    })
    .await;
}

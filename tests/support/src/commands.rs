//! `berth` as people and CI type it: the built binary, against a Temporal server.

use std::{
    ffi::OsString,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The binary, the Temporal server that it asks, and the task queue of the worker there.
#[derive(Debug, Clone)]
pub struct Commands {
    pub berth: OsString,
    pub temporal_address: String,
    pub task_queue: String,
}

/// An answer to a command with `--output json`.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    /// The whole object. Null where nothing, or no JSON, was printed.
    pub json: Value,
    /// The command's own object: a status, a report, a list, the answer of an update.
    pub data: Value,
    pub stderr: String,
    pub took: Duration,
}

/// A command that has begun.
pub struct Begun {
    process: Child,
    since: Instant,
}

impl Commands {
    /// `berth preview <verb> <app> <pr> <more>`, which answers JSON.
    pub fn preview(&self, verb: &str, (app, pr): (&str, u64), more: &[&str]) -> Answer {
        self.begin(verb, (app, pr), more).wait()
    }

    /// The same command, which goes on beside the test.
    pub fn begin(&self, verb: &str, (app, pr): (&str, u64), more: &[&str]) -> Begun {
        self.spawn(&["preview", verb, app, &pr.to_string()], more)
    }

    /// `berth production <verb> <app> <more>`, which goes on beside the test.
    pub fn begin_production(&self, verb: &str, app: &str, more: &[&str]) -> Begun {
        self.spawn(&["production", verb, app], more)
    }

    fn spawn(&self, arguments: &[&str], more: &[&str]) -> Begun {
        let mut command = self.command();
        command.args(arguments).args(["--output", "json", "--task-queue", &self.task_queue]).args(more);
        Begun::new(command)
    }

    /// The binary without arguments, its output kept for the test.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.berth);
        command.env("TEMPORAL_ADDRESS", &self.temporal_address);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Begun {
    /// Starts a command that prints JSON.
    pub fn new(mut command: Command) -> Self {
        Self { process: command.spawn().unwrap(), since: Instant::now() }
    }

    /// Waits until the command has ended.
    ///
    /// # Panics
    /// The exit code that the answer states is another than that of the process.
    pub fn wait(self) -> Answer {
        let Output { status, stdout, stderr } = self.process.wait_with_output().unwrap();
        let json: Value = serde_json::from_slice(&stdout).unwrap_or_default();
        let answer = Answer {
            code: status.code().unwrap(),
            data: json["data"].clone(),
            json,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            took: self.since.elapsed(),
        };
        assert!(answer.json.is_null() || answer.json["exit_code"] == answer.code, "{answer:?}");
        answer
    }
}

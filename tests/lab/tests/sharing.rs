//! Test binaries share one lab.
//!
//! Two users are killed here. That the lab ends with its users is checked by `cargo lab assert-clean` in `.ci/run`, because
//! another test binary may use the lab at this moment.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use berth_lab::Lab;

/// The variable that makes this binary a mere user of the lab.
const USER: &str = "BERTH_LAB_TEST_USER";

#[test]
fn processes_that_start_at_once_share_one_lab() {
    let mut users = [start_user(), start_user()];
    let seen: Vec<_> = users.iter_mut().map(address_seen_by).collect();
    assert_eq!(seen[0], seen[1]);
    for user in &mut users {
        user.kill().unwrap();
        user.wait().unwrap();
    }
}

/// The program of each user's process. As a test it does nothing.
#[test]
fn a_user() {
    if std::env::var_os(USER).is_none() {
        return;
    }
    let lab = Lab::shared().unwrap();
    eprintln!("shared {}", lab.temporal_address());
    loop {
        std::thread::park();
    }
}

fn start_user() -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_user", "--nocapture"])
        .env(USER, "1")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn address_seen_by(user: &mut Child) -> String {
    let lines = BufReader::new(user.stderr.as_mut().unwrap()).lines().map_while(Result::ok);
    let mut output = String::new();
    for line in lines {
        if let Some((_, address)) = line.split_once("shared ") {
            return address.to_owned();
        }
        output.push_str(&line);
        output.push('\n');
    }
    panic!("the user ended without a lab:\n{output}");
}

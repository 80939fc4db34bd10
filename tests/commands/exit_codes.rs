//! Exit codes: the rows of each command's `--help` are rows of the one table, and answers state the code of the process.

use std::process::Command;

use serde_json::Value;

use crate::{BERTH, documents::help};

/// The rows of the exit codes in a help text: code and meaning.
pub(crate) fn rows(help: &str) -> Vec<(i32, String)> {
    let mut rows: Vec<(i32, String)> = Vec::new();
    let end = help.split_once("Exit codes:").or_else(|| help.split_once("If the script has none:"));
    for line in end.map_or("", |(_, end)| end).trim_start().lines().take_while(|line| !line.is_empty()) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        match (code.parse(), rows.last_mut()) {
            (Ok(code), _) => rows.push((code, meaning.trim().to_owned())),
            // The line before was too long.
            (Err(_), Some((_, before))) => *before += &format!(" {}", line.trim()),
            (Err(_), None) => panic!("{line}"),
        }
    }
    rows
}

/// Every command that can be run.
fn commands(parents: &[String]) -> Vec<Vec<String>> {
    let help = help(&parents.iter().map(String::as_str).collect::<Vec<_>>());
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![parents.to_vec()] };
    // Names stand two spaces from the left, and more belongs to the text of the one before.
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names.flat_map(|name| commands(&[parents, &[name.to_owned()]].concat())).collect()
}

/// Fails unless the command's `--help` has the exit code.
pub(crate) fn assert_documented(command: &[&str], code: i32) {
    let rows = rows(&help(command));
    assert!(rows.iter().any(|(row, _)| *row == code), "{command:?} ended with {code}, its help has {rows:?}");
}

#[test]
fn help_of_each_command_has_rows_of_the_one_table() {
    let table = rows(&help(&[]));
    let commands = commands(&[]);
    assert!(commands.len() >= 11, "{commands:?}");
    for command in commands {
        let rows = rows(&help(&command.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(!rows.is_empty(), "{command:?} has no exit codes");
        assert!(rows.iter().all(|row| table.contains(row)), "{command:?}: {rows:?}");
    }
}

#[test]
fn each_command_with_an_answer_has_json() {
    for command in commands(&[]) {
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        // The first writes a log, the second a schema.
        let has_no_answer = matches!(command[..], ["worker"] | ["schema"]);
        assert_eq!(help(&command).contains("--output <OUTPUT>"), !has_no_answer, "{command:?}");
    }
}

#[test]
fn help_of_ci_says_which_codes_become_0() {
    for command in [&["ci", "preview"][..], &["ci", "release"]] {
        let help = help(command).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            help.contains("Without --require live a step that ends with 3, 4, 5 or 6 exits with 0 and a notice"),
            "{help}"
        );
    }
}

#[test]
fn help_names_the_run_id_as_the_sequence() {
    for command in [["preview", "push"], ["preview", "close"], ["production", "release"]] {
        let help = help(&command);
        assert!(help.contains("github.run_id") && !help.contains("run number"), "{help}");
    }
}

#[test]
fn json_is_one_object_also_where_temporal_is_away() {
    for (verb, more) in [("status", None), ("close", None), ("run", Some("remind"))] {
        let mut command = Command::new(BERTH);
        command.args(["preview", "--output", "json", verb, "web", "7"]).args(more);
        let output = command.env("TEMPORAL_ADDRESS", "127.0.0.1:1").output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (outcome, code) = (answer["outcome"].as_str(), answer["exit_code"].as_i64());
        assert_eq!((outcome, code, output.status.code()), (Some("error"), Some(10), Some(10)), "{answer:#}");
        assert_eq!(answer["environment"], "preview-web-7");
        assert!(answer["reason"].as_str().unwrap().contains("connecting to Temporal at"), "{answer:#}");
    }
}

#[test]
fn answer_links_to_temporal_ui_where_its_address_is_known() {
    let mut command = Command::new(BERTH);
    command.args(["preview", "status", "web", "7", "--output", "json"]).env("TEMPORAL_ADDRESS", "127.0.0.1:1");
    command.env("TEMPORAL_NAMESPACE", "ci").env("BERTH_TEMPORAL_UI", "https://temporal.example.com");
    let answer: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let page = "https://temporal.example.com/namespaces/ci/workflows/preview-web-7";
    assert_eq!(answer["temporal_ui_url"], page, "{answer:#}");
}

//! Answers to requests, as a table that the test prints.

use crate::process::Reply;

/// Rows: what was sent where, and the answer to it.
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self(vec![format!("\n{title}"), row("sent", "to", "status", "outcome", "reason")])
    }

    /// Adds an answer, which must have this status and this outcome.
    pub(crate) fn add(&mut self, sent: &str, to: &str, reply: &Reply, expected: (u16, &str)) {
        let (outcome, reason) = (text(reply, "outcome"), text(reply, "reason"));
        self.0.push(row(sent, to, &reply.status.to_string(), outcome, reason));
        assert_eq!((reply.status, outcome), expected, "{sent} to {to}: {reply:?}");
    }

    pub(crate) fn print(&self) {
        println!("{}", self.0.join("\n"));
    }
}

fn text<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.json[name].as_str().unwrap_or_default()
}

fn row(sent: &str, to: &str, status: &str, outcome: &str, reason: &str) -> String {
    format!("| {sent:<62} | {to:<8} | {status:<6} | {outcome:<16} | {reason}")
}

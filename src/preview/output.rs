//! Answers on standard output: text for people, JSON for scripts.

use std::io::Write;

use berth_workflows::contract::{
    script::ScriptAnswer, search_attributes as attributes, signals::DeployAnswer, status::Status, teardown::LeakReport,
    verdict::Verdict,
};
use clap::ValueEnum;
use serde::Serialize;
use temporalio_client::WorkflowExecution;

/// Format of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

/// A line of the list of environments.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    workflow_id: String,
    app: Option<String>,
    pr: Option<i64>,
    phase: Option<String>,
    commit: Option<String>,
    failure: Option<String>,
    author: Option<String>,
}

impl Row {
    /// Reads the search attributes of a workflow.
    pub(super) fn new(workflow: &WorkflowExecution) -> Self {
        let found = workflow.search_attributes();
        Self {
            workflow_id: workflow.id().to_owned(),
            app: found.get(&attributes::APP),
            pr: found.get(&attributes::PULL_REQUEST),
            phase: found.get(&attributes::PHASE),
            commit: found.get(&attributes::COMMIT),
            failure: found.get(&attributes::FAILURE),
            author: found.get(&attributes::AUTHOR),
        }
    }
}

impl Output {
    /// Prints how a push ended.
    pub(super) fn answer(self, answer: &DeployAnswer) -> anyhow::Result<()> {
        self.write(answer, |out| {
            let outcome = serde_json::to_value(answer.outcome)?;
            write!(out, "{} {}", answer.commit.short(), outcome.as_str().unwrap_or_default())?;
            match (&answer.url, &answer.reason) {
                (_, Some(reason)) => writeln!(out, ": {reason}")?,
                (Some(url), None) => writeln!(out, ": {url}")?,
                (None, None) => writeln!(out)?,
            }
            answer.verdict.as_ref().map_or(Ok(()), |verdict| write_verdict(out, verdict))
        })
    }

    /// Prints how a script ended. Output that was followed already is not printed again.
    pub(super) fn script(self, answer: &ScriptAnswer, is_followed: bool) -> anyhow::Result<()> {
        self.write(answer, |out| {
            if !is_followed && answer.verdict.is_none() && !answer.log_tail.is_empty() {
                writeln!(out, "{}", answer.log_tail)?;
            }
            let Some(verdict) = &answer.verdict else { return Ok(()) };
            writeln!(out, "{}: {}", answer.script_run, verdict.headline())?;
            write_verdict(out, verdict)
        })
    }

    /// Prints the report of a teardown.
    pub(super) fn report(self, report: &LeakReport) -> anyhow::Result<()> {
        self.write(report, |out| {
            for gone in &report.gone {
                writeln!(out, "gone  {gone}")?;
            }
            for remaining in &report.remaining {
                writeln!(out, "LEFT  {}: {}", remaining.object, remaining.reason)?;
            }
            Ok(())
        })
    }

    /// Prints one environment.
    pub(super) fn status(self, status: &Status) -> anyhow::Result<()> {
        self.write(status, |out| {
            writeln!(out, "{}", status.to_markdown().trim_start_matches("### ").trim_end())?;
            if let Some(rolling_out) = &status.rolling_out {
                writeln!(out, "- rollout: {}", rolling_out.rollout)?;
            }
            status.failed.as_ref().map_or(Ok(()), |failed| write_verdict(out, &failed.verdict))
        })
    }

    /// Prints all environments.
    pub(super) fn list(self, rows: &[Row]) -> anyhow::Result<()> {
        self.write(&rows, |out| {
            writeln!(out, "{:<12} {:>8}  {:<17} {:<9} {:<18} AUTHOR", "APP", "PR", "PHASE", "COMMIT", "FAILURE")?;
            for row in rows {
                let commit: String = row.commit.as_deref().unwrap_or("-").chars().take(7).collect();
                writeln!(
                    out,
                    "{:<12} {:>8}  {:<17} {commit:<9} {:<18} {}",
                    row.app.as_deref().unwrap_or("-"),
                    row.pr.unwrap_or_default(),
                    row.phase.as_deref().unwrap_or("-"),
                    row.failure.as_deref().unwrap_or("-"),
                    row.author.as_deref().unwrap_or("-"),
                )?;
            }
            Ok(())
        })
    }

    /// Prints an answer that is one sentence.
    pub(super) fn note(self, note: &str) -> anyhow::Result<()> {
        self.write(&serde_json::json!({ "note": note }), |out| Ok(writeln!(out, "{note}")?))
    }

    fn write<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self {
            Self::Json => writeln!(out, "{}", serde_json::to_string_pretty(value)?)?,
            Self::Text => text(&mut out)?,
        }
        Ok(())
    }
}

fn write_verdict(out: &mut dyn Write, verdict: &Verdict) -> anyhow::Result<()> {
    if !verdict.log_tail.is_empty() {
        writeln!(out, "  last lines of its log:")?;
        verdict.log_tail.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    if !verdict.events.is_empty() {
        writeln!(out, "  events:")?;
        verdict.events.iter().try_for_each(|event| writeln!(out, "    {event}"))?;
    }
    if !verdict.advice.is_empty() {
        writeln!(out, "  what to do: {}", verdict.advice)?;
    }
    Ok(())
}

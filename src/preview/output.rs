//! Answers of `berth preview`: each an [`Envelope`], with the same as text for people.

use std::fmt::Write;

use berth_workflows::contract::{
    phase::Phase,
    release::Commit,
    script::ScriptAnswer,
    search_attributes as attributes,
    signals::{DeployAnswer, DeployOutcome},
    status::Status,
    teardown::{LeakReport, Remaining, Removal},
    verdict::Verdict,
};
use serde::Serialize;
use serde_json::Value;
use temporalio_client::WorkflowExecution;

use crate::{
    envelope::{Envelope, snake_case, wire_name, write_evidence, write_verdict},
    exit::{self, Exit},
    poll::Ending,
    seen::Seen,
};

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

/// How a push ended.
pub(crate) fn from_answer(answer: &DeployAnswer) -> anyhow::Result<Envelope> {
    let outcome = wire_name(&answer.outcome);
    let envelope = Envelope {
        commit: Some(answer.commit.to_string()),
        url: answer.url.clone(),
        rollout: answer.rollout.clone(),
        reason: answer.reason.clone(),
        verdict: answer.verdict.clone(),
        ..Envelope::new(&outcome, Exit::from(answer.outcome))
    };
    let envelope = envelope.with_text(|out| {
        write!(out, "{} {outcome}", answer.commit.short())?;
        match (&answer.url, &answer.reason) {
            (_, Some(reason)) => writeln!(out, ": {reason}")?,
            (Some(url), None) => writeln!(out, ": {url}")?,
            (None, None) => writeln!(out)?,
        }
        answer.verdict.as_ref().map_or(Ok(()), |verdict| write_verdict(out, verdict))
    });
    envelope.with_data(answer)
}

/// The answer to a push as it came: the worker may be newer.
pub(super) fn with_json(envelope: Envelope, json: Value) -> Envelope {
    let Envelope { mut outcome, mut text, .. } = envelope;
    if let Some(name) = json["outcome"].as_str().filter(|_| outcome == wire_name(&DeployOutcome::Unknown)) {
        text = text.replacen(&outcome, name, 1);
        name.clone_into(&mut outcome);
    }
    Envelope { outcome, text, data: Some(json), ..envelope }
}

/// How a script ended. Output that was followed already is not printed again.
pub(super) fn from_script(answer: &ScriptAnswer, is_followed: bool) -> anyhow::Result<Envelope> {
    let exit = answer.exit_code.map_or_else(|| Exit::Error.code(), exit::script_code);
    let envelope = Envelope {
        reason: answer.verdict.as_ref().map(|verdict| verdict.headline()),
        verdict: answer.verdict.clone(),
        ..Envelope::new(if answer.exit_code.is_some() { "exited" } else { "not_run" }, exit)
    };
    let envelope = envelope.with_text(|out| {
        if !is_followed && answer.verdict.is_none() && !answer.log_tail.is_empty() {
            writeln!(out, "{}", answer.log_tail)?;
        }
        let Some(verdict) = &answer.verdict else { return Ok(()) };
        writeln!(out, "{}: {}", answer.script_run, verdict.headline())?;
        write_verdict(out, verdict)
    });
    envelope.with_data(answer)
}

/// The report of a teardown.
pub(super) fn from_report(report: &LeakReport) -> anyhow::Result<Envelope> {
    let envelope = Envelope::new("gone", Exit::Done).with_text(|out| {
        report.gone.iter().try_for_each(|gone| writeln!(out, "gone  {gone}"))?;
        report.remaining.iter().try_for_each(|left| write_left(out, "LEFT ", left))?;
        report.skipped.iter().try_for_each(|left| write_left(out, "ALONE", left))
    });
    envelope.with_data(report)
}

/// A removal after which the pull request was opened again.
pub(super) fn from_removal(id: &str, removed: &Removal) -> anyhow::Result<Envelope> {
    let reason = "its pull request was opened again";
    let envelope = Envelope { reason: Some(reason.to_owned()), ..Envelope::new("gone", Exit::Done) };
    let envelope = envelope.with_text(|out| {
        removed.gone.iter().try_for_each(|gone| writeln!(out, "gone  {gone}"))?;
        writeln!(out, "{id} was closed and is gone; {reason}, and it gets a new environment")
    });
    envelope.with_data(removed)
}

/// An object that a teardown did not remove, with the command for a person.
fn write_left(out: &mut String, mark: &str, left: &Remaining) -> std::fmt::Result {
    writeln!(out, "{mark} {}: {}", left.object, left.reason)?;
    if left.command.is_empty() { Ok(()) } else { writeln!(out, "      by hand: {}", left.command) }
}

/// The status at the end of a wait.
pub(crate) fn from_wait(status: &Seen<Status>, ending: Ending) -> anyhow::Result<Envelope> {
    let Ending { outcome, exit, reason } = ending;
    let mut shown = from_status(status)?;
    // The status tells of the newest commit, which may be another one.
    let is_of_another = shown.outcome != outcome;
    let (serving, failed) = (status.serving.as_ref(), status.failed.as_ref().filter(|_| exit == Exit::Failed));
    if is_of_another && exit == Exit::Done {
        shown.commit = serving.map(|serving| serving.release.commit.to_string());
        shown.rollout = serving.map(|serving| serving.rollout.clone());
    }
    if let Some(failed) = failed {
        shown.commit = Some(failed.release.commit.to_string());
        shown.rollout.clone_from(&failed.rollout);
    }
    match &reason {
        Some(reason) => shown.text = format!("{outcome}: {reason}\n{}", shown.text),
        None if is_of_another => shown.text = format!("{outcome}\n{}", shown.text),
        None => {}
    }
    let verdict = failed.map(|failed| failed.verdict.clone());
    let reason = reason.or_else(|| verdict.as_ref().map(Verdict::headline));
    Ok(Envelope { outcome, exit_code: exit.code(), reason, verdict, ..shown })
}

/// The answer to a wait for one commit: parts about another one are left out.
pub(crate) fn about(envelope: Envelope, commit: &Commit) -> Envelope {
    if envelope.commit.as_deref().is_some_and(|shown| commit.matches(shown)) {
        return envelope;
    }
    Envelope { commit: Some(commit.to_string()), rollout: None, verdict: None, ..envelope }
}

/// An environment.
pub(crate) fn from_status(status: &Seen<Status>) -> anyhow::Result<Envelope> {
    let Status { rolling_out, failed, serving, awaiting_approval, .. } = &**status;
    let failed = failed.as_ref().filter(|_| status.phase == Phase::Failed);
    let newest = (rolling_out.as_ref().map(|rolling_out| &rolling_out.release))
        .or(awaiting_approval.as_ref())
        .or_else(|| failed.map(|failed| &failed.release))
        .or_else(|| serving.as_ref().map(|serving| &serving.release));
    let rollout = (rolling_out.as_ref().map(|rolling_out| &rolling_out.rollout))
        .or_else(|| failed.and_then(|failed| failed.rollout.as_ref()))
        .or_else(|| serving.as_ref().map(|serving| &serving.rollout));
    let envelope = Envelope {
        commit: newest.map(|release| release.commit.to_string()),
        url: status.url.clone(),
        temporal_dashboard_url: status.temporal_ui.clone(),
        rollout: rollout.cloned(),
        reason: failed.map(|failed| failed.verdict.headline()),
        verdict: failed.map(|failed| failed.verdict.clone()),
        ..Envelope::new(snake_case(status.phase.name()), Exit::from(status.phase))
    };
    let envelope = envelope.with_text(|out| {
        writeln!(out, "{}", status.to_markdown().trim_start_matches("### ").trim_end())?;
        if let Some(rolling_out) = rolling_out {
            writeln!(out, "- rollout: {}", rolling_out.rollout)?;
        }
        status.failed.as_ref().map_or(Ok(()), |failed| write_evidence(out, &failed.verdict))
    });
    Ok(status.show(envelope))
}

/// All environments.
pub(super) fn from_list(rows: &[Row]) -> anyhow::Result<Envelope> {
    let envelope = Envelope::new("done", Exit::Done).with_text(|out| {
        writeln!(out, "{:<12} {:>8}  {:<17} {:<9} {:<18} AUTHOR", "APP", "PR", "PHASE", "COMMIT", "FAILURE")?;
        rows.iter().try_for_each(|row| {
            let commit: String = row.commit.as_deref().unwrap_or("-").chars().take(7).collect();
            writeln!(
                out,
                "{:<12} {:>8}  {:<17} {commit:<9} {:<18} {}",
                row.app.as_deref().unwrap_or("-"),
                row.pr.unwrap_or_default(),
                row.phase.as_deref().unwrap_or("-"),
                row.failure.as_deref().unwrap_or("-"),
                row.author.as_deref().unwrap_or("-"),
            )
        })
    });
    envelope.with_data(&rows)
}

/// There is no such environment.
pub(crate) fn not_found(id: &str) -> Envelope {
    Envelope::sentence("not_found", Exit::Absent, format!("there is no environment {id}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outcome_of_a_newer_worker_is_neither_success_nor_failure() {
        let json = json!({"outcome": "promoted", "commit": "4f2a9c1", "by": "canary"});
        let answer = serde_json::from_value(json.clone()).unwrap();
        let shown = with_json(from_answer(&answer).unwrap(), json.clone());
        assert_eq!((shown.outcome.as_str(), shown.exit_code), ("promoted", Exit::Waiting.code()));
        assert_eq!((shown.text.as_str(), shown.data), ("4f2a9c1 promoted\n", Some(json)));
    }
}

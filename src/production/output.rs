//! Answers of `berth production`: each an [`Envelope`], with the same as text for people.

use std::fmt::Write;

use berth_workflows::contract::{
    phase::Phase,
    production::Production,
    production_answer::{ProductionAnswer, ProductionOutcome},
    production_status::ProductionStatus,
    release::Release,
    rollout_input::rollout_id,
};

use super::{decide, observe::numbered};
use crate::{
    envelope::{Envelope, snake_case, wire_name, write_evidence},
    exit::Exit,
    poll::Ending,
    seen::Seen,
};

/// The answer of production to a message.
pub(crate) fn from_answer(app: &str, verb: &str, answer: &ProductionAnswer) -> anyhow::Result<Envelope> {
    let envelope = Envelope {
        commit: answer.commit.as_ref().map(ToString::to_string),
        reason: answer.reason.clone(),
        ..Envelope::new(answer.outcome.name(), exit_of(verb, answer.outcome))
    };
    let envelope = envelope.with_text(|out| {
        if let Some(release) = answer.release {
            write!(out, "release {release} ")?;
        }
        if let Some(commit) = &answer.commit {
            write!(out, "{} ", commit.short())?;
        }
        let outcome = answer.outcome.name().replace('_', " ");
        writeln!(out, "{outcome}{}", answer.reason.as_ref().map_or_else(String::new, |why| format!(": {why}")))?;
        secrets(answer).map_or(Ok(()), |secrets| writeln!(out, "- {secrets}"))
    });
    let envelope = envelope.with_data(answer)?;
    Ok(match next_step(app, verb, answer) {
        Some(next) => envelope.with_remark(&next),
        None => envelope,
    })
}

/// The secrets that a rollback runs with: names only.
pub(super) fn secrets(answer: &ProductionAnswer) -> Option<String> {
    let secrets = wire_name(&answer.secrets?);
    let changed = if answer.changed_secrets.is_empty() { "none".into() } else { answer.changed_secrets.join(", ") };
    Some(format!("secrets: {secrets}, values that change: {changed}"))
}

/// The exit code of an answer that nothing is waited for after.
fn exit_of(verb: &str, outcome: ProductionOutcome) -> Exit {
    use ProductionOutcome as Outcome;
    match outcome {
        Outcome::Refused => Exit::Error,
        Outcome::Superseded => Exit::Superseded,
        // Too late: it is not dropped.
        Outcome::RollingOut | Outcome::Live if verb == "reject" => Exit::Error,
        // An outcome of a newer berth. It is shown as text.
        Outcome::Unknown => Exit::Waiting,
        _ => Exit::Done,
    }
}

/// The command that a person needs next, if one follows from the answer.
fn next_step(app: &str, verb: &str, answer: &ProductionAnswer) -> Option<String> {
    use ProductionOutcome as Outcome;
    let release = answer.release.map_or_else(String::new, |release| format!(" --release {release}"));
    let berth = "berth production";
    match (verb, answer.outcome) {
        (_, Outcome::Refused | Outcome::Superseded) if answer.plan.is_some() => Some(format!(
            "{berth} plan {app} shows the plan in force, and {berth} approve {app}{release} --plan … approves it"
        )),
        ("approve" | "reject", Outcome::RollingOut | Outcome::Live) => {
            Some(format!("{berth} rollback {app} goes back to the release before it"))
        }
        ("rollback", Outcome::Refused) => Some(format!("{berth} history {app} lists the stored releases")),
        (_, Outcome::Refused | Outcome::Superseded) => Some(format!("{berth} status {app} shows what is in force")),
        (_, Outcome::Queued | Outcome::RollingOut | Outcome::Approved) => {
            Some(format!("{berth} wait {app}{release} waits for it"))
        }
        (_, Outcome::AwaitingApproval) => {
            let plan = answer.plan.as_deref().unwrap_or("…");
            Some(format!(
                "{berth} plan {app} shows its plan, and {berth} approve {app}{release} --plan {plan} approves it"
            ))
        }
        (_, Outcome::Frozen) => Some(format!("{berth} unfreeze {app} ends it")),
        _ => None,
    }
}

/// The status at the end of a wait for that release, if its number is known.
pub(crate) fn from_wait(
    status: &Seen<ProductionStatus>,
    release: Option<u64>,
    ending: Ending,
) -> anyhow::Result<Envelope> {
    let Ending { outcome, exit, reason } = ending;
    let shown = about(from_status(status)?, status, release);
    let failed = status.failed.as_ref().filter(|failed| exit == Exit::Failed && failed.release.number == release);
    let verdict = failed.map(|failed| failed.verdict.clone());
    let headline = verdict.as_ref().map(|verdict| verdict.headline());
    let reason = match (reason, headline) {
        (Some(reason), Some(headline)) => Some(format!("{reason}: {headline}")),
        (reason, headline) => reason.or(headline),
    };
    let shown = Envelope { outcome, exit_code: exit.code(), reason: reason.clone(), verdict, ..shown };
    Ok(shown.with_text(|out| reason.map_or(Ok(()), |reason| writeln!(out, "- {reason}"))))
}

/// The same answer, with commit and rollout of that release.
pub(crate) fn about(envelope: Envelope, status: &ProductionStatus, release: Option<u64>) -> Envelope {
    let Some(number) = release else { return envelope };
    let commit = decide::known(status).find(|(_, other)| *other == release).map(|(commit, _)| commit.to_owned());
    let in_flight = status.rolling_out.as_ref().map(|rolling_out| &rolling_out.rollout);
    let in_flight =
        in_flight.filter(|rollout| rollout.release.number == release).map(|rollout| rollout.rollout.clone());
    let past = status.rollouts.iter().rev().find(|past| past.release == Some(number) && past.number > 0);
    let past = past.map(|past| rollout_id(&Production::new(&status.app).workflow_id(), past.number));
    Envelope { commit, rollout: in_flight.or(past), ..envelope }
}

/// Production.
pub(crate) fn from_status(status: &Seen<ProductionStatus>) -> anyhow::Result<Envelope> {
    let newest = newest_release(status);
    let failed = status.failed.as_ref().filter(|_| is_failed(status.phase));
    let rollout = (status.rolling_out.as_ref().map(|rolling_out| &rolling_out.rollout.rollout))
        .or_else(|| failed.and_then(|failed| failed.rollout.as_ref()))
        .or_else(|| status.serving.as_ref().map(|serving| &serving.rollout));
    let waits =
        status.queued.as_ref().map(|queued| format!("{} waits for {}", numbered(&queued.release), queued.waits_for));
    let envelope = Envelope {
        commit: newest.map(|release| release.commit.to_string()),
        url: status.url.clone(),
        temporal_dashboard_url: status.temporal_ui.clone(),
        rollout: rollout.cloned(),
        reason: failed.map(|failed| failed.verdict.headline()).or(waits),
        verdict: failed.map(|failed| failed.verdict.clone()),
        ..Envelope::new(snake_case(status.phase.name()), Exit::from(status.phase))
    };
    let envelope = envelope.with_text(|out| {
        writeln!(out, "{}", status.to_markdown().trim_start_matches("### ").trim_end())?;
        failed.map_or(Ok(()), |failed| write_evidence(out, &failed.verdict))
    });
    Ok(status.show(envelope))
}

fn newest_release(status: &ProductionStatus) -> Option<&Release> {
    (status.queued.as_ref().map(|queued| &queued.release))
        .or_else(|| status.rolling_out.as_ref().map(|rolling_out| &rolling_out.rollout.release))
        .or_else(|| status.failed.as_ref().filter(|_| is_failed(status.phase)).map(|failed| &failed.release))
        .or_else(|| status.serving.as_ref().map(|serving| &serving.release))
}

fn is_failed(phase: Phase) -> bool {
    matches!(phase, Phase::Failed | Phase::RolledBack | Phase::RollbackFailed)
}

/// Production of an app does not run: nothing has been released.
pub(crate) fn not_found(app: &str) -> Envelope {
    let why = format!("nothing of {app} has been released to production; berth production release {app} does so");
    Envelope::sentence("not_found", Exit::Absent, why)
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::{
        phase::Failed,
        verdict::{FailureType, Verdict},
    };

    use super::*;

    #[test]
    fn status_of_a_failure_advises_once() {
        let verdict = Verdict { log_tail: vec!["boom".into()], ..Verdict::new(FailureType::CrashLoop, "exit code 1") };
        let failed = Failed { release: decide::tests::numbered(3), rollout: None, verdict: verdict.advise("fix it") };
        let status = decide::tests::status(Phase::RolledBack, |status| status.failed = Some(failed));
        let text = from_status(&status.into()).unwrap().text;
        for once in ["what to do: fix it", "boom", "exit code 1"] {
            assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
        }
    }
}

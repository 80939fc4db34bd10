//! The comment in a pull request.

use super::{
    markdown::{block, code, folded, link, release},
    view::{PullRequestView, View},
};
use crate::contract::{
    phase::{Failed, PastRollout, Phase},
    report::MAX_BODY_CHARS,
    signals::DeployOutcome,
    status::Status,
    verdict::Verdict,
};

/// How many lines of a log and how many past rollouts are shown.
const LOG_LINES: usize = 20;
const ROLLOUTS: usize = 5;

/// The marker by which the comment is found again. It begins the body.
pub fn marker(view: &View) -> String {
    format!("<!-- berth:{} -->", view.environment)
}

/// The body of the comment, or None if there is none to be.
pub fn body(view: &View) -> Option<String> {
    let pull_request = view.pull_request.as_ref().filter(|pull_request| pull_request.comment)?;
    let whole = written(view, pull_request, LOG_LINES);
    let is_long = whole.chars().count() > MAX_BODY_CHARS;
    let body = if is_long { written(view, pull_request, 0) } else { whole };
    Some(body.chars().take(MAX_BODY_CHARS).collect())
}

/// A comment of its own, for what only a person can do: people are notified of a new comment, not of an edit. Returns what it
/// is about, and its marker and body.
pub fn call_to_act(view: &View) -> Option<(String, String, String)> {
    let pull_request = view.pull_request.as_ref().filter(|pull_request| pull_request.comment && !view.is_closed)?;
    let status = &pull_request.status;
    let about = match status.phase {
        Phase::AwaitingApproval => format!("approval-{}", status.awaiting_approval.as_ref()?.commit),
        Phase::TeardownBlocked => format!("teardown-{}", status.rollouts.last().map_or(0, |last| last.number)),
        _ => return None,
    };
    let marker = format!("<!-- berth:{}:{about} -->", view.environment);
    let heading = format!("{} **{}**", mark(view, status), heading(view, pull_request));
    let body = format!("{marker}\n{heading}\n\n{}", waits(view, status)?);
    Some((about, marker, body))
}

/// The heading without its mark: the state and the commit.
pub(super) fn heading(view: &View, pull_request: &PullRequestView) -> String {
    let Status { app, .. } = &pull_request.status;
    match subject(&pull_request.status) {
        Some(subject) => format!("{app}: {} {subject}", state(view, pull_request)),
        None => format!("{app}: {}", state(view, pull_request)),
    }
}

/// The state in words, to be read before the commit.
fn state(view: &View, pull_request: &PullRequestView) -> &'static str {
    let status = &pull_request.status;
    match status.phase {
        _ if view.is_closed => "closed",
        Phase::RollingOut => "rolling out",
        Phase::Live => "live at",
        Phase::Failed => "failed at",
        Phase::AwaitingApproval => "awaiting approval of",
        Phase::TearingDown => "being removed",
        Phase::TeardownBlocked => "cannot be removed",
        Phase::Closed => "closed",
        _ if status.held.is_some() => "waiting with",
        _ => "awaiting a push",
    }
}

fn mark(view: &View, status: &Status) -> &'static str {
    match status.phase {
        _ if view.is_closed => "⚪",
        Phase::RollingOut => "🔵",
        Phase::Live => "🟢",
        Phase::Failed | Phase::TeardownBlocked => "🔴",
        Phase::AwaitingApproval => "🟡",
        _ => "⚪",
    }
}

/// The commit that the heading is about.
fn subject(status: &Status) -> Option<String> {
    let subject = match status.phase {
        Phase::RollingOut => status.rolling_out.as_ref().map(|now| &now.release).or(status.queued.as_ref()),
        Phase::Live => status.serving.as_ref().map(|serving| &serving.release),
        Phase::Failed => status.failed.as_ref().map(|failed| &failed.release),
        Phase::AwaitingApproval => status.awaiting_approval.as_ref(),
        Phase::AwaitingPush => status.held.as_ref(),
        _ => None,
    };
    subject.map(release)
}

fn written(view: &View, pull_request: &PullRequestView, log_lines: usize) -> String {
    let status = &pull_request.status;
    let mut text = format!("{}\n### {} {}\n\n", marker(view), mark(view, status), heading(view, pull_request));
    let mut add = |part: Option<String>| text.extend(part.map(|part| part + "\n"));
    add(links(view, status));
    if view.is_closed {
        add(Some("Nothing of the environment is left.\n".to_owned()));
    } else {
        add(status.failed.as_ref().map(|failed| verdict(failed, log_lines)));
        add(serving(status));
        add(waits(view, status));
        add(scripts(status));
    }
    add(answers(pull_request));
    add(rollouts(view, &status.rollouts));
    add(commands(view, pull_request));
    text
}

fn links(view: &View, status: &Status) -> Option<String> {
    let page = view.url.as_deref().filter(|_| !view.is_closed).map(|url| link("page", url));
    let ui = status.temporal_ui.as_deref().filter(|_| !view.is_closed).map(|url| link("its temporal-ui", url));
    let workflow = view.page_of(&view.environment).map(|url| link("workflow", &url));
    let rollout = status.rolling_out.as_ref().map(|now| now.rollout.as_str());
    let rollout = rollout.or_else(|| status.failed.as_ref()?.rollout.as_deref()).filter(|_| !view.is_closed);
    let rollout = rollout.and_then(|id| view.page_of(id)).map(|url| link("rollout", &url));
    let links: Vec<_> = [page, ui, workflow, rollout].into_iter().flatten().collect();
    (!links.is_empty()).then(|| links.join(" · ") + "\n")
}

/// The verdict of the newest rollout.
fn verdict(failed: &Failed, log_lines: usize) -> String {
    let Failed { release: of, verdict, .. } = failed;
    let mut text = format!("**{}** of {}{}\n\n", verdict.failure, release(of), place(verdict));
    text += &block(verdict.message.lines());
    if !verdict.advice.is_empty() {
        text += &format!("\nWhat to do: {}\n", code(&verdict.advice));
    }
    if !verdict.mixed.is_empty() {
        let mixed: Vec<_> = verdict.mixed.iter().map(|object| code(object)).collect();
        text += &format!("\nWhat serves is a mix of releases: {}\n", mixed.join(", "));
    }
    let first = verdict.log_tail.len().saturating_sub(log_lines);
    let log = verdict.log_tail.get(first..).unwrap_or_default();
    if !log.is_empty() {
        text += "\n";
        text += &folded("The last lines of its log", &block(log.iter().map(String::as_str)));
    }
    if log_lines > 0 && !verdict.events.is_empty() {
        text += "\n";
        text += &folded("Events", &block(verdict.events.iter().map(String::as_str)));
    }
    text
}

fn place(verdict: &Verdict) -> String {
    let workload = verdict.workload.as_ref().map(|workload| format!(" in {}", code(workload)));
    let container = verdict.container.as_ref().map(|container| format!(", container {}", code(container)));
    let code_of = verdict.exit_code.map(|code| format!(", exit code {code}"));
    [workload, container, code_of].into_iter().flatten().collect()
}

/// The release that serves, if it is not the one that the heading is about.
fn serving(status: &Status) -> Option<String> {
    let serving = status.serving.as_ref().filter(|_| status.phase != Phase::Live)?;
    Some(format!("Serving meanwhile: {}\n", release(&serving.release)))
}

/// The sentence on the thing that is waited for, and on the person who has to act.
fn waits(view: &View, status: &Status) -> Option<String> {
    let app = &view.app;
    let waits_for = status.waits_for.as_deref();
    let text = match status.phase {
        Phase::RollingOut => {
            let now = status.rolling_out.as_ref()?;
            let unseen = now.not_observed.as_ref().map(|why| format!(" Nothing can be seen: {}.", code(why)));
            format!("It waits for {}.{}", code(&now.waiting_for), unseen.unwrap_or_default())
        }
        Phase::AwaitingApproval => {
            let waiting = &status.awaiting_approval.as_ref()?.commit;
            // A push may abbreviate its commit, a command may not.
            let commit = view.pull_request.as_ref().and_then(|shown| shown.head.as_ref()).unwrap_or(waiting);
            let command = format!("/berth {app} approve {commit}");
            format!("It comes from a fork. A person who may write here reads it, then comments {}.", code(&command))
        }
        Phase::TeardownBlocked => {
            let remaining = status.teardown.iter().flat_map(|report| &report.remaining);
            let lines = remaining.map(|object| {
                let command = Some(&object.command).filter(|command| !command.is_empty());
                let command = command.map(|command| format!(" A person may run {}.", code(command)));
                format!("- {}: {}.{}\n", code(&object.object), code(&object.reason), command.unwrap_or_default())
            });
            format!("It waits for these objects to go:\n\n{}", lines.take(10).collect::<String>())
        }
        Phase::Failed if waits_for.is_none() => {
            "It waits for its author: a push that mends it, or a redeploy.".to_owned()
        }
        _ => format!("It waits for {}.", code(waits_for?)),
    };
    Some(text + "\n")
}

fn scripts(status: &Status) -> Option<String> {
    let running: Vec<_> = status.scripts.iter().map(|script| code(&script.name)).collect();
    (!running.is_empty()).then(|| format!("Running: {}\n", running.join(", ")))
}

fn answers(pull_request: &PullRequestView) -> Option<String> {
    let answers = pull_request.answers.iter().map(|answer| {
        let by = answer.by.as_ref().map(|by| format!(" of {}", code(by.as_str())));
        let command = if answer.command.is_empty() { "A command".to_owned() } else { code(&answer.command) };
        format!("- {command}{}: {}\n", by.unwrap_or_default(), code(&answer.answer))
    });
    let text: String = answers.collect();
    (!text.is_empty()).then_some(text)
}

fn rollouts(view: &View, rollouts: &[PastRollout]) -> Option<String> {
    let first = rollouts.len().saturating_sub(ROLLOUTS);
    let last = rollouts.get(first..).filter(|last| !last.is_empty())?;
    let mut table =
        String::from("| rollout | commit | outcome | seconds | author |\n| --- | --- | --- | --- | --- |\n");
    for past in last.iter().rev() {
        let PastRollout { number, commit, ms, .. } = past;
        let id = format!("{}-rollout-{number}", view.environment);
        let number = view.page_of(&id).map_or_else(|| number.to_string(), |url| link(&number.to_string(), &url));
        let commit: String = commit.chars().take(7).collect();
        let author = past.author.as_ref().map_or_else(String::new, |author| code(author.as_str()));
        let tenths = ms / 100;
        table += &format!(
            "| {number} | {} | {} | {}.{} | {author} |\n",
            code(&commit),
            outcome(past),
            tenths / 10,
            tenths % 10
        );
    }
    Some(folded("The last rollouts", &table))
}

fn outcome(past: &PastRollout) -> String {
    match (past.outcome, &past.failure) {
        (DeployOutcome::Failed, Some(failure)) => format!("failed: {}", code(failure)),
        (DeployOutcome::Live, _) => "live".to_owned(),
        (DeployOutcome::Failed, None) => "failed".to_owned(),
        (DeployOutcome::Superseded, _) => "superseded".to_owned(),
        (DeployOutcome::RolledBack, _) => "rolled back".to_owned(),
        _ => "stopped".to_owned(),
    }
}

fn commands(view: &View, pull_request: &PullRequestView) -> Option<String> {
    if view.is_closed || !pull_request.commands {
        return None;
    }
    let app = &view.app;
    let list: String = [
        ("redeploy", "roll the newest release out again, with today's secrets"),
        ("approve <40 digits>", "let that commit of a fork be rolled out"),
        ("run <script>", "run a script of the app"),
        ("status", "bring this comment up to date"),
    ]
    .into_iter()
    .map(|(command, what)| format!("- {}: {what}\n", code(&format!("/berth {app} {command}"))))
    .collect();
    Some(folded("Commands, for people who may write here", &list))
}

#[cfg(test)]
mod tests;

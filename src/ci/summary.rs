//! The summary of a run, as Markdown. Pure.

use berth_workflows::{
    contract::verdict::Verdict,
    report::markdown::{block, code, folded, link},
};

use super::{
    answer::{links, short},
    judge::Level,
};
use crate::envelope::Envelope;

/// How many lines of a log are shown.
const LOG_LINES: usize = 20;

/// The summary of a step. `app` is the app's name.
pub(super) fn summary(app: &str, envelope: &Envelope, level: Level) -> String {
    let mark = match level {
        Level::Quiet => "🟢",
        Level::Notice => "🟡",
        Level::Error => "🔴",
    };
    let commit = envelope.commit.as_deref().map(|commit| format!(" {}", code(short(commit)))).unwrap_or_default();
    let mut text = format!("### {mark} {app}: {}{commit}\n\n", envelope.outcome.replace('_', " "));
    match (&envelope.verdict, &envelope.reason) {
        (Some(verdict), _) => text += &failure(verdict),
        (None, Some(reason)) => text += &format!("{}\n\n", code(reason)),
        (None, None) => {}
    }
    let links: Vec<String> = links(envelope).map(|(name, url)| link(name, url)).collect();
    if !links.is_empty() {
        text += &format!("{}\n\n", links.join(" · "));
    }
    if let Some(rollout) = &envelope.rollout {
        text += &format!("rollout {}\n\n", code(rollout));
    }
    text
}

fn failure(verdict: &Verdict) -> String {
    let mut text = format!("{}\n\n", code(&verdict.headline()));
    if !verdict.advice.is_empty() {
        text += &format!("What to do: {}\n\n", code(&verdict.advice));
    }
    let log = &verdict.log_tail;
    let evidence =
        [("last lines of its log", &log[log.len().saturating_sub(LOG_LINES)..]), ("events", &verdict.events)];
    for (title, lines) in evidence.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        text += &folded(title, &block(lines.iter().map(String::as_str)));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::verdict::FailureType;

    use super::*;

    #[test]
    fn text_from_outside_stays_code() {
        let verdict = Verdict {
            log_tail: vec!["``` <img src=x>".to_owned(), "@octocat".to_owned()],
            ..Verdict::new(FailureType::CrashLoop, "exit `1` [x](y)\n# z")
        };
        let envelope = Envelope {
            commit: Some("4f2a9c1e0".to_owned()),
            url: Some("https://pr-1.example.com".to_owned()),
            verdict: Some(verdict.advise("look <b>here</b>")),
            ..Envelope::new("failed", 1)
        };
        let text = summary("web", &envelope, Level::Error);
        assert!(text.starts_with("### 🔴 web: failed `4f2a9c1`\n\n`CrashLoop: exit '1' [x](y) # z`\n"), "{text}");
        assert!(text.contains("What to do: `look <b>here</b>`\n"), "{text}");
        assert!(text.contains("````text\n``` <img src=x>\n@\u{200b}octocat\n````\n"), "{text}");
        assert!(text.contains("[page](https://pr-1.example.com)"), "{text}");
    }

    #[test]
    fn reason_is_shown_without_a_verdict() {
        let envelope = Envelope { reason: Some("a newer push".to_owned()), ..Envelope::new("superseded", 3) };
        assert_eq!(summary("web", &envelope, Level::Notice), "### 🟡 web: superseded\n\n`a newer push`\n\n");
    }
}

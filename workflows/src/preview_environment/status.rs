//! The answer of the query `status`, and the same as Markdown for temporal-ui.

use std::fmt::Write;

use crate::{
    contract::{
        environment::{Database, Environment},
        status::{RollingOutStatus, SecretsStatus, ServingStatus, Status},
    },
    environment::markdown::{code, plain, release},
    preview_environment::record::Record,
};

impl Status {
    /// The status of a pull request's environment.
    pub fn new(app: &str, pr: u64, record: &Record) -> Self {
        let environment = record.book.environment.as_ref();
        let answering = record.answering();
        let is_there =
            |object: &str| !record.teardown.iter().any(|report| report.gone.iter().any(|gone| gone == object));
        let namespace = environment.map(|environment| environment.namespace.clone());
        Self {
            app: app.to_owned(),
            pr,
            phase: record.phase(),
            url: answering.map(Environment::url),
            temporal_ui: answering.and_then(Environment::temporal_ui_url),
            namespace: namespace.filter(|namespace| is_there(&format!("Namespace/{namespace}"))),
            serving: record.book.serving.as_ref().filter(|_| !record.tearing_down).map(ServingStatus::from),
            rolling_out: record.book.rolling_out.as_ref().map(RollingOutStatus::from),
            queued: record.mailbox.queue.next().cloned(),
            failed: record.book.failed.clone(),
            awaiting_approval: record.mailbox.awaiting_approval().cloned(),
            held: record.mailbox.held().map(|(release, _)| release.clone()),
            waits_for: record.waits_for(),
            pull_request: record.mailbox.facts.newest().cloned(),
            secrets: record.book.shown_secrets().filter(|_| !record.tearing_down).map(SecretsStatus::from),
            scripts: record.scripts.running.clone(),
            teardown: record.teardown.clone(),
            removed: record.removed.clone().filter(|_| !record.closed),
            expires_at: None,
            database: environment.and_then(|environment| environment.database.clone()),
            rollouts: record.book.rollouts.clone(),
            recent: record.mailbox.queue.recent.to_vec(),
            stuck: record.book.stuck.clone(),
            notes: record.notes.to_vec(),
        }
    }

    /// The same as Markdown, for the workflow's current details in temporal-ui. Texts from outside are code spans, so
    /// that they cannot become a link or an image.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### {} #{}: {}\n", self.app, self.pr, self.phase.name());
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, text: &mut String) -> std::fmt::Result {
        self.write_environment(text)?;
        self.write_releases(text)?;
        for script in &self.scripts {
            let kind = if script.cron { "CronJob" } else { "script" };
            let stopping = if script.stopping { ", being stopped" } else { "" };
            writeln!(text, "- running {kind}: {} ({}){stopping}", code(&script.name), code(&script.script_run))?;
        }
        for skipped in self.teardown.iter().flat_map(|report| &report.skipped) {
            writeln!(text, "- left alone: {}: {}", code(&skipped.object), code(&skipped.reason))?;
        }
        for remaining in self.teardown.iter().flat_map(|report| &report.remaining) {
            writeln!(text, "- not gone: {}: {}", code(&remaining.object), code(&remaining.reason))?;
            if !remaining.command.is_empty() {
                writeln!(text, "- a person may run {}", code(&remaining.command))?;
            }
        }
        for stuck in &self.stuck {
            writeln!(text, "- does not stop: {}", code(&stuck.remark()))?;
        }
        for note in &self.notes {
            writeln!(text, "- note: {}", code(note))?;
        }
        Ok(())
    }

    fn write_environment(&self, text: &mut String) -> std::fmt::Result {
        if let Some(url) = &self.url {
            writeln!(text, "- page: {url}")?;
        }
        if let Some(namespace) = &self.namespace {
            writeln!(text, "- namespace: {}", code(namespace))?;
        }
        match &self.database {
            Some(Database::Isolated { server, name }) => {
                writeln!(text, "- database: {} on {}", code(name), code(server))?
            }
            Some(Database::Shared { server }) => writeln!(text, "- database: Doppler's, on {}", code(server))?,
            None => {}
        }
        if let Some(ui) = &self.temporal_ui {
            writeln!(text, "- its own temporal-ui: {ui}")?;
        }
        Ok(())
    }

    fn write_releases(&self, text: &mut String) -> std::fmt::Result {
        if let Some(serving) = &self.serving {
            writeln!(text, "- serving: {} ({})", release(&serving.release), code(&serving.rollout))?;
        }
        if let Some(rolling_out) = &self.rolling_out {
            let waits = &rolling_out.waiting_for;
            writeln!(text, "- rolling out: {}, waits for {}", release(&rolling_out.release), plain(waits))?;
            if let Some(reason) = &rolling_out.not_observed {
                writeln!(text, "- not observed: {}", plain(reason))?;
            }
        }
        if let Some(queued) = &self.queued {
            writeln!(text, "- next: {}", release(queued))?;
        }
        if let Some(failed) = &self.failed {
            writeln!(text, "- failed: {}: {}", release(&failed.release), code(&failed.verdict.headline()))?;
            if !failed.verdict.advice.is_empty() {
                writeln!(text, "- what to do: {}", failed.verdict.advice)?;
            }
        }
        if let Some(waiting) = &self.awaiting_approval {
            writeln!(text, "- waits for approval, from a fork: {}", release(waiting))?;
        }
        if let Some(held) = &self.held {
            writeln!(text, "- held: {}", release(held))?;
        }
        if let Some(waits_for) = self.waits_for.as_ref().filter(|_| self.awaiting_approval.is_none()) {
            writeln!(text, "- waits for {}", code(waits_for))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::{phase::Phase, release::*, signals::Push},
        environment::{arrival::Arrival, queue::Current},
    };

    #[test]
    fn markdown_in_a_note_stays_text() {
        let mut record = Record::default();
        record.notes.add("push: `![x](http://evil.example/x.png)`\n# Heading");
        let text = Status::new("web", 1, &record).to_markdown();
        assert!(text.contains("- note: `push: '![x](http://evil.example/x.png)' # Heading`"), "{text}");
    }

    #[test]
    fn push_of_a_fork_is_shown_as_awaiting_approval() {
        let mut record = Record::default();
        let push = Push {
            author: Some(Name::try_from("octocat".to_owned()).unwrap()),
            fork: true,
            ..Push::new(
                Commit::try_from("a".repeat(40)).unwrap(),
                Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap(),
            )
        };
        record.mailbox.push(&push, Arrival::signal(1), Current::default());
        let status = Status::new("web", 1, &record);
        assert_eq!(status.phase, Phase::AwaitingApproval);
        assert!(status.to_markdown().contains("waits for approval, from a fork: `aaaaaaa` by `octocat`"));
    }
}

//! The answer of the query `status` of production, and the same as Markdown for temporal-ui.

use std::fmt::Write;

use super::state::State;
use crate::{
    contract::{
        environment::Environment,
        phase::Phase,
        plan::{ReleasePlan, VariableChange},
        production_record::QueuedRelease,
        production_status::{ProductionRollout, ProductionStatus, QueuedStatus, RecoveryStatus},
        release::Release,
        status::{RollingOutStatus, SecretsStatus, ServingStatus},
    },
    environment::markdown::{code, plain, release},
};

const DIGITS_OF_DIGEST: usize = 12;

impl ProductionStatus {
    /// The status of an app's production.
    pub fn new(app: &str, state: &State) -> Self {
        let State { book, record, .. } = state;
        let environment = book.environment.as_ref();
        let begun = record.begun.as_ref();
        Self {
            app: app.to_owned(),
            phase: state.phase(),
            url: book.answering().map(Environment::url),
            temporal_ui: book.answering().and_then(Environment::temporal_ui_url),
            namespace: environment.map(|environment| environment.namespace.clone()),
            serving: book.serving.as_ref().map(ServingStatus::from),
            proven: record.proven.as_ref().and_then(|proven| proven.release.number),
            rolling_out: book.rolling_out.as_ref().map(|rolling_out| ProductionRollout {
                rollout: RollingOutStatus::from(rolling_out),
                rollback: begun.and_then(|begun| begun.rollback.clone()),
                approved_by: begun.and_then(|begun| begun.approved_by.as_ref()).map(|by| by.as_str().to_owned()),
                is_approval_proved: begun.is_some_and(|begun| begun.is_approval_proved),
            }),
            queued: record.queued.as_ref().map(|queued| QueuedStatus {
                release: queued.release.clone(),
                waits_for: state.waits_for(queued),
                plan: state.plan_in_force().map(|planned| planned.planned.plan.clone()),
                approval: queued.approval.clone(),
                needs_proof: state.plan_in_force().is_some_and(|planned| planned.needs_proof),
            }),
            frozen: record.frozen.clone(),
            trouble: state.trouble.as_ref().map(|trouble| trouble.message.clone()),
            failed: state.failed.as_ref().map(|failed| failed.failed.clone()),
            recovery: record.recovery.as_ref().map(|recovery| RecoveryStatus {
                failed: recovery.failed,
                to: recovery.to.release.clone(),
                tries: recovery.tries,
                next_ms: recovery.next_ms,
            }),
            secrets: record.live.as_ref().map(|live| SecretsStatus::from(&live.secrets)),
            sequence: record.sequence,
            rollouts: book.rollouts.clone(),
            dropped: state.dropped.clone(),
            stuck: book.stuck.clone(),
            notes: state.notes.to_vec(),
        }
    }

    /// The same as Markdown, for the workflow's current details in temporal-ui.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### production of {}: {}\n", self.app, self.phase.name());
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, text: &mut String) -> std::fmt::Result {
        if let Some(url) = &self.url {
            writeln!(text, "- page: {url}")?;
        }
        if let Some(namespace) = &self.namespace {
            writeln!(text, "- namespace: {}", code(namespace))?;
        }
        if let Some(ui) = &self.temporal_ui {
            writeln!(text, "- its own temporal-ui: {ui}")?;
        }
        if let Some(frozen) = &self.frozen {
            let proved = if frozen.proved { " (proved)" } else { "" };
            writeln!(text, "- frozen by {}{proved}: {}", code(&frozen.by), code(&frozen.reason))?;
        }
        if let Some(trouble) = &self.trouble {
            writeln!(text, "- tried again: {}", code(trouble))?;
        }
        self.write_releases(text)?;
        for stuck in &self.stuck {
            writeln!(text, "- does not stop: {}", code(&stuck.remark()))?;
        }
        for note in &self.notes {
            writeln!(text, "- note: {}", code(note))?;
        }
        Ok(())
    }

    fn write_releases(&self, text: &mut String) -> std::fmt::Result {
        if let Some(serving) = &self.serving {
            // A release that was restored by hand has no rollout.
            let by = if serving.rollout.is_empty() { "restored by hand".to_owned() } else { code(&serving.rollout) };
            writeln!(text, "- serving: {} ({by})", numbered(&serving.release))?;
        }
        if let Some(ProductionRollout { rollout, rollback, .. }) = &self.rolling_out {
            let what = if rollback.is_some() { "rolling back to" } else { "rolling out" };
            writeln!(text, "- {what}: {}, waits for {}", numbered(&rollout.release), plain(&rollout.waiting_for))?;
            if let Some(why) = &rollout.not_observed {
                writeln!(text, "- not observed: {}", code(why))?;
            }
        }
        if let Some(queued) = &self.queued {
            writeln!(text, "- next: {}, waits for {}", numbered(&queued.release), plain(&queued.waits_for))?;
            self.write_plan(text, queued)?;
        }
        if let Some(failed) = &self.failed {
            writeln!(text, "- failed: {}: {}", numbered(&failed.release), code(&failed.verdict.headline()))?;
            if !failed.verdict.advice.is_empty() {
                writeln!(text, "- what to do: {}", failed.verdict.advice)?;
            }
        }
        if let Some(recovery) = &self.recovery {
            let RecoveryStatus { failed, to, tries, .. } = recovery;
            writeln!(text, "- rollback after release {failed}, to {}: {tries} tries have failed", numbered(to))?;
        }
        Ok(())
    }

    /// The plan of the release that is next, and the way to approve it.
    fn write_plan(&self, text: &mut String, queued: &QueuedStatus) -> std::fmt::Result {
        let Some(plan) = &queued.plan else { return Ok(()) };
        plan.write_markdown(text)?;
        if self.phase != Phase::AwaitingApproval {
            return Ok(());
        }
        let (number, id) = (queued.release.number.unwrap_or_default(), &plan.id);
        if queued.needs_proof {
            return writeln!(
                text,
                "- to approve it, with a proof: approve of berth hooks, from a job of GitHub Actions"
            );
        }
        let update = format!(r#"{{"release":{number},"plan":"{id}","by":"…"}}"#);
        let command = format!("berth production approve {} --release {number} --plan {id}", self.app);
        writeln!(text, "- to approve it: update {} with {}, or {}", code("approve"), code(&update), code(&command))
    }
}

impl State {
    /// The condition that the queued release waits for, to be read after "waits for".
    fn waits_for(&self, queued: &QueuedRelease) -> String {
        let number = |release: &Release| release.number.unwrap_or_default();
        if let Some(begun) = self.record.begun.as_ref().filter(|_| self.book.rolling_out.is_some()) {
            return format!("the rollout of release {}", number(&begun.version.release));
        }
        if let Some(frozen) = &self.record.frozen {
            return format!("unfreeze (frozen by {}: {})", frozen.by, frozen.reason);
        }
        if let Some(trouble) = &self.trouble {
            return trouble.message.clone();
        }
        match self.plan_in_force() {
            Some(planned) if planned.needs_approval && queued.approval.is_none() => {
                let proved = if planned.needs_proof { "proved " } else { "" };
                format!("{proved}approval of plan {}", planned.planned.plan.id)
            }
            _ => "its plan".to_owned(),
        }
    }
}

impl ReleasePlan {
    /// The plan as a list in Markdown. A flat one: temporal-ui runs the items of nested lists together.
    fn write_markdown(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "- plan {}: {} unchanged", code(&self.id), self.unchanged)?;
        for image in &self.images {
            let shown = |image: &Option<String>| image.as_deref().map_or_else(|| "none".to_owned(), short_image);
            writeln!(text, "- {}: {} → {}", code(&image.container), shown(&image.from), shown(&image.to))?;
        }
        for VariableChange { name, from, to } in &self.variables {
            let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), code);
            writeln!(text, "- variable {}: {} → {}", code(name), shown(from), shown(to))?;
        }
        for (what, names) in [
            ("created", &self.created),
            ("changed", &self.changed),
            ("removed", &self.removed),
            ("secrets changed", &self.changed_secrets),
            ("rolls with a gap", &self.gaps),
            ("a rollback cannot undo", &self.irreversible),
            ("not checked", &self.not_checked),
            ("note", &self.notes),
        ] {
            if !names.is_empty() {
                writeln!(text, "- {what}: {}", names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "))?;
            }
        }
        Ok(())
    }
}

/// The end of an image's name with its tag, and the first digits of its digest: enough to tell two releases apart.
fn short_image(image: &str) -> String {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let name = name.rsplit('/').next().unwrap_or(name);
    let digits: String = digest.trim_start_matches("sha256:").chars().take(DIGITS_OF_DIGEST).collect();
    if digits.is_empty() { code(name) } else { format!("{} {}", code(name), code(&digits)) }
}

fn numbered(version: &Release) -> String {
    match version.number {
        Some(number) => format!("release {number} {}", release(version)),
        None => release(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::plan::ImageChange;

    #[test]
    fn plan_is_a_flat_list_with_short_images() {
        let image = |tag: &str, digit: &str| {
            Some(format!("registry.example.com:5000/acme/web:{tag}@sha256:{}", digit.repeat(64)))
        };
        let images = vec![
            ImageChange {
                container: "Deployment/web, container web".into(),
                from: image("v1", "a"),
                to: image("v2", "b"),
            },
            ImageChange { container: "Job/seed, container seed".into(), from: None, to: Some("seed:1".into()) },
        ];
        let variables = vec![VariableChange { name: "FLAGS".into(), from: None, to: Some("a,b".into()) }];
        let plan = ReleasePlan { id: "0123".into(), images, variables, unchanged: 6, ..ReleasePlan::default() };
        let mut text = String::new();
        plan.write_markdown(&mut text).unwrap();
        assert_eq!(
            text,
            "- plan `0123`: 6 unchanged\n\
             - `Deployment/web, container web`: `web:v1` `aaaaaaaaaaaa` → `web:v2` `bbbbbbbbbbbb`\n\
             - `Job/seed, container seed`: none → `seed:1`\n\
             - variable `FLAGS`: none → `a,b`\n"
        );
    }
}

//! The status of a `Janitor` as Markdown, for temporal-ui.

use std::fmt::Write;

use temporalio_workflow::WorkflowContext;

use super::Janitor;
use crate::{
    contract::janitor::{JanitorDeed, JanitorInput, JanitorStatus},
    environment::markdown::code,
};

impl Janitor {
    /// Shows the last look in the workflow's current details.
    pub(super) fn show(ctx: &WorkflowContext<Self>, input: &JanitorInput) {
        ctx.set_current_details(ctx.state(|s| s.memory.to_status(&input.app)).to_markdown());
    }
}

impl JanitorStatus {
    /// The same as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### Janitor of {}: {} previews\n", self.app, self.environments);
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, text: &mut String) -> std::fmt::Result {
        if let Some(trouble) = &self.trouble {
            writeln!(text, "- not whole: {}", code(trouble))?;
        }
        for unseen in &self.unseen {
            writeln!(text, "- not seen: {}", code(unseen))?;
        }
        for (what, deeds) in [
            ("closed on GitHub, looked at again", &self.closing),
            ("closed", &self.closed),
            ("facts sent again", &self.sent),
        ] {
            if !deeds.is_empty() {
                let numbers: Vec<_> =
                    deeds.iter().map(|JanitorDeed { pull_request, .. }| format!("#{pull_request}")).collect();
                writeln!(text, "- {what}: {}", numbers.join(", "))?;
            }
        }
        for finding in &self.findings {
            writeln!(text, "- {}: {}", finding.kind.name().replace('_', " "), code(&finding.object))?;
        }
        Ok(())
    }
}

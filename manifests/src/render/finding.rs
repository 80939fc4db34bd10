//! Findings: messages to people about an app file or a manifest, with file, line and field.

use std::fmt;

use serde::Serialize;

use super::variables::EnvironmentKind;

/// The severity of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The object is left out, or changed by berth.
    Note,
    /// The object is applied as it is, but may be a mistake.
    Warning,
    /// The release is refused: none of its objects is applied.
    Error,
}

/// The subject of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The syntax and form of a file.
    Writing,
    /// The rules of the environment.
    Policy,
}

/// A message about one line of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The subject.
    pub subject: Subject,
    /// The file, relative to the apps folder; empty for a message about the findings themselves.
    pub file: String,
    /// The line, from 1; 0 if the finding is about the whole file or folder.
    pub line: usize,
    /// The column, from 1, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The field, for example `spec.template.spec.containers[0].image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The problem, and its fix.
    pub message: String,
    /// The only kind of environment that it is about, where an app has both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentKind>,
}

impl Finding {
    /// An error at a line of a file.
    pub fn error(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, file, line, message)
    }

    /// A warning at a line of a file.
    pub fn warning(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, file, line, message)
    }

    /// A note at a line of a file.
    pub fn note(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, file, line, message)
    }

    /// A finding of any severity.
    pub fn new(severity: Severity, file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        let message = shorten(message.into());
        let (subject, file) = (Subject::Writing, file.into());
        Self { severity, subject, file, line, column: None, field: None, message, environment: None }
    }

    /// Sets the column.
    pub fn column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    /// Sets the field.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(shorten(field.into())).filter(|field| !field.is_empty());
        self
    }

    /// Sets the subject to [`Subject::Policy`].
    pub fn about_policy(self) -> Self {
        Self { subject: Subject::Policy, ..self }
    }

    /// Sets the only kind of environment that it is about. A field of the app file names it already.
    pub fn only_in(self, kind: EnvironmentKind) -> Self {
        let names_kind = |field: &str| {
            field.strip_prefix(kind.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let is_named = self.field.as_deref().is_some_and(names_kind);
        Self { environment: (!is_named).then_some(kind), ..self }
    }

    /// Whether both are about one field at one place.
    fn is_at_field_of(&self, other: &Self) -> bool {
        self.field.is_some() && (&self.file, self.line, &self.field) == (&other.file, other.line, &other.field)
    }

    /// Whether the finding stops the release because of a rule of the environment.
    pub fn is_policy_error(&self) -> bool {
        self.is_error() && self.subject == Subject::Policy
    }

    /// Whether the finding stops the release.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The findings that are no consequence of an error: a field that is an error already breaks further rules.
pub fn without_consequences(mut findings: Vec<Finding>, causes: &[Finding]) -> Vec<Finding> {
    findings.retain(|found| !causes.iter().any(|cause| cause.is_error() && cause.is_at_field_of(found)));
    findings
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return f.write_str(&self.message);
        }
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        f.write_str(": ")?;
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Note => f.write_str("note: ")?,
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        match self.environment {
            None => Ok(()),
            Some(EnvironmentKind::Preview) => f.write_str(" (in previews)"),
            Some(EnvironmentKind::Production) => f.write_str(" (in production)"),
        }
    }
}

/// The most bytes of a message or field. Keys and values of a manifest can be as long as the file.
const MAX_TEXT: usize = 600;

fn shorten(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_is_printed_as_file_line_field_and_message() {
        let error = Finding::error("web/core/app.yaml", 12, "is not allowed").field("spec.type");
        assert_eq!(error.to_string(), "web/core/app.yaml:12: spec.type: is not allowed");
        let warning = Finding::warning("web.yaml", 3, "is odd").column(5);
        assert_eq!(warning.to_string(), "web.yaml:3:5: warning: is odd");
        assert!(Finding::error("web", 0, "ü".repeat(1_000_000)).message.len() < 610);
        assert_eq!(Finding::error("web", 0, "is empty").to_string(), "web: is empty");
    }

    #[test]
    fn finding_about_one_environment_ends_with_its_kind() {
        let text = |field: &str, kind| Finding::error("web.yaml", 1, "is odd").field(field).only_in(kind).to_string();
        assert_eq!(text("spec.type", EnvironmentKind::Preview), "web.yaml:1: spec.type: is odd (in previews)");
        assert_eq!(text("spec.type", EnvironmentKind::Production), "web.yaml:1: spec.type: is odd (in production)");
        assert_eq!(text("", EnvironmentKind::Production), "web.yaml:1: is odd (in production)");
        assert_eq!(text("production.host", EnvironmentKind::Production), "web.yaml:1: production.host: is odd");
        assert_eq!(text("production", EnvironmentKind::Production), "web.yaml:1: production: is odd");
        assert_eq!(text("previews", EnvironmentKind::Preview), "web.yaml:1: previews: is odd (in previews)");
    }
}

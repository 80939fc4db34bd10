//! What a person reads about a file that berth does not take as it is, and where in the file it is.

use std::fmt;

use serde::Serialize;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Understood and left out, or done by berth itself.
    Note,
    /// Applied as it is, but worth a look.
    Warning,
    /// Nothing of the release is applied.
    Error,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// How a file is written.
    Writing,
    /// What an environment allows.
    Policy,
}

/// One thing to say about one place in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// The file, relative to the apps folder; empty for a word about the findings themselves.
    pub file: String,
    /// The line, from 1; 0 where the finding is about the file or folder itself.
    pub line: usize,
    /// The column, from 1, where it helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The field, as `spec.template.spec.containers[0].image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Finding {
    /// An error about a place in a file.
    pub fn error(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, file, line, message)
    }

    /// A warning about a place in a file.
    pub fn warning(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, file, line, message)
    }

    /// A note about a place in a file.
    pub fn note(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, file, line, message)
    }

    /// A finding of any severity.
    pub fn new(severity: Severity, file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        let message = shorten(message.into());
        Self { severity, subject: Subject::Writing, file: file.into(), line, column: None, field: None, message }
    }

    /// Names the column.
    pub fn column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    /// Names the field.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(shorten(field.into())).filter(|field| !field.is_empty());
        self
    }

    /// Says that it is about what an environment allows.
    pub fn about_policy(self) -> Self {
        Self { subject: Subject::Policy, ..self }
    }

    /// Whether it stops the release because the environment does not allow it.
    pub fn is_policy_error(&self) -> bool {
        self.is_error() && self.subject == Subject::Policy
    }

    /// Whether it stops the release.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
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
        f.write_str(&self.message)
    }
}

/// What a person still reads. Keys and values of a manifest can be as long as the file.
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
    fn a_finding_reads_as_file_line_field_and_message() {
        let error = Finding::error("web/core/app.yaml", 12, "is not allowed").field("spec.type");
        assert_eq!(error.to_string(), "web/core/app.yaml:12: spec.type: is not allowed");
        let warning = Finding::warning("web.yaml", 3, "is odd").column(5);
        assert_eq!(warning.to_string(), "web.yaml:3:5: warning: is odd");
        assert!(Finding::error("web", 0, "ü".repeat(1_000_000)).message.len() < 610);
        assert_eq!(Finding::error("web", 0, "is empty").to_string(), "web: is empty");
    }
}

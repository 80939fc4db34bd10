//! A message for a person, of berth's own words and texts of others: an answer of a pod, a message of a server.

use std::fmt::Display;

use berth_workflows::contract::verdict::truncate;

use super::redactor::Redactor;

/// A message whose texts of others are not redacted yet. Not `Display`, so that nothing shows it by accident.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Own(String),
    Foreign {
        text: String,
        /// The most bytes to show. The text is cut after it is redacted.
        bytes: usize,
    },
}

impl Message {
    /// Adds words of berth's own.
    pub(crate) fn own(mut self, text: impl Display) -> Self {
        self.0.push(Part::Own(text.to_string()));
        self
    }

    /// Adds a text of somebody else, of which at most `bytes` are shown.
    pub(crate) fn foreign(mut self, text: impl Into<String>, bytes: usize) -> Self {
        self.0.push(Part::Foreign { text: text.into(), bytes });
        self
    }

    /// Adds another message.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns the message without the secrets that the redactor knows.
    pub(crate) async fn redacted(&self, redactor: &Redactor) -> String {
        let foreign = self.0.iter().filter_map(|part| match part {
            Part::Own(_) => None,
            Part::Foreign { text, .. } => Some(text.clone()),
        });
        let redacted = redactor.redact_all(foreign.collect()).await;
        let mut redacted = redacted.into_iter();
        self.shown(|_| redacted.next().unwrap_or_default())
    }

    /// Returns the message with this text in place of the first text of somebody else, and none of the others.
    pub(crate) fn without_foreign(&self, instead: &str) -> String {
        let mut instead = Some(instead);
        self.shown(|_| instead.take().unwrap_or_default().to_owned())
    }

    fn shown(&self, mut show: impl FnMut(&str) -> String) -> String {
        let each = self.0.iter().map(|part| match part {
            Part::Own(text) => text.clone(),
            Part::Foreign { text, bytes } => {
                let mut text = show(text);
                truncate(&mut text, *bytes);
                text
            }
        });
        each.collect()
    }
}

impl<T: Into<String>> From<T> for Message {
    /// A message of berth's own words.
    fn from(text: T) -> Self {
        Self::default().own(text.into())
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown(|text| format!("({} bytes)", text.len())))
    }
}

#[cfg(test)]
impl Message {
    /// The message as it is before redaction.
    pub(crate) fn unredacted(&self) -> String {
        self.shown(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn foreign_text_is_redacted_before_it_is_cut() {
        let redactor = Redactor::new([b"correct-horse".as_slice()]);
        for before in 0..20 {
            let answer = format!("{}correct-horse and more", "x".repeat(before));
            let message = Message::from("answered 500: ").foreign(answer, 12).own(", for 10 s");
            let shown = message.redacted(&redactor).await;
            assert!(shown.starts_with("answered 500: ") && shown.ends_with(", for 10 s"), "{shown}");
            assert!(!shown.contains("corr"), "{shown}");
        }
    }

    #[tokio::test]
    async fn words_of_berths_own_stay() {
        let redactor = Redactor::new([b"answered".as_slice()]);
        let message = Message::from("it answered ").foreign("answered", 100);
        assert_eq!(message.redacted(&redactor).await, "it answered ***");
        let message = message.own(" and ").foreign("more", 100).join(Message::from("."));
        assert_eq!(message.without_foreign("(omitted)"), "it answered (omitted) and .");
    }
}

//! The differences from the cluster, as text for people and as an object for scripts.

use std::io::stdout;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use berth_activities::release::apply_release::Comparison;
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use crate::{envelope::Envelope, exit::Exit};

/// What an apply would do to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Created,
    Changed,
    Unchanged,
    Refused,
}

/// An object that an apply would change, or could not.
#[derive(Debug, Serialize)]
struct Difference {
    name: String,
    change: Change,
    /// A unified diff.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    /// The refusal, or the reason why the API server did not check the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Differences {
    objects: Vec<Difference>,
}

/// The answer: `same`, `differs`, or `refused` where the API server takes an object not at all.
pub(super) fn envelope(comparisons: &[Comparison]) -> anyhow::Result<Envelope> {
    let objects = comparisons.iter().map(difference).collect::<anyhow::Result<Vec<_>>>()?;
    let count = |change| objects.iter().filter(|object| object.change == change).count();
    let refused: Vec<_> = objects.iter().filter(|object| object.change == Change::Refused).collect();
    let unchanged = count(Change::Unchanged);
    let envelope = if !refused.is_empty() {
        let why: Vec<_> = refused.iter().filter_map(|object| object.note.clone()).collect();
        Envelope::new("refused", Exit::Failed).complain(why.join("\n"))
    } else if unchanged == objects.len() {
        Envelope::new("same", Exit::Done)
    } else {
        Envelope::new("differs", Exit::Done)
    };
    let (created, changed) = (count(Change::Created), count(Change::Changed));
    let summary = format!("{created} created, {changed} changed, {unchanged} unchanged, {} refused\n", refused.len());
    let in_colours = AutoStream::choice(&stdout()) != ColorChoice::Never;
    let text: String = objects.iter().map(|object| coloured(&object.text, in_colours)).collect();
    let notes = objects.iter().filter(|object| object.change != Change::Refused);
    notes.filter_map(|object| object.note.as_ref()).for_each(|note| eprintln!("{note}"));
    let envelope = envelope.with_text(|out| {
        out.push_str(&text);
        out.push_str(&summary);
        Ok(())
    });
    envelope.with_data(&Differences { objects })
}

fn difference(comparison: &Comparison) -> anyhow::Result<Difference> {
    let Comparison { name, before, after, note } = comparison;
    let change = match (before, after) {
        (_, None) => Change::Refused,
        (None, Some(_)) => Change::Created,
        (Some(before), Some(after)) if before == after => Change::Unchanged,
        _ => Change::Changed,
    };
    let yaml = |object: &Option<Value>| object.as_ref().map_or(Ok(String::new()), super::yaml);
    let text = if matches!(change, Change::Created | Change::Changed) {
        let (before, after) = (yaml(before)?, yaml(after)?);
        let diff = TextDiff::from_lines(&before, &after);
        diff.unified_diff().header(&format!("{name} now"), &format!("{name} applied")).to_string()
    } else {
        String::new()
    };
    Ok(Difference { name: name.clone(), change, text, note: note.clone() })
}

/// A unified diff in the colours that git uses.
fn coloured(text: &str, in_colours: bool) -> String {
    if !in_colours {
        return text.to_owned();
    }
    text.lines()
        .map(|line| {
            let style = match line.as_bytes() {
                [b'+', b'+', ..] | [b'-', b'-', ..] => Style::new().bold(),
                [b'+', ..] => AnsiColor::Green.on_default(),
                [b'-', ..] => AnsiColor::Red.on_default(),
                [b'@', ..] => AnsiColor::Cyan.on_default(),
                _ => Style::new(),
            };
            format!("{style}{line}{style:#}\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison(before: Option<Value>, after: Option<Value>) -> Comparison {
        let note = after.is_none().then(|| "spec.replicas: must not be negative".to_owned());
        Comparison { name: "ConfigMap/web".to_owned(), before, after, note }
    }

    #[test]
    fn created_changed_unchanged_and_refused_are_told_apart() {
        let (one, two) = (Some(json!({"data": {"a": "1"}})), Some(json!({"data": {"a": "2"}})));
        for (before, after, change, outcome, exit) in [
            (None, one.clone(), Change::Created, "differs", 0),
            (one.clone(), two, Change::Changed, "differs", 0),
            (one.clone(), one.clone(), Change::Unchanged, "same", 0),
            (one, None, Change::Refused, "refused", 1),
        ] {
            let comparison = comparison(before, after);
            assert_eq!(difference(&comparison).unwrap().change, change);
            let envelope = envelope(&[comparison]).unwrap();
            assert_eq!((envelope.outcome.as_str(), envelope.exit_code), (outcome, exit));
        }
    }

    #[test]
    fn changed_lines_are_coloured_only_on_a_terminal() {
        let text = difference(&comparison(Some(json!({"a": 1})), Some(json!({"a": 2})))).unwrap().text;
        assert!(text.contains("-a: 1\n+a: 2\n"), "{text}");
        assert_eq!(coloured(&text, false), text);
        assert!(coloured(&text, true).contains("\u{1b}[32m+a: 2\u{1b}[0m"));
    }
}

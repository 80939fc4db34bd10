//! Facts about a pull request, as GitHub reports them: a state at a time, never a change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contract::{
    lenient::Input,
    release::{Commit, Name},
    verdict::truncate,
};

/// GitHub's bound on the labels of a pull request.
const MAX_LABELS: usize = 100;
/// GitHub's bound on the name of a label.
const MAX_LABEL_CHARS: usize = 50;
/// The length of a Git hash as GitHub reports it.
const HEAD_DIGITS: usize = 40;
/// How far, in seconds, facts may be ahead of Temporal's clock.
const AHEAD_SECONDS: u64 = 600;
/// How many unknown fields a note names.
const MAX_IGNORED: usize = 5;

/// Signal `pull_request`: the state of a pull request at a time. Anybody may send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullRequestFacts {
    /// The newest commit of the pull request, all 40 digits.
    pub head: Commit,
    pub state: PullRequestState,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// Whether the commits come from another repository.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fork: bool,
    /// At most 100 labels of at most 50 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_LABELS), inner(length(max = MAX_LABEL_CHARS)))]
    pub labels: Vec<String>,
    /// Whether the conversation is locked, so that nobody can comment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Name>,
    pub updated_at: Timestamp,
    /// Whether GitHub was asked for it. Of two facts of one second, one that was asked for counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// Fields that this version of berth does not know.
    #[serde(skip)]
    pub ignored: Vec<String>,
}

/// The state of a pull request. A merged one is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PullRequestState {
    Open,
    Closed,
}

/// A time in UTC as GitHub writes it: `2026-11-28T07:15:00Z`. Two of them compare as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"))]
pub struct Timestamp(String);

impl Timestamp {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unix time in seconds. None: there is no such day or time.
    pub fn unix_seconds(&self) -> Option<u64> {
        let number = |from: usize, digits: usize| self.0.get(from..from + digits)?.parse::<u64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        let is_time = hour < 24 && minute < 60 && second <= 60;
        let days = days_since_epoch(year, month, day).filter(|_| is_time)?;
        Some(((days * 24 + hour) * 60 + minute) * 60 + second)
    }
}

/// The days from 1970-01-01 to a day of the Gregorian calendar, or None if there is no such day.
///
/// A library of dates would bring a clock, which must not compile in this crate.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month).ok()?.checked_sub(1)?)?;
    let length = *lengths.get(before.len())?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let of_years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    Some(of_years + before.iter().sum::<u64>() + day - 1)
}

impl TryFrom<String> for Timestamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
        let fits = |(is, shape): (u8, &u8)| if *shape == b'0' { is.is_ascii_digit() } else { is == *shape };
        let start: String = text.chars().take(40).collect();
        if text.len() == SHAPE.len() && text.bytes().zip(SHAPE).all(fits) {
            let time = Self(text);
            if time.unix_seconds().is_some() {
                return Ok(time);
            }
        }
        Err(format!("updated_at must be a time in UTC such as 2026-11-28T07:15:00Z, got {start:?}"))
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl PullRequestFacts {
    /// Whether the pull request has that label. GitHub does not tell labels apart by case.
    pub fn has_label(&self, label: &str) -> bool {
        self.labels.iter().any(|has| has.to_lowercase() == label.to_lowercase())
    }

    /// Whether the pull request is closed.
    pub fn is_closed(&self) -> bool {
        self.state == PullRequestState::Closed
    }

    /// Checks that the facts are not of a time to come: nothing later would count before that time. `now_ms` is unix time in
    /// milliseconds.
    ///
    /// # Errors
    /// They are of more than ten minutes ahead, which no clock of two servers differs by.
    pub fn check_time(&self, now_ms: u64) -> Result<(), String> {
        match self.updated_at.unix_seconds() {
            Some(seconds) if seconds <= now_ms / 1000 + AHEAD_SECONDS => Ok(()),
            _ => Err(format!("its facts are of {}, which is still to come", self.updated_at.as_str())),
        }
    }

    /// Whether a commit, which may be abbreviated, is the head.
    pub fn is_head(&self, commit: &Commit) -> bool {
        self.head.matches(commit.as_str())
    }

    fn check(&self) -> Result<(), String> {
        let digits = self.head.as_str().len();
        if digits != HEAD_DIGITS {
            return Err(format!("head must be {HEAD_DIGITS} hexadecimal digits, got {digits}"));
        }
        if self.labels.len() > MAX_LABELS {
            return Err(format!("labels has {} entries, the limit is {MAX_LABELS}", self.labels.len()));
        }
        if self.labels.iter().any(|label| label.chars().count() > MAX_LABEL_CHARS) {
            return Err(format!("a label is longer than {MAX_LABEL_CHARS} characters"));
        }
        Ok(())
    }
}

impl Input for PullRequestFacts {
    const EXAMPLE: &'static str = concat!(
        r#"{"head":"4f2a9c14f2a9c14f2a9c14f2a9c14f2a9c14f2a9","state":"open","#,
        r#""updated_at":"2026-11-28T07:15:00Z"}"#
    );

    /// A hundred labels of characters of four bytes are more than other inputs may have.
    const MAX_BYTES: usize = 32 * 1024;

    /// A field that is not known is ignored and named: a close that is refused would leave an environment behind.
    fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut fields: Map<String, Value> = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let unknown: Vec<String> = fields.keys().filter(|name| !KNOWN.contains(&name.as_str())).cloned().collect();
        unknown.iter().for_each(|name| drop(fields.remove(name)));
        let mut facts: Self = serde_json::from_value(Value::Object(fields)).map_err(|e| e.to_string())?;
        facts.check()?;
        facts.ignored = unknown.into_iter().take(MAX_IGNORED).map(named).collect();
        Ok(facts)
    }
}

/// The fields of the facts.
const KNOWN: [&str; 9] = ["head", "state", "draft", "fork", "labels", "locked", "author", "updated_at", "asked"];

/// The name of a field from outside, safe to show.
fn named(mut field: String) -> String {
    field.retain(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    truncate(&mut field, 40);
    field
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<PullRequestFacts, String> {
        let mut facts: Value = serde_json::from_str(PullRequestFacts::EXAMPLE).unwrap();
        change(&mut facts);
        PullRequestFacts::from_json(&serde_json::to_vec(&facts).unwrap())
    }

    #[test]
    fn unknown_field_is_ignored_and_named() {
        let facts = read(|facts| {
            facts["merged\u{1b}[2J"] = json!(true);
            facts["labels"] = json!(["Preview"]);
        });
        let facts = facts.unwrap();
        assert_eq!(facts.ignored, ["merged2J"]);
        assert!(facts.has_label("preview") && !facts.has_label("no-preview"));
    }

    #[test]
    fn facts_outside_their_bounds_are_refused() {
        for (field, value, why) in [
            ("head", json!("4f2a9c1"), "head must be 40 hexadecimal digits, got 7"),
            ("head", json!("x".repeat(40)), "commit must be"),
            ("state", json!("merged"), "unknown variant"),
            ("labels", json!(vec!["x"; 101]), "labels has 101 entries, the limit is 100"),
            ("labels", json!(["é".repeat(51)]), "longer than 50 characters"),
            ("author", json!("octo\ncat"), "control characters"),
            ("updated_at", json!("2026-11-28 07:15:00"), "a time in UTC such as"),
            ("updated_at", json!("2026-11-28T07:15:00+00:00"), "a time in UTC such as"),
        ] {
            let refused = read(|facts| facts[field] = value.clone()).unwrap_err();
            assert!(refused.contains(why), "{field} {value}: {refused}");
        }
    }

    #[test]
    fn facts_with_the_longest_labels_are_taken() {
        let longest = read(|facts| facts["labels"] = json!(vec!["𝕏".repeat(50); 100]));
        let bytes = serde_json::to_vec(&longest.unwrap()).unwrap().len();
        assert!(bytes < PullRequestFacts::MAX_BYTES, "{bytes} bytes");
    }

    #[test]
    fn abbreviated_commit_is_the_head() {
        let facts = read(|_| {}).unwrap();
        let commit = |text: &str| Commit::try_from(text.to_owned()).unwrap();
        assert!(facts.is_head(&commit("4F2A9C1")) && facts.is_head(&facts.head));
        assert!(!facts.is_head(&commit("4f2a9c2")));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59Z", Some(951_868_799)),
            ("2026-11-28T07:15:00Z", Some(1_795_850_100)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2026-02-29T00:00:00Z", None),
            ("9999-99-99T99:99:99Z", None),
            ("2026-00-10T00:00:00Z", None),
        ] {
            let time = Timestamp::try_from(text.to_owned());
            assert_eq!(time.ok().and_then(|time| time.unix_seconds()), seconds, "{text}");
        }
    }

    #[test]
    fn facts_of_a_time_to_come_are_refused() {
        let facts = read(|_| {}).unwrap();
        let at_ms = facts.updated_at.unix_seconds().unwrap() * 1000;
        assert_eq!(facts.check_time(at_ms - 600_000), Ok(()));
        assert!(facts.check_time(at_ms - 601_000).unwrap_err().contains("still to come"));
    }
}

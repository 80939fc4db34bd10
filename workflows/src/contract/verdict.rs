//! Failure types, and the verdict that explains a failure to a person.

use serde::{Deserialize, Serialize};

/// The type of a failure. The names are stable: they are the types of Temporal failures and the values of the search
/// attribute `BerthFailure`, and alerts match on them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum FailureType {
    InvalidInput,
    UnknownApp,
    ImageNotAllowed,
    ManifestInvalid,
    PolicyDenied,
    AdmissionDenied,
    FieldImmutable,
    SecretsDenied,
    SecretsUnavailable,
    DatabaseUnavailable,
    KubernetesDenied,
    ImageUnavailable,
    CrashLoop,
    OutOfMemory,
    InitFailed,
    JobFailed,
    ConfigMissing,
    QuotaExceeded,
    NoCapacity,
    NotReady,
    GateFailed,
    /// A newer rollout has already written to the environment.
    Overtaken,
    /// Nothing could be seen of the release: no worker, no API server, no rights.
    NotObserved,
    TeardownBlocked,
    /// GitHub refuses, and a person must act: a permission, the installation, a locked conversation.
    GithubDenied,
    /// GitHub does not answer, or asks for a pause.
    GithubUnavailable,
    /// A type that only a newer version of berth knows. None has it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl FailureType {
    /// The stable name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it is a refusal of the release itself, before or at its apply.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::ManifestInvalid
                | Self::PolicyDenied
                | Self::AdmissionDenied
                | Self::FieldImmutable
                | Self::ImageNotAllowed
                | Self::QuotaExceeded
        )
    }

    /// The failure type of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// The reason for a failure, written so that the commit's author can act on it. At most 8 KiB as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    pub failure: FailureType,
    /// The system's own message, or berth's if the system has none. It never contains a secret's value.
    pub message: String,
    /// The workload at fault, if it is a single one: `Deployment/web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The last log lines of the container that died, oldest first, with secret values redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
    /// The warning events about it, newest first, at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The recommended action, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// Objects that a refused or overtaken release has changed and that are not put back: what serves is a mix of releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixed: Vec<String>,
    /// The deploy id that an object carries already, if the failure is `Overtaken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_deploy_id: Option<u64>,
    /// Whether an earlier attempt of the same apply was cut off. It may have written objects of a release that is refused now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
    /// Unix time in milliseconds since which nothing was seen, if the failure is `NotObserved` and it is known. Only for the
    /// workflow that looks again.
    #[serde(skip)]
    pub unseen_since_ms: Option<u64>,
}

impl Verdict {
    /// Bound on a verdict as JSON: it is part of results, statuses and pull request comments.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Bound on a line of the log. A line of JSON with a stack trace has two kilobytes and more.
    const MAX_LINE_BYTES: usize = 2048;

    /// Bound on the names in [`Verdict::mixed`].
    pub const MAX_MIXED: usize = 20;

    /// A verdict with only its type and message.
    pub fn new(failure: FailureType, message: impl Into<String>) -> Self {
        Self {
            failure,
            message: message.into(),
            workload: None,
            container: None,
            exit_code: None,
            log_tail: Vec::new(),
            events: Vec::new(),
            advice: String::new(),
            mixed: Vec::new(),
            met_deploy_id: None,
            retried: false,
            unseen_since_ms: None,
        }
        .bounded()
    }

    /// Adds the recommended action.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self.bounded()
    }

    /// The line that a person reads first: type, workload, container and message.
    pub fn headline(&self) -> String {
        let location = match (&self.workload, &self.container) {
            (Some(workload), Some(container)) => format!("{workload}, container {container}: "),
            (Some(workload), None) => format!("{workload}: "),
            _ => String::new(),
        };
        format!("{}: {location}{}", self.failure, self.message)
    }

    /// The same verdict within [`Verdict::MAX_BYTES`]: long texts are cut, then the oldest log lines are dropped. The newest line
    /// stays: it may be the crash itself.
    pub fn bounded(mut self) -> Self {
        truncate(&mut self.message, 2048);
        truncate(&mut self.advice, 512);
        self.events.truncate(5);
        self.events.iter_mut().for_each(|event| truncate(event, 256));
        self.mixed.truncate(Self::MAX_MIXED);
        self.log_tail.iter_mut().for_each(|line| truncate_middle(line, Self::MAX_LINE_BYTES));
        while self.json_bytes() > Self::MAX_BYTES {
            match self.log_tail.as_mut_slice() {
                [] => break,
                // A line of control characters takes six bytes for each.
                [last] if last.len() > 512 => truncate_middle(last, 512),
                _ => _ = self.log_tail.remove(0),
            }
        }
        self
    }

    /// A shorter verdict, without log and events, to carry from run to run.
    pub fn short(&self) -> Self {
        let mut short = Self { log_tail: Vec::new(), events: Vec::new(), ..self.clone() };
        truncate(&mut short.message, 300);
        truncate(&mut short.advice, 160);
        short
    }

    fn json_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }
}

/// Cuts a text at a character boundary to at most `max` bytes, and marks the cut with an ellipsis.
pub fn truncate(text: &mut String, max: usize) {
    const MARK: &str = "…";
    if text.len() <= max {
        return;
    }
    let mut end = max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(MARK);
}

/// Cuts the middle out of a text, at character boundaries, and marks the cut with an ellipsis: at most `max` bytes are left. A
/// line of a log begins with its kind, and ends with the error.
fn truncate_middle(text: &mut String, max: usize) {
    if text.len() <= max {
        return;
    }
    let half = max / 2;
    let tail = (text.len() - half.saturating_sub(1)..text.len()).find(|at| text.is_char_boundary(*at));
    let tail = text.split_off(tail.unwrap_or(text.len()));
    truncate(text, half);
    text.push_str(&tail);
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn every_failure_type_round_trips_through_its_name() {
        for &failure in FailureType::VARIANTS {
            assert_eq!(failure.to_string(), failure.name());
            assert_eq!(FailureType::from_name(failure.name()), Some(failure));
            assert_eq!(serde_json::to_value(failure).unwrap(), failure.name());
        }
    }

    #[test]
    fn bounded_keeps_the_newest_log_lines_of_a_flood() {
        let mut verdict = Verdict::new(FailureType::CrashLoop, "x".repeat(100_000));
        verdict.log_tail = (0..1000).map(|n| format!("{n} {}", "é".repeat(400))).collect();
        verdict.events = vec!["e".repeat(1000); 50];
        verdict.mixed = vec!["Deployment/".to_owned() + &"m".repeat(63); 500];
        let verdict = verdict.bounded();
        assert!(serde_json::to_vec(&verdict).unwrap().len() <= Verdict::MAX_BYTES);
        assert!(verdict.log_tail.last().unwrap().starts_with("999 "));
        assert_eq!(verdict.events.len(), 5);
    }

    #[test]
    fn bounded_keeps_both_ends_of_a_long_line() {
        let mut verdict = Verdict::new(FailureType::CrashLoop, "it ends");
        verdict.log_tail =
            vec!["old".repeat(1000), format!("{{\"level\": \"error\", {}\"the crash\"}}", "é".repeat(5000))];
        let last = verdict.bounded().log_tail.pop().unwrap();
        assert!(last.starts_with("{\"level\": \"error\"") && last.ends_with("\"the crash\"}"), "{last}");
        assert!(last.contains('…') && (1900..=2048).contains(&last.len()), "{}", last.len());
        let mut verdict = Verdict::new(FailureType::CrashLoop, "m".repeat(3000)).advise("a".repeat(600));
        verdict.log_tail = vec!["\u{1}".repeat(5000)];
        assert_eq!(verdict.bounded().log_tail.len(), 1);
    }

    #[test]
    fn headline_names_type_workload_container_and_message() {
        let mut verdict = Verdict::new(FailureType::ImageUnavailable, "not found");
        verdict.workload = Some("Deployment/web".into());
        verdict.container = Some("web".into());
        assert_eq!(verdict.headline(), "ImageUnavailable: Deployment/web, container web: not found");
    }
}

//! Refusals of a release: several become one verdict.

use berth_workflows::contract::verdict::{FailureType, Verdict, truncate};

use crate::failure::{Failure, advice::advice};

/// The bytes of a verdict's message that refusals may take. The rest is for what became of the release.
const MESSAGE_BYTES: usize = 1700;

/// The reason why an apply ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// The release was refused, for at least one reason.
    Refused(Vec<Verdict>),
    /// The apply can be repeated, or was overtaken.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Sorts the failures of objects that were applied at once. An overtaken apply stops without another write. A refusal
/// comes before a failure that may pass: a repetition would meet it again.
///
/// An exhausted quota is a refusal while another release serves. In a new environment it may be a quota without a status.
pub(super) fn halt(failures: Vec<Failure>, serves: bool) -> Option<Halt> {
    let mut refusals = Vec::new();
    let mut other = None;
    for failure in failures {
        match failure {
            Failure::Permanent(verdict) if verdict.failure == FailureType::Overtaken => {
                return Some(Halt::Failed(Failure::Permanent(verdict)));
            }
            Failure::Permanent(verdict) => refusals.push(*verdict),
            Failure::Transient { failure: failure @ FailureType::QuotaExceeded, message, .. } if serves => {
                refusals.push(Verdict::new(failure, message).advise(advice(failure)));
            }
            failure => other = other.or(Some(failure)),
        }
    }
    if refusals.is_empty() { other.map(Halt::Failed) } else { Some(Halt::Refused(refusals)) }
}

/// Returns one verdict for refusals. Its type and advice are the first one's.
pub(super) fn combine(refusals: Vec<Verdict>) -> Verdict {
    let count = refusals.len().max(1);
    let mut refusals = refusals.into_iter();
    let mut verdict = refusals.next().unwrap_or_else(|| Verdict::new(FailureType::ManifestInvalid, "refused"));
    let share = MESSAGE_BYTES / count.min(8);
    truncate(&mut verdict.message, share);
    if count > 1 {
        // It is no longer about a single workload.
        verdict.workload = None;
    }
    for mut other in refusals.by_ref().take(7) {
        truncate(&mut other.message, share);
        verdict.message = format!("{}\n{}", verdict.message, other.message);
    }
    match refusals.count() {
        0 => {}
        left => verdict.message = format!("{}\nand {left} more", verdict.message),
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Verdict {
        Verdict::new(FailureType::FieldImmutable, format!("applying {name}: {}", "x".repeat(3000))).advise("rename it")
    }

    #[test]
    fn all_refusals_are_named_however_long_they_are() {
        let names: Vec<String> = (0..7).map(|n| format!("Job/{n}")).collect();
        let verdict = combine(names.iter().map(|name| refused(name)).collect());
        assert!(names.iter().all(|name| verdict.message.contains(name)), "{}", verdict.message);
        assert!(verdict.message.len() < 2048 && verdict.advice == "rename it", "{}", verdict.message.len());
        let many = combine((0..50).map(|n| refused(&format!("Job/{n}"))).collect());
        assert!(many.message.ends_with("and 42 more") && many.message.len() < 2048, "{}", many.message);
    }

    #[test]
    fn an_overtaken_apply_and_a_refusal_come_before_other_failures() {
        let overtaken = || Failure::permanent(FailureType::Overtaken, "newer");
        let refusal = || Failure::permanent(FailureType::FieldImmutable, "no");
        let passing = || Failure::transient(FailureType::KubernetesDenied, "later");
        let quota = || Failure::transient(FailureType::QuotaExceeded, "full");
        assert!(matches!(
            halt(vec![refusal(), passing(), overtaken()], true),
            Some(Halt::Failed(Failure::Permanent(_)))
        ));
        assert!(matches!(halt(vec![passing(), refusal()], true), Some(Halt::Refused(all)) if all.len() == 1));
        assert!(matches!(halt(vec![quota(), passing()], true), Some(Halt::Refused(all)) if all.len() == 1));
        assert!(matches!(halt(vec![quota()], false), Some(Halt::Failed(Failure::Transient { .. }))));
        assert!(halt(Vec::new(), true).is_none());
    }
}

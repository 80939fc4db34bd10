//! The check that a release has begun in the record, before it is applied.

use berth_workflows::contract::{
    apply::ApplyStoredInput,
    production_record::{ProductionRecord, RecallInput, StoredVersion},
    verdict::{FailureType, Verdict},
};

use super::recall_production;
use crate::{context::Context, failure::Failure};

/// Checks that the record of production names a stored release as the one that has begun. It only reads.
///
/// The fence of deploy ids follows the clock. It does not hold off a workflow that was reset to an event before the newest
/// release: that one begins an old release with a new id.
///
/// # Errors
/// `Overtaken`, permanent, if the record names another release or none, or a restore by hand. As [`recall_production()`].
pub(crate) async fn check_begun(context: Context<'_>, apply: &ApplyStoredInput) -> Result<(), Failure> {
    let recall = RecallInput { environment: apply.deploy.environment.clone() };
    let record = recall_production(context, &recall).await?.record.unwrap_or_default();
    if has_begun(&record, &apply.stored_release) {
        return Ok(());
    }
    let message =
        format!("the record of production does not name {} as the release that has begun", apply.stored_release);
    let verdict = Verdict::new(FailureType::Overtaken, message);
    Err(verdict.advise("nothing was written; berth production status shows the release that serves").into())
}

fn has_begun(record: &ProductionRecord, stored_release: &str) -> bool {
    let is_it = |version: &StoredVersion| version.stored_release == stored_release;
    record.restored.is_none() && record.begun.as_ref().is_some_and(|begun| is_it(&begun.version))
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::production_record::{BegunRollout, Restored};

    use super::*;
    use crate::production::tests::{release, secrets};

    fn version_of(stored_release: &str) -> StoredVersion {
        let secrets = secrets("web-secrets-1");
        StoredVersion { release: release(7, '7'), stored_release: stored_release.to_owned(), secrets }
    }

    #[test]
    fn only_the_release_of_the_record_has_begun() {
        let version = version_of("berth-release-7");
        let begun =
            BegunRollout { version: version.clone(), rollback: None, approved_by: None, is_approval_proved: false };
        let record = ProductionRecord {
            begun: Some(begun),
            live: Some(version_of("berth-release-6")),
            ..ProductionRecord::default()
        };
        assert!(has_begun(&record, "berth-release-7"));
        assert!(!has_begun(&record, "berth-release-6"), "it serves");
        let by = "ops".to_owned().try_into().unwrap();
        let restored = ProductionRecord { restored: Some(Restored { version, by, at_ms: 1 }), ..record.clone() };
        assert!(!has_begun(&restored, "berth-release-7"), "a restore has taken its place");
        assert!(!has_begun(&ProductionRecord { begun: None, ..record }, "berth-release-7"));
    }
}

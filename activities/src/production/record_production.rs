//! The activity `record_production`.

use std::collections::BTreeMap;

use berth_workflows::contract::{
    environment::Environment,
    production_record::{Deed, RecordInput, Recorded, ReleaseMark},
};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::record;
use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Writes the record, and notes facts on stored releases.
///
/// Idempotent: a record that is written already is not written again, and facts are the same on every attempt.
///
/// # Errors
/// As for [`super::recall_production()`].
pub async fn record_production(context: Context<'_>, input: &RecordInput) -> Result<Recorded, Failure> {
    let RecordInput { environment, record: wanted, version, marks } = input;
    let owner = labels::owner_labels(environment, &context.settings.installation);
    let api = record::api(context.client, environment);
    let map = record::build(wanted, owner.clone(), version.as_deref())?;
    let recorded = match record::write(&api, &map).await {
        Ok(written) => Recorded::Written { version: written.resource_version().unwrap_or_default() },
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
            let theirs = record::read(&api, &owner).await?;
            // An earlier attempt may have written it.
            match (&theirs.record, &theirs.version) {
                (Some(found), Some(version)) if found == wanted => Recorded::Written { version: version.clone() },
                _ => Recorded::Conflict(Box::new(theirs)),
            }
        }
        Err(e) => return Err(Failure::kubernetes(format!("writing ConfigMap/{}", record::NAME), e)),
    };
    if matches!(recorded, Recorded::Written { .. }) {
        for mark in marks {
            note(context.client, environment, mark).await?;
        }
    }
    Ok(recorded)
}

/// Notes facts on a stored release, as annotations. A release that is not stored any more has nothing to note.
async fn note(client: &Client, environment: &Environment, mark: &ReleaseMark) -> Result<(), Failure> {
    let annotations = annotations(mark);
    if annotations.is_empty() {
        return Ok(());
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match secrets.patch_metadata(&mark.stored_release, &params, &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(e) => Err(Failure::kubernetes(format!("noting facts on Secret/{}", mark.stored_release), e)),
    }
}

fn annotations(mark: &ReleaseMark) -> BTreeMap<&'static str, String> {
    let time = |ms: u64| {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        // Always three digits: these texts are compared with each other.
        Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
    };
    let mut annotations = BTreeMap::new();
    for (deed, by_key, at_key) in [
        (&mark.released, labels::RELEASED_BY, labels::RELEASED_AT),
        (&mark.approved, labels::APPROVED_BY, labels::APPROVED_AT),
        (&mark.rolled_back, labels::ROLLED_BACK_BY, labels::ROLLED_BACK_AT),
    ] {
        if let Some(Deed { by, at_ms }) = deed {
            annotations.insert(by_key, by.clone());
            annotations.insert(at_key, time(*at_ms));
        }
    }
    annotations.extend(mark.proven_ms.map(|ms| (labels::PROVEN_AT, time(ms))));
    annotations.extend(mark.failed_ms.map(|ms| (labels::FAILED_AT, time(ms))));
    annotations
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::production_record::{ProductionRecord, RecallInput, Recalled};

    use super::*;
    use crate::{
        context::TestContext, examples::environment, fake_api_server::FakeApiServer, production::recall_production,
    };

    fn input(release: u64, version: Option<&str>) -> RecordInput {
        let record = ProductionRecord { release, ..ProductionRecord::default() };
        let marks = vec![ReleaseMark {
            stored_release: "berth-release-1".into(),
            proven_ms: Some(1_795_510_800_000),
            released: Some(Deed { by: "octocat".into(), at_ms: 0 }),
            ..ReleaseMark::default()
        }];
        RecordInput { environment: environment(), record, version: version.map(str::to_owned), marks }
    }

    async fn recall(test: &TestContext) -> Recalled {
        recall_production(test.context(), &RecallInput { environment: environment() }).await.unwrap()
    }

    #[tokio::test]
    async fn a_record_is_written_once_and_read_back() {
        let cluster = FakeApiServer::default();
        let test = TestContext::new(cluster.client());
        assert_eq!(recall(&test).await, Recalled::default());
        let first = record_production(test.context(), &input(1, None)).await.unwrap();
        let read = recall(&test).await;
        assert_eq!(first, Recorded::Written { version: read.version.clone().unwrap() });
        assert_eq!(read.record.unwrap().release, 1);
        // A second attempt finds its own write.
        assert_eq!(record_production(test.context(), &input(1, None)).await.unwrap(), first);
        let next = input(2, read.version.as_deref());
        assert!(matches!(record_production(test.context(), &next).await.unwrap(), Recorded::Written { .. }));
        assert_eq!(recall(&test).await.record.unwrap().release, 2);
    }

    #[tokio::test]
    async fn a_record_that_somebody_else_wrote_is_returned() {
        let cluster = FakeApiServer::default();
        let test = TestContext::new(cluster.client());
        record_production(test.context(), &input(7, None)).await.unwrap();
        for version in [None, Some("1-stale")] {
            let recorded = record_production(test.context(), &input(8, version)).await.unwrap();
            let Recorded::Conflict(theirs) = recorded else { panic!("{recorded:?}") };
            assert_eq!(theirs.record.unwrap().release, 7);
        }
    }

    #[tokio::test]
    async fn a_record_of_a_newer_berth_is_neither_read_nor_written() {
        const MAP: &str = "/api/v1/namespaces/pr-1/configmaps/berth-production";
        let cluster = FakeApiServer::default();
        let test = TestContext::new(cluster.client());
        record_production(test.context(), &input(7, None)).await.unwrap();
        let mut map = cluster.get(MAP).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(map["data"]["record"].as_str().unwrap()).unwrap();
        record["canary"] = json!({"share": 5});
        map["data"]["record"] = json!(record.to_string());
        cluster.put("/api/v1/namespaces/pr-1/configmaps", &map);

        let recalled = recall_production(test.context(), &RecallInput { environment: environment() }).await;
        let recorded = record_production(test.context(), &input(8, Some("1-stale"))).await;
        for failure in [recalled.unwrap_err(), recorded.unwrap_err()] {
            let crate::failure::Failure::Permanent(verdict) = failure else { panic!("{failure:?}") };
            assert!(verdict.message.contains("written by a newer berth"), "{verdict:?}");
            assert!(verdict.message.ends_with("canary is not known to this version of berth"), "{verdict:?}");
        }
        assert_eq!(cluster.get(MAP).unwrap()["data"]["record"], json!(record.to_string()), "nothing is lost");
    }

    #[test]
    fn facts_become_annotations_with_their_time() {
        let annotations = annotations(&input(1, None).marks[0]);
        assert_eq!(annotations[labels::PROVEN_AT], "2026-11-24T09:00:00.000Z");
        assert_eq!(annotations[labels::RELEASED_BY], "octocat");
        assert_eq!(annotations.len(), 3);
    }

    #[test]
    fn later_time_is_the_greater_text() {
        let text = |proven_ms| annotations(&ReleaseMark { proven_ms: Some(proven_ms), ..ReleaseMark::default() });
        let at = |ms: u64| text(1_795_510_800_000 + ms)[labels::PROVEN_AT].clone();
        let times = [0, 5, 480, 489, 490, 500, 999, 1000].map(at);
        assert!(times.is_sorted(), "{times:?}");
    }
}

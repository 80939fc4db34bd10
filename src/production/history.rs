//! `berth production history`: the stored releases of the namespace, which outlive Temporal's retention.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use anyhow::{Context, anyhow};
use berth_activities::labels;
use berth_workflows::contract::{phase::PastRollout, production_status::ProductionStatus};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::ListParams};
use serde::Serialize;
use temporalio_client::Client;

use super::{args::AppArgs, environment, observe, output};
use crate::{
    envelope::{Envelope, wire_name},
    exit::Exit,
    kubeconfig,
};

/// How long the API server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A release that is stored in the namespace, as its annotations describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct StoredRelease {
    release: Option<u64>,
    commit: Option<String>,
    /// The Secret that it is stored in.
    stored_release: String,
    /// The Secret that it ran with.
    secret: Option<String>,
    released_by: Option<String>,
    /// RFC 3339, here and below.
    released_at: Option<String>,
    approved_by: Option<String>,
    approved_at: Option<String>,
    /// The person of the last rollback that led to it.
    rolled_back_by: Option<String>,
    rolled_back_at: Option<String>,
    proven_at: Option<String>,
    failed_at: Option<String>,
    stored_at: Option<String>,
}

/// The command's own object.
#[derive(Debug, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
enum History<'a> {
    /// The stored releases, newest first.
    Namespace { releases: Vec<StoredRelease> },
    /// The last rollouts that the workflow remembers, newest first.
    Status { rollouts: Vec<&'a PastRollout> },
}

/// Lists the stored releases; without the right to, the rollouts that the workflow remembers.
pub(super) async fn show(client: &Client, app: &AppArgs) -> anyhow::Result<Envelope> {
    let (id, handle) = environment(client, app);
    let status = observe::answered(&handle, &id).await.with_context(|| {
        format!("finding the namespace of {}; without Temporal: berth production history {} --namespace …", id, app.app)
    })?;
    let Some(status) = status else { return Ok(output::not_found(&app.app)) };
    match stored(status.namespace.as_deref()).await {
        Ok(releases) => from_releases(&releases),
        Err(error) => from_status(&status, &error),
    }
}

/// Lists the stored releases of a namespace, without Temporal.
pub(super) async fn in_namespace(namespace: &str) -> anyhow::Result<Envelope> {
    let releases = stored(Some(namespace)).await.with_context(|| {
        format!("listing the stored releases of {namespace}; your kubeconfig must be allowed to list Secrets there")
    })?;
    from_releases(&releases)
}

async fn stored(namespace: Option<&str>) -> anyhow::Result<Vec<StoredRelease>> {
    let namespace = namespace.ok_or_else(|| anyhow!("the namespace is not known yet"))?;
    let secrets: Api<Secret> = Api::namespaced(kubeconfig::client().await?, namespace);
    // The objects themselves are up to a megabyte each.
    let params = ListParams::default().labels(&format!("{}={}", labels::CONTENT, labels::RELEASE));
    let listed = tokio::time::timeout(TIMEOUT, secrets.list_metadata(&params)).await;
    let listed = listed.map_err(|_| anyhow!("the API server does not answer"))??;
    let mut releases: Vec<_> = listed.items.iter().map(|item| StoredRelease::new(&item.metadata)).collect();
    releases.sort_by(|a, b| (b.release, &b.stored_at).cmp(&(a.release, &a.stored_at)));
    Ok(releases)
}

impl StoredRelease {
    fn new(metadata: &ObjectMeta) -> Self {
        let fact = |name: &str| metadata.annotations.as_ref()?.get(name).cloned();
        Self {
            release: fact(labels::RELEASE_NUMBER).and_then(|number| number.parse().ok()),
            commit: fact(labels::COMMIT),
            stored_release: metadata.name.clone().unwrap_or_default(),
            secret: fact(labels::SECRET_OF_RELEASE),
            released_by: fact(labels::RELEASED_BY),
            released_at: fact(labels::RELEASED_AT),
            approved_by: fact(labels::APPROVED_BY),
            approved_at: fact(labels::APPROVED_AT),
            rolled_back_by: fact(labels::ROLLED_BACK_BY),
            rolled_back_at: fact(labels::ROLLED_BACK_AT),
            proven_at: fact(labels::PROVEN_AT),
            failed_at: fact(labels::FAILED_AT),
            stored_at: metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        }
    }

    /// How it went: the later of what is noted.
    fn state(&self) -> String {
        match (&self.proven_at, &self.failed_at) {
            (Some(proven), Some(failed)) if failed > proven => format!("failed {failed}"),
            (Some(proven), _) => format!("proven {proven}"),
            (None, Some(failed)) => format!("failed {failed}"),
            (None, None) => "not proven".to_owned(),
        }
    }
}

fn from_releases(releases: &[StoredRelease]) -> anyhow::Result<Envelope> {
    let envelope = Envelope::new("done", Exit::Done).with_text(|out| {
        writeln!(
            out,
            "{:>7}  {:<9} {:<32} {:<16} {:<16} ROLLED BACK TO BY",
            "RELEASE", "COMMIT", "STATE", "RELEASED BY", "APPROVED BY"
        )?;
        releases.iter().try_for_each(|release| write_release(out, release))
    });
    envelope.with_data(&History::Namespace { releases: releases.to_vec() })
}

fn write_release(out: &mut String, release: &StoredRelease) -> fmt::Result {
    let number = release.release.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let commit: String = release.commit.as_deref().unwrap_or("-").chars().take(7).collect();
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    let by = (name(&release.released_by), name(&release.approved_by), name(&release.rolled_back_by));
    writeln!(out, "{number:>7}  {commit:<9} {:<32} {:<16} {:<16} {}", release.state(), by.0, by.1, by.2)
}

fn from_status(status: &ProductionStatus, why: &anyhow::Error) -> anyhow::Result<Envelope> {
    let rollouts: Vec<_> = status.rollouts.iter().rev().collect();
    let envelope = Envelope::new("done", Exit::Done).with_text(|out| {
        writeln!(out, "{:>7}  {:<9} {:<12} {:<16} FAILURE", "RELEASE", "COMMIT", "OUTCOME", "AUTHOR")?;
        rollouts.iter().try_for_each(|past| {
            let number = past.release.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let commit: String = past.commit.chars().take(7).collect();
            let author = past.author.as_ref().map_or("-", |author| author.as_str());
            let failure = past.failure.as_deref().unwrap_or("-");
            writeln!(out, "{number:>7}  {commit:<9} {:<12} {author:<16} {failure}", wire_name(&past.outcome))
        })
    });
    let namespace = status.namespace.as_deref().unwrap_or("of production");
    let remark = format!(
        "these are the last rollouts that the workflow remembers: the stored releases could not be read ({why}); a \
         kubeconfig that may list the Secrets of namespace {namespace} shows them all"
    );
    Ok(envelope.with_data(&History::Status { rollouts })?.with_remark(&remark))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn metadata(annotations: &[(&str, &str)]) -> ObjectMeta {
        let pairs = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let annotations = Some(pairs.collect::<BTreeMap<_, _>>());
        ObjectMeta { name: Some("berth-release-1".into()), annotations, ..ObjectMeta::default() }
    }

    #[test]
    fn stored_release_is_read_from_its_annotations() {
        let release = StoredRelease::new(&metadata(&[
            (labels::RELEASE_NUMBER, "7"),
            (labels::COMMIT, "4f2a9c1"),
            (labels::SECRET_OF_RELEASE, "web-secrets-1"),
            (labels::RELEASED_BY, "octocat"),
            (labels::APPROVED_BY, "lead"),
            (labels::ROLLED_BACK_BY, "ops"),
            (labels::PROVEN_AT, "2026-11-27T10:00:00Z"),
        ]));
        assert_eq!((release.release, release.commit.as_deref()), (Some(7), Some("4f2a9c1")));
        assert_eq!((release.approved_by.as_deref(), release.rolled_back_by.as_deref()), (Some("lead"), Some("ops")));
        assert_eq!(release.state(), "proven 2026-11-27T10:00:00Z");
    }

    #[test]
    fn state_of_a_stored_release_is_its_last_rollout() {
        let state = |annotations: &[(&str, &str)]| StoredRelease::new(&metadata(annotations)).state();
        let (early, late) = ("2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z");
        assert_eq!(state(&[(labels::PROVEN_AT, early), (labels::FAILED_AT, late)]), format!("failed {late}"));
        assert_eq!(state(&[(labels::PROVEN_AT, late), (labels::FAILED_AT, early)]), format!("proven {late}"));
        assert_eq!(state(&[]), "not proven");
    }
}

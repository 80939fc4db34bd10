//! Fake activities of production: a namespace that keeps a record and stored releases, in memory.

use std::sync::Arc;

use berth_workflows::contract::{
    activity_definitions as definitions,
    apply::{Applied, ApplyStoredInput, Plan, Workload},
    plan::{PlanReleaseInput, PlannedRelease, ReleasePlan},
    production::SecretsChoice,
    production_record::{
        FindRollbackInput, FoundRollback, RecallInput, Recalled, RecordInput, Recorded, StoredVersion,
    },
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::fake_activities::{Does, World};

/// Fake activities of production. They share the world of the others.
pub struct FakeProduction(pub Arc<World>);

#[activities]
impl FakeProduction {
    #[activity(definition = definitions::RecallProduction)]
    pub async fn recall_production(
        self: Arc<Self>,
        ctx: ActivityContext,
        recall: RecallInput,
    ) -> Result<Recalled, ActivityError> {
        self.0.act(&ctx, "recall_production", &recall.environment.namespace).await?;
        Ok(self.0.recalled.lock().unwrap().clone())
    }

    #[activity(definition = definitions::RecordProduction)]
    pub async fn record_production(
        self: Arc<Self>,
        ctx: ActivityContext,
        record: RecordInput,
    ) -> Result<Recorded, ActivityError> {
        self.0.act(&ctx, "record_production", &record.environment.namespace).await?;
        let mut recalled = self.0.recalled.lock().unwrap();
        if recalled.version != record.version {
            return Ok(Recorded::Conflict(Box::new(recalled.clone())));
        }
        let version = recalled.version.as_deref().map_or(0, |version| version.parse().unwrap()) + 1;
        let version: u64 = version;
        *recalled = Recalled { record: Some(record.record), version: Some(version.to_string()) };
        self.0.marks.lock().unwrap().extend(record.marks);
        Ok(Recorded::Written { version: version.to_string() })
    }

    /// Plans by number and commit. `Leave` appends to the id, as edited manifests would change it.
    #[activity(definition = definitions::PlanRelease)]
    pub async fn plan_release(
        self: Arc<Self>,
        ctx: ActivityContext,
        plan: PlanReleaseInput,
    ) -> Result<PlannedRelease, ActivityError> {
        let number = plan.release.number.unwrap_or_default();
        let does = self.0.act(&ctx, "plan_release", &number.to_string()).await?;
        let content = if let Some(Does::Leave(content)) = does { content } else { "" };
        let stored_release = format!("berth-release-{number}{content}");
        let serving = plan.serving.unwrap_or_default();
        let id = format!("plan-{number}{content}-{serving}");
        let version = StoredVersion {
            release: plan.release,
            stored_release: stored_release.clone(),
            secrets: plan.secrets.clone(),
        };
        self.0.stored.lock().unwrap().push(version);
        Ok(PlannedRelease {
            stored_release,
            secrets: plan.secrets,
            plan: ReleasePlan { id, ..ReleasePlan::default() },
            cluster_objects: Vec::new(),
        })
    }

    #[activity(definition = definitions::ApplyRelease)]
    pub async fn apply_release(
        self: Arc<Self>,
        ctx: ActivityContext,
        apply: ApplyStoredInput,
    ) -> Result<Applied, ActivityError> {
        let back = if apply.rollback { " again" } else { "" };
        self.0.deploy_ids.lock().unwrap().push(apply.deploy.deploy_id);
        self.0.act(&ctx, "apply_release", &format!("{}{back}", apply.stored_release)).await?;
        Ok(Applied {
            stored_release: apply.stored_release,
            plan: Plan { changed: vec!["Deployment/web".into()], ..Plan::default() },
            workloads: vec![Workload::new("Deployment", "web", 1)],
            waits_for: None,
        })
    }

    /// Finds the release of that number, or the newest proven one that does not serve.
    #[activity(definition = definitions::FindRollback)]
    pub async fn find_rollback(
        self: Arc<Self>,
        ctx: ActivityContext,
        find: FindRollbackInput,
    ) -> Result<FoundRollback, ActivityError> {
        let to = find.to.map_or_else(|| "the last".to_owned(), |to| to.to_string());
        self.0.act(&ctx, "find_rollback", &to).await?;
        let serving = find.serving.map(|serving| serving.stored_release);
        let marks = self.0.marks.lock().unwrap();
        let is_proven = |stored: &str| marks.iter().any(|m| m.stored_release == stored && m.proven_ms.is_some());
        let stored = self.0.stored.lock().unwrap();
        let found = stored.iter().rev().find(|version| match find.to {
            Some(to) => version.release.number == Some(to),
            None => is_proven(&version.stored_release) && Some(&version.stored_release) != serving.as_ref(),
        });
        Ok(match found {
            Some(version) => FoundRollback::Found {
                version: Box::new(version.clone()),
                secrets: find.secrets.unwrap_or(SecretsChoice::Stored),
                changed_keys: Vec::new(),
            },
            None => FoundRollback::None { reason: format!("there is no stored release {to}") },
        })
    }
}

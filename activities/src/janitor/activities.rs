//! The list of the activities of a `Janitor`. Each admits its caller first.

use std::sync::Arc;

use berth_workflows::contract::{
    activity_definitions as definitions,
    janitor::{
        FindingsReported, ListEnvironmentsInput, ListedEnvironments, ReportFindingsInput, SendFactsInput, SentFacts,
    },
};
use kube::Client;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{admission::check, list_environments, list_workflows, report_findings, send_facts};
use crate::{activities::caller_of, context::Context, heartbeat::heartbeating, settings::Settings};

/// The client and the settings that the activities share.
pub struct JanitorActivities {
    pub client: Client,
    pub settings: Settings,
}

#[activities]
impl JanitorActivities {
    /// See [`list_environments()`].
    #[activity(definition = definitions::ListEnvironments)]
    pub async fn list_environments(
        self: Arc<Self>,
        ctx: ActivityContext,
        list: ListEnvironmentsInput,
    ) -> Result<ListedEnvironments, ActivityError> {
        heartbeating(&ctx, async |progress| {
            check(&caller_of(&ctx), &self.settings, &list.app)?;
            let context = Context { client: &self.client, settings: &self.settings, progress };
            // Workflows come last: one that ends meanwhile has left nothing.
            let parts = list_environments(context, &list.app).await;
            Ok(parts.with_workflows(list_workflows(&ctx.client(), &list.app).await?))
        })
        .await
    }

    /// See [`send_facts()`].
    #[activity(definition = definitions::SendFacts)]
    pub async fn send_facts(
        self: Arc<Self>,
        ctx: ActivityContext,
        send: SendFactsInput,
    ) -> Result<SentFacts, ActivityError> {
        heartbeating(&ctx, async |_| {
            check(&caller_of(&ctx), &self.settings, &send.app)?;
            Ok(send_facts(&ctx.client(), &send).await)
        })
        .await
    }

    /// See [`report_findings()`].
    #[activity(definition = definitions::ReportFindings)]
    pub async fn report_findings(
        self: Arc<Self>,
        ctx: ActivityContext,
        report: ReportFindingsInput,
    ) -> Result<FindingsReported, ActivityError> {
        heartbeating(&ctx, async |_| {
            check(&caller_of(&ctx), &self.settings, &report.app)?;
            Ok(report_findings(&report))
        })
        .await
    }
}

//! Fake activities of a `Janitor`: the real ones as far as they speak with Temporal, and namespaces in memory.

use std::sync::{Arc, atomic::Ordering};

use berth_activities::janitor::{list_workflows, report_findings, send_facts};
use berth_workflows::contract::{
    activity_definitions as definitions,
    janitor::{
        FindingsReported, JanitorInput, JanitorStatus, JanitorTimings, ListEnvironmentsInput, ListedEnvironments,
        ListedPart, ReportFindingsInput, SendFactsInput, SentFacts, janitor_id,
    },
};
use berth_workflows::janitor::Janitor;
use temporalio_client::{Client, WorkflowHandle, WorkflowQueryOptions, WorkflowStartOptions};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{
    fake_activities::World,
    histories,
    preview::{Preview, until_status},
};

/// Fake activities of a `Janitor`. They share the world of the others.
pub struct FakeJanitor(pub Arc<World>);

#[activities]
impl FakeJanitor {
    #[activity(definition = definitions::ListEnvironments)]
    pub async fn list_environments(
        self: Arc<Self>,
        ctx: ActivityContext,
        list: ListEnvironmentsInput,
    ) -> Result<ListedEnvironments, ActivityError> {
        self.0.act(&ctx, "list_environments", &list.app).await?;
        let part = |name: String| {
            let pr = name.strip_prefix("pr-")?.parse().ok()?;
            Some(ListedPart { object: format!("Namespace/{name}"), pr })
        };
        let is_blind = self.0.is_cluster_away.load(Ordering::Relaxed);
        Ok(ListedEnvironments {
            namespaces: (!is_blind).then(|| self.0.namespaces().into_iter().filter_map(part).collect()),
            databases: Some(Vec::new()),
            unseen: if is_blind { vec!["namespaces: no answer".to_owned()] } else { Vec::new() },
            workflows: list_workflows(&ctx.client(), &list.app)
                .await
                .map_err(|failure| failure.into_activity_error())?,
            interval_seconds: 1,
        })
    }

    #[activity(definition = definitions::SendFacts)]
    pub async fn send_facts(
        self: Arc<Self>,
        ctx: ActivityContext,
        send: SendFactsInput,
    ) -> Result<SentFacts, ActivityError> {
        let numbers: Vec<_> = send.pull_requests.iter().map(|pull| pull.number.to_string()).collect();
        self.0.act(&ctx, "send_facts", &numbers.join(" ")).await?;
        Ok(send_facts(&ctx.client(), &send).await)
    }

    #[activity(definition = definitions::ReportFindings)]
    pub async fn report_findings(
        self: Arc<Self>,
        ctx: ActivityContext,
        report: ReportFindingsInput,
    ) -> Result<FindingsReported, ActivityError> {
        let reported = report_findings(&report);
        self.0.act(&ctx, "report_findings", &format!("{:?}", reported.findings)).await?;
        Ok(reported)
    }
}

/// The `Janitor` of a preview's app.
pub struct JanitorOf<'a> {
    pub preview: &'a Preview,
    pub handle: WorkflowHandle<Client, Janitor>,
}

impl<'a> JanitorOf<'a> {
    /// Starts it. It looks every second.
    pub async fn start(preview: &'a Preview, timings: JanitorTimings) -> Self {
        let input = JanitorInput { timings, ..JanitorInput::new(&preview.input.app) };
        let id = janitor_id(&input.app);
        let options = WorkflowStartOptions::new(preview.task_queue.clone(), id.clone()).build();
        preview.client.start_workflow(Janitor::run, input.into(), options).await.unwrap();
        Self { preview, handle: preview.client.get_workflow_handle(id) }
    }

    /// The answer of the query `status`.
    pub async fn status(&self) -> JanitorStatus {
        self.handle.query(Janitor::status, (), WorkflowQueryOptions::default()).await.unwrap()
    }

    /// Waits until the status meets the condition, and returns it.
    pub async fn until(&self, what: &str, is_so: impl FnMut(&JanitorStatus) -> bool) -> JanitorStatus {
        until_status(what, || self.status(), is_so).await
    }

    /// Waits until it has looked that many times more.
    pub async fn look(&self, times: u64) -> JanitorStatus {
        let before = self.status().await.looks;
        // A look is over when the next one has begun.
        self.until("looked", |status| status.looks > before + times).await
    }

    /// Records its history, if `BERTH_RECORD_HISTORIES` names a folder.
    pub async fn record(&self, name: &str) {
        histories::record(name, &self.handle).await;
    }
}

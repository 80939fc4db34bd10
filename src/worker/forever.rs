//! Workflows that live for ever: the worker starts them if they do not run. A person may have terminated one.

use std::{path::PathBuf, time::Duration};

use berth_activities::production::is_restored;
use berth_manifests::app::{App, read_apps};
use berth_workflows::{
    contract::{
        janitor::{JanitorInput, janitor_id},
        production::Production,
        signals::RestoredByHand,
    },
    janitor::Janitor,
    production_environment::ProductionEnvironment,
};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowSignalOptions, WorkflowStartOptions};

/// How often the worker looks. A request to Temporal and one to the API server per app and minute are nothing to them.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The workflows that live for ever.
pub(super) struct Forever {
    /// Whether this worker serves production.
    pub(super) production: bool,
    /// Whether this worker serves previews and speaks with GitHub.
    pub(super) janitors: bool,
    pub(super) temporal: Client,
    pub(super) kubernetes: kube::Client,
    pub(super) installation: String,
    pub(super) apps: PathBuf,
    pub(super) task_queue: String,
}

impl Forever {
    /// Keeps production of each app running that has one, and the `Janitor` of each that has previews and a repository. Never
    /// ends.
    pub(super) async fn keep_running(self) {
        loop {
            let folder = self.apps.clone();
            // An app file that cannot be read is reported where it is needed.
            let apps = tokio::task::spawn_blocking(move || read_apps(&folder).apps).await.unwrap_or_default();
            for app in apps {
                if let Some(production) = app.production.as_ref().filter(|_| self.production) {
                    self.start_production(&app.app).await;
                    self.report_restore(&app, &production.namespace).await;
                }
                if self.janitors && app.preview.is_some() && app.github.is_some() {
                    self.start_janitor(&app.app).await;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn start_production(&self, app: &str) {
        let input = Production::new(app);
        let id = input.workflow_id();
        let options = self.options(&id, format!("production of {app}"));
        let started = self.temporal.start_workflow(ProductionEnvironment::run, input.into(), options).await;
        if let Err(error) = started {
            tracing::warn!(workflow.id = %id, error = %error, "Could not start {id}");
        }
    }

    async fn start_janitor(&self, app: &str) {
        let id = janitor_id(app);
        let options = self.options(&id, format!("previews of {app} beside GitHub's pull requests"));
        let started = self.temporal.start_workflow(Janitor::run, JanitorInput::new(app).into(), options).await;
        if let Err(error) = started {
            tracing::warn!(workflow.id = %id, error = %error, "Could not start {id}");
        }
    }

    /// Starts a workflow, unless it runs.
    fn options(&self, id: &str, summary: String) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.clone(), id)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .static_summary(summary)
            .build()
    }

    /// Tells the workflow of a restore by hand. It would notice only with the next write of its record, and until then
    /// `status` would show a release that does not serve.
    async fn report_restore(&self, app: &App, namespace: &str) {
        let id = Production::new(&app.app).workflow_id();
        match is_restored(&self.kubernetes, &self.installation, &app.app, namespace).await {
            Ok(false) => {}
            Ok(true) => {
                let handle = self.temporal.get_workflow_handle::<ProductionEnvironment>(&id);
                let restored = RestoredByHand::default().into();
                let options = WorkflowSignalOptions::default();
                if let Err(error) = handle.signal(ProductionEnvironment::restored, restored, options).await {
                    tracing::warn!(workflow.id = %id, error = %error, "Could not tell {id} of a restore by hand");
                }
            }
            Err(error) => tracing::debug!(workflow.id = %id, error = %error, "Could not read the record of {id}"),
        }
    }
}

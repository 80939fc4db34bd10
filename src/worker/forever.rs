//! Workflows that live for ever: the worker starts them if they do not run. A person may have terminated one.

use std::{path::PathBuf, time::Duration};

use berth_activities::production::is_restored;
use berth_manifests::app::{App, read_apps};
use berth_workflows::{
    contract::{production::Production, signals::RestoredByHand},
    production_environment::ProductionEnvironment,
};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowSignalOptions, WorkflowStartOptions};

/// How often the worker looks. A request to Temporal and one to the API server per app and minute are nothing to them.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The workflows that live for ever.
pub(super) struct Forever {
    pub(super) temporal: Client,
    pub(super) kubernetes: kube::Client,
    pub(super) installation: String,
    pub(super) apps: PathBuf,
    pub(super) task_queue: String,
}

impl Forever {
    /// Keeps production of each app running that has one. Never ends.
    pub(super) async fn keep_running(self) {
        loop {
            let folder = self.apps.clone();
            // An app file that cannot be read is reported where it is needed.
            let apps = tokio::task::spawn_blocking(move || read_apps(&folder).apps).await.unwrap_or_default();
            for app in apps {
                if let Some(production) = &app.production {
                    self.start(&app.app).await;
                    self.report_restore(&app, &production.namespace).await;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn start(&self, app: &str) {
        let input = Production::new(app);
        let id = input.workflow_id();
        let options = WorkflowStartOptions::new(self.task_queue.clone(), id.clone())
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .static_summary(format!("production of {app}"));
        let started = self.temporal.start_workflow(ProductionEnvironment::run, input.into(), options.build()).await;
        if let Err(error) = started {
            tracing::warn!(workflow.id = %id, error = %error, "Could not start {id}");
        }
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

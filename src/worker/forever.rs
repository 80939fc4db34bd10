//! Workflows that live for ever: the worker starts them if they do not run. A person may have terminated one.

use std::{path::PathBuf, time::Duration};

use berth_manifests::app::read_apps;
use berth_workflows::{contract::production::Production, production_environment::ProductionEnvironment};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowStartOptions};

/// How often the worker looks. A request to Temporal per app and minute is nothing to it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Keeps production of each app running that has one. Never ends.
pub(super) async fn keep_running(client: Client, apps: PathBuf, task_queue: String) {
    loop {
        let folder = apps.clone();
        // An app file that cannot be read is reported where it is needed.
        let apps = tokio::task::spawn_blocking(move || read_apps(&folder).apps).await.unwrap_or_default();
        for app in apps.into_iter().filter(|app| app.production.is_some()) {
            start(&client, &app.app, &task_queue).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn start(client: &Client, app: &str, task_queue: &str) {
    let input = Production::new(app);
    let id = input.workflow_id();
    let options = WorkflowStartOptions::new(task_queue.to_owned(), id.clone())
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .static_summary(format!("production of {app}"));
    if let Err(error) = client.start_workflow(ProductionEnvironment::run, input.into(), options.build()).await {
        tracing::warn!(workflow.id = %id, error = %error, "Could not start {id}");
    }
}

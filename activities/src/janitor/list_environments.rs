//! The activity `list_environments`: the namespaces and databases that carry the mark of an app's previews.

use berth_workflows::contract::{
    environment::EnvironmentKind,
    janitor::{ListedEnvironments, ListedPart, ListedWorkflow},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{context::Context, database::list_previews, failure::Failure, kubernetes::labels};

/// The parts of an app's previews, but for their workflows.
#[derive(Debug)]
pub struct Parts(ListedEnvironments);

impl Parts {
    /// Adds the workflows.
    pub fn with_workflows(self, workflows: Vec<ListedWorkflow>) -> ListedEnvironments {
        ListedEnvironments { workflows, ..self.0 }
    }
}

/// Lists namespaces and databases. A cluster or a server that does not answer is no error: it is named in the result, and
/// nothing follows from what is missing there.
pub async fn list_environments(context: Context<'_>, app: &str) -> Parts {
    let mut listed =
        ListedEnvironments { interval_seconds: context.settings.janitor_seconds, ..ListedEnvironments::default() };
    listed.namespaces = seen(&mut listed.unseen, "namespaces", namespaces(context, app).await);
    let mut databases = Some(Vec::new());
    for (name, server) in &context.settings.database_servers {
        context.progress.report(format!("looking for databases of {app} on {name}"));
        let roles = list_previews(context, server, app).await.map(|roles| {
            let part = |(role, pr)| ListedPart { object: format!("Role/{role} on {name}"), pr };
            roles.into_iter().map(part).collect::<Vec<_>>()
        });
        let found = seen(&mut listed.unseen, &format!("databases on {name}"), roles);
        databases = databases.zip(found).map(|(mut all, found)| {
            all.extend(found);
            all
        });
    }
    listed.databases = databases;
    Parts(listed)
}

/// The parts of a place, or none and the reason noted.
fn seen<T>(unseen: &mut Vec<String>, place: &str, listed: Result<T, Failure>) -> Option<T> {
    listed.map_err(|failure| unseen.push(format!("{place}: {failure}"))).ok()
}

async fn namespaces(context: Context<'_>, app: &str) -> Result<Vec<ListedPart>, Failure> {
    context.progress.report(format!("listing the namespaces of {app}"));
    let own =
        [(labels::MANAGED_BY, "berth"), (labels::APP, app), (labels::INSTALLATION, &context.settings.installation)];
    let selector = own.map(|(key, value)| format!("{key}={value}")).join(",");
    let all: Api<Namespace> = Api::all(context.client.clone());
    let listed = all.list_metadata(&ListParams::default().labels(&selector)).await;
    let listed = listed.map_err(|error| Failure::kubernetes(format!("listing the namespaces of {app}"), error))?;
    Ok(listed
        .items
        .iter()
        .filter_map(|namespace| {
            let pr = EnvironmentKind::from_workflow_id(app, namespace.labels().get(labels::WORKFLOW)?)?.pr()?;
            Some(ListedPart { object: format!("Namespace/{}", namespace.name_any()), pr })
        })
        .collect())
}

#[cfg(test)]
mod tests;

//! The namespaces of an environment, found by their labels.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

use berth_workflows::contract::environment::Environment;

use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Returns every namespace with the environment's labels. A terminated workflow may have left one under a name that is
/// no longer in the app file.
pub(crate) async fn find_namespaces(
    context: Context<'_>,
    environment: &Environment,
) -> Result<Vec<Namespace>, Failure> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let own = ListParams::default().labels(&labels::owner_selector(environment, &context.settings.installation));
    let what = || format!("listing the namespaces of {}", environment.workflow_id);
    Ok(namespaces.list(&own).await.map_err(|e| Failure::kubernetes(what(), e))?.items)
}

//! The activity `await_namespace_gone`.

use std::time::Duration;

use futures::{StreamExt, pin_mut};

use berth_workflows::contract::{
    preparation::{AwaitGoneInput, NamespaceGone},
    verdict::FailureType,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::terminating_namespace::{changes, deletion_message},
};

/// The time that one attempt watches before it reports the state.
const WATCH: Duration = Duration::from_secs(60);

/// Waits until a namespace is gone, or until the reasons why it is not have changed.
///
/// Idempotent: it only reads.
///
/// # Errors
/// The watch ended. Retried.
pub async fn await_namespace_gone(context: Context<'_>, wait: &AwaitGoneInput) -> Result<NamespaceGone, Failure> {
    let AwaitGoneInput { namespace, uid, said } = wait;
    context.progress.report(format!("waiting for the old namespace {namespace} to be gone: {said}"));
    let changes = changes(context.client, namespace, uid);
    pin_mut!(changes);
    let waiting = async {
        while let Some(change) = changes.next().await {
            match change.as_ref().map(deletion_message) {
                None => return Ok(NamespaceGone::default()),
                Some(words) if words != *said => return Ok(NamespaceGone { terminating: Some(words) }),
                Some(_) => {}
            }
        }
        Err(Failure::transient(FailureType::KubernetesDenied, format!("the watch of namespace {namespace} ended")))
    };
    match tokio::time::timeout(WATCH, waiting).await {
        Ok(seen) => seen,
        Err(_) => Ok(NamespaceGone { terminating: Some(said.clone()) }),
    }
}

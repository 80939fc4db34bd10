//! What a wait does so that its release can be done, besides looking at it.

mod replace;
mod retry;

use berth_workflows::contract::checks::AwaitInput;

use crate::{context::Context, rollout::classify::BrokenPod};
use replace::Replacements;
use retry::Retries;

/// The repairs of one wait.
pub(super) struct Repairs<'a> {
    retries: Retries,
    replacements: Replacements<'a>,
}

impl<'a> Repairs<'a> {
    pub(super) fn new(context: Context<'a>, wait: &AwaitInput) -> Self {
        let namespace = &wait.environment.namespace;
        Self {
            retries: Retries::new(context.client, wait),
            replacements: Replacements::new(context.client, namespace, context.progress),
        }
    }

    /// Has the pods of these Deployments tried again, and replaces these pods.
    pub(super) async fn make(&mut self, refused_before: &[String], broken: &[BrokenPod]) {
        self.retries.request(refused_before).await;
        self.replacements.replace(broken).await;
    }
}

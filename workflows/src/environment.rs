//! The part of an environment's life that previews and production share.
//!
//! Nothing here names the workflow of either. Each implements [`EnvironmentWorkflow`].

use std::time::Duration;

use crate::{
    contract::{
        phase::{Failed, Phase},
        release::Release,
        stop_reason::StopReason,
    },
    environment::{arrival::Arrival, book::Book, publish::Published},
};

pub mod admission;
pub mod answers;
pub mod arrival;
pub mod book;
pub mod cancel;
pub mod carry;
pub mod children;
pub mod markdown;
pub mod notes;
pub mod proofs;
pub mod publish;
pub mod queue;
pub mod recent;
pub mod reporting;
pub mod rollouts;
mod shown;
pub mod stuck;

/// A workflow that is the only writer of its environment.
pub trait EnvironmentWorkflow: Sized + 'static {
    fn book(&self) -> &Book;
    fn book_mut(&mut self) -> &mut Book;

    /// The newest release that was asked for, however it went.
    fn newest_release(&self) -> Option<&Release>;

    /// A newer one that waits, and of which nothing has begun.
    fn waiting_release(&self) -> Option<&Release> {
        None
    }

    /// The newest release, if it failed.
    fn failed(&self) -> Option<&Failed> {
        self.book().failed.as_ref()
    }

    /// Records that the workflow was cancelled, as the request that this is. Only the first call counts.
    fn record_cancel(&mut self, arrival: Arrival);

    /// The reason to stop the rollout in flight, if there is one.
    fn stop_reason(&self) -> Option<StopReason>;

    /// Adds a remark to the status.
    fn note(&mut self, note: String);

    /// The phase to publish.
    fn phase(&self) -> Phase;

    /// The status as Markdown, for temporal-ui.
    fn details(&self) -> String;

    /// The time after which a child counts as stuck that was told to stop.
    fn stuck_after(&self) -> Duration;

    fn published_mut(&mut self) -> &mut Published;
}

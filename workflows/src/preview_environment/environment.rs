//! The part of a preview's workflow that it shares with production's.

use super::PreviewEnvironment;
use crate::{
    contract::{phase::Phase, release::Release, signals::Close, stop_reason::StopReason},
    environment::{EnvironmentWorkflow, arrival::Arrival, book::Book, publish::Published},
};

impl EnvironmentWorkflow for PreviewEnvironment {
    fn book(&self) -> &Book {
        &self.record.book
    }

    fn book_mut(&mut self) -> &mut Book {
        &mut self.record.book
    }

    fn newest_release(&self) -> Option<&Release> {
        self.record.newest_release()
    }

    /// A cancel is a close. Earlier pushes are closed with it, later ones are kept.
    fn record_cancel(&mut self, arrival: Arrival) {
        if !self.is_cancel_recorded {
            self.is_cancel_recorded = true;
            self.record.mailbox.close(&Close::default(), arrival);
        }
    }

    fn stop_reason(&self) -> Option<StopReason> {
        self.record.mailbox.stop_reason()
    }

    fn note(&mut self, note: String) {
        self.record.notes.add(note);
    }

    fn phase(&self) -> Phase {
        self.record.phase()
    }

    fn details(&self) -> String {
        self.to_status().to_markdown()
    }

    fn published_mut(&mut self) -> &mut Published {
        &mut self.published
    }
}

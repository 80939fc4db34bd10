//! The part of a preview's workflow that it shares with production's.

use std::time::Duration;

use super::PreviewEnvironment;
use crate::{
    contract::{phase::Phase, release::Release, stop_reason::StopReason, timings::StartTimings},
    environment::{EnvironmentWorkflow, arrival::Arrival, book::Book, publish::Published},
    preview_environment::life::Message,
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

    fn waiting_release(&self) -> Option<&Release> {
        self.record.waiting_release()
    }

    fn record_cancel(&mut self, arrival: Arrival) {
        // No time matters to a cancel.
        self.record.take(Message::Cancel, arrival, 0);
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

    fn stuck_after(&self) -> Duration {
        let timings = self.input.as_ref().map(|input| &input.timings);
        timings.map_or_else(|_| StartTimings::default().stuck_after(), StartTimings::stuck_after)
    }

    fn published_mut(&mut self) -> &mut Published {
        &mut self.published
    }
}

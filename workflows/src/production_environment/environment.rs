//! Production as an environment: what its rollouts need of it, and what it publishes.

use std::time::Duration;

use super::ProductionEnvironment;
use crate::{
    contract::{
        phase::{Failed, Phase},
        release::Release,
        stop_reason::StopReason,
        timings::StartTimings,
    },
    environment::{EnvironmentWorkflow, arrival::Arrival, book::Book, publish::Published},
};

impl EnvironmentWorkflow for ProductionEnvironment {
    fn book(&self) -> &Book {
        &self.state.book
    }

    fn book_mut(&mut self) -> &mut Book {
        &mut self.state.book
    }

    fn newest_release(&self) -> Option<&Release> {
        self.state.newest_release()
    }

    /// Also one that was refused before its rollout, or was rolled back.
    fn failed(&self) -> Option<&Failed> {
        self.state.failed.as_ref().map(|failed| &failed.failed)
    }

    /// It is recorded as a freeze, with the time, in `freezing_when_cancelled`.
    fn record_cancel(&mut self, _arrival: Arrival) {}

    fn stop_reason(&self) -> Option<StopReason> {
        self.state.stop_reason()
    }

    fn note(&mut self, note: String) {
        self.state.notes.add(note);
    }

    fn phase(&self) -> Phase {
        self.state.phase()
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

//! An app that is not there: nothing was made, and nothing will be.

use super::{Model, Place, messages::Outcome};

impl Model {
    /// There is no such app. Pushes that wait fail, and the run ends unless another one comes.
    pub fn app_is_unknown(&mut self) {
        let waiting = [Place::AwaitingRules, Place::Held, Place::AwaitingApproval];
        self.failed = waiting.into_iter().find_map(|place| self.at(place)).or(self.failed);
        self.drop_waiting(Outcome::Failed);
        self.pull_request.forget_rules();
        (self.is_spare, self.has_messages, self.has_no_app) = (true, true, true);
    }

    /// Something is about to be made, or removed.
    pub fn needs_run(&mut self) {
        (self.is_spare, self.has_no_app) = (false, false);
    }
}

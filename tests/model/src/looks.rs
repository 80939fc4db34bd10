//! Looks at the version that serves, before a push of it is answered.

use super::{
    Asked, Model, Place,
    messages::{Outcome, Seen},
};

impl Model {
    /// The version that is rolled out, or looked at.
    pub(super) fn in_flight(&mut self) -> Option<&mut Asked> {
        self.asked.iter_mut().find(|asked| asked.place > Place::Next)
    }

    /// A look has ended. What is missing is rolled out again, unless the environment closes or something newer is next.
    pub fn looked(&mut self, seen: Seen) {
        let Some(index) = self.asked.iter().position(|asked| asked.place == Place::Looking) else { return };
        let looked = self.asked.remove(index);
        let is_missing = matches!(seen, Seen::Part | Seen::Nothing);
        self.is_mixed |= is_missing;
        if seen == Seen::Nothing {
            (self.serving, self.served_before) = (None, None);
        }
        let is_stopped = self.is_closing() || self.at(Place::Next).is_some();
        match seen {
            Seen::All => self.answer(&looked.senders, &[Outcome::Live]),
            Seen::Part | Seen::Nothing if !is_stopped => {
                self.asked.push(Asked { place: Place::Next, looks: false, ..looked });
            }
            _ if self.is_closing() => self.answer(&looked.senders, &[Outcome::Closed, Outcome::Superseded]),
            _ => self.answer(&looked.senders, &[Outcome::Superseded]),
        }
    }
}

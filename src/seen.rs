//! The status as a worker has written it, which may be newer than this command: read as far as this version knows it, and shown
//! as it came.

use std::ops::Deref;

use berth_workflows::contract::{phase::Phase, production_status::ProductionStatus, status::Status};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use temporalio_common::{QueryDefinition, UpdateDefinition};

use crate::envelope::{Envelope, snake_case};

/// A query or update whose answer is taken as JSON.
pub(crate) struct AsJson<Q>(pub(crate) Q);

impl<Q: QueryDefinition> QueryDefinition for AsJson<Q> {
    type Workflow = Q::Workflow;
    type Input = Q::Input;
    type Output = Value;

    fn name(&self) -> &str {
        self.0.name()
    }
}

impl<U: UpdateDefinition> UpdateDefinition for AsJson<U> {
    type Workflow = U::Workflow;
    type Input = U::Input;
    type Output = Value;

    fn name(&self) -> &str {
        self.0.name()
    }
}

/// A status that a command understands.
pub(crate) trait Readable: DeserializeOwned {
    fn phase(&self) -> Phase;
    /// The fields that every version has, with values that say nothing.
    fn least() -> Value;
}

impl Readable for Status {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn least() -> Value {
        json!({"app": "", "pr": 0, "phase": "Unknown", "rollouts": [], "notes": []})
    }
}

impl Readable for ProductionStatus {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn least() -> Value {
        json!({"app": "", "phase": "Unknown", "rollouts": [], "notes": []})
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Seen<S> {
    known: S,
    json: Value,
}

impl<S> Deref for Seen<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.known
    }
}

impl<S: Readable> Seen<S> {
    /// Reads a status.
    ///
    /// # Errors
    /// It is no status at all.
    pub(crate) fn read(json: Value) -> Result<Self, serde_json::Error> {
        let known = serde_json::from_value(json.clone()).or_else(|error| {
            let fields = json.as_object().filter(|fields| fields.contains_key("phase")).ok_or(error)?;
            readable_part(fields)
        })?;
        Ok(Self { known, json })
    }

    /// The phase's name, also of one that this version does not know.
    pub(crate) fn phase_name(&self) -> &str {
        match self.known.phase() {
            Phase::Unknown => self.json["phase"].as_str().unwrap_or("Unknown"),
            phase => phase.name(),
        }
    }

    /// The answer with the status as it came.
    pub(crate) fn show(&self, envelope: Envelope) -> Envelope {
        let Envelope { mut outcome, mut text, .. } = envelope;
        if self.known.phase() == Phase::Unknown {
            let (unknown, name) = (snake_case(Phase::Unknown.name()), self.phase_name());
            if outcome == unknown {
                outcome = snake_case(name);
            }
            text = text.replacen(Phase::Unknown.name(), name, 1);
            text += "- the worker is newer than this berth, which does not know that phase\n";
        }
        Envelope { outcome, text, data: Some(self.json.clone()), ..envelope }
    }
}

/// Leaves out the fields whose shape this version does not know.
fn readable_part<S: Readable>(fields: &Map<String, Value>) -> Result<S, serde_json::Error> {
    let mut part = S::least();
    for (name, value) in fields {
        let mut with = part.clone();
        with[name] = value.clone();
        if serde_json::from_value::<S>(with.clone()).is_ok() {
            part = with;
        }
    }
    serde_json::from_value(part)
}

#[cfg(test)]
impl<S: Readable + serde::Serialize> From<S> for Seen<S> {
    fn from(known: S) -> Self {
        let json = serde_json::to_value(&known).unwrap();
        Self { known, json }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, preview, production};

    fn newer(status: Value) -> Value {
        let mut status = status;
        for (name, value) in [
            ("phase", json!("Sleeping")),
            ("database", json!({"mode": "cloned", "from": "production"})),
            ("pull_request", json!("merged")),
            ("failed", json!({"cause": 3})),
            ("wakes_at", json!("soon")),
            ("url", json!("https://pr-1.example.com")),
        ] {
            status[name] = value;
        }
        status
    }

    #[test]
    fn status_of_a_newer_worker_is_shown_as_it_came() {
        let json = newer(Status::least());
        let status = Seen::<Status>::read(json.clone()).unwrap();
        assert_eq!(status.phase_name(), "Sleeping");
        assert!(preview::wait::line(Some(&status)).contains("Sleeping"));
        let shown = preview::output::from_status(&status).unwrap();
        assert_eq!((shown.outcome.as_str(), shown.exit_code), ("sleeping", Exit::Waiting.code()));
        assert_eq!((shown.url.as_deref(), shown.data), (Some("https://pr-1.example.com"), Some(json)));
        assert!(shown.text.contains(": Sleeping") && !shown.text.contains("Unknown"), "{}", shown.text);
    }

    #[test]
    fn status_of_newer_production_is_shown_as_it_came() {
        let json = newer(ProductionStatus::least());
        let status = Seen::<ProductionStatus>::read(json.clone()).unwrap();
        assert!(production::observe::line(Some(&status)).contains("Sleeping"));
        let shown = production::output::from_status(&status).unwrap();
        assert_eq!((shown.outcome.as_str(), shown.exit_code), ("sleeping", Exit::Waiting.code()));
        assert_eq!(shown.data, Some(json));
    }

    #[test]
    fn answer_without_a_phase_is_no_status() {
        assert!(Seen::<Status>::read(json!({"app": "web"})).is_err());
        assert!(Seen::<Status>::read(json!("Live")).is_err());
    }
}

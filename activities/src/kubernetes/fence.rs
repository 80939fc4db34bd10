//! The fence of an environment. Each object carries the deploy id of the apply that wrote it last. A rollout with a lower
//! id changes nothing.
//!
//! The id is a label. As an annotation it would give a Deployment another generation at each apply, and the Deployment's
//! controller would copy it to the `ReplicaSet`s.

use std::collections::BTreeMap;

use serde_json::Value;

use berth_workflows::contract::{
    rollout_input::DEPLOY_ID_BOUND,
    verdict::{FailureType, Verdict},
};

use crate::{failure::Failure, kubernetes::labels};

type Labels = BTreeMap<String, String>;

/// The deploy id of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence(u64);

/// Returns the deploy id that an object carries. A value that no rollout can have counts as none.
pub(crate) fn deploy_id(labels: &Labels) -> Option<u64> {
    labels.get(labels::DEPLOY_ID)?.parse().ok().filter(|id| *id < DEPLOY_ID_BOUND)
}

impl Fence {
    pub(crate) fn new(deploy_id: u64) -> Self {
        Self(deploy_id)
    }

    /// Returns the deploy id, as the label has it.
    pub(crate) fn value(self) -> String {
        self.0.to_string()
    }

    /// Labels a document.
    pub(crate) fn stamp(self, document: &mut Value) {
        document["metadata"]["labels"][labels::DEPLOY_ID] = Value::from(self.value());
    }

    /// Returns whether this rollout wrote the object last.
    pub(crate) fn is_own(self, labels: &Labels) -> bool {
        deploy_id(labels) == Some(self.0)
    }

    /// Returns whether a newer rollout wrote the object last.
    pub(crate) fn is_behind(self, labels: &Labels) -> bool {
        deploy_id(labels).is_some_and(|id| id > self.0)
    }

    /// Checks objects, each with its name and labels.
    ///
    /// # Errors
    /// `Overtaken`, permanent, with the highest deploy id that was found.
    pub(crate) fn check<'a>(self, objects: impl IntoIterator<Item = (String, &'a Labels)>) -> Result<(), Failure> {
        self.overtaken(objects).map_or(Ok(()), |verdict| Err(verdict.into()))
    }

    /// Returns the verdict `Overtaken` if an object has a higher deploy id. It has the highest one.
    pub(crate) fn overtaken<'a>(self, objects: impl IntoIterator<Item = (String, &'a Labels)>) -> Option<Verdict> {
        let ids = objects.into_iter().filter_map(|(name, labels)| Some((deploy_id(labels)?, name)));
        let (id, name) = ids.max().filter(|(id, _)| *id > self.0)?;
        let message = format!("{name} carries the deploy id {id} of a newer rollout; this one has {}", self.0);
        let verdict = Verdict::new(FailureType::Overtaken, message);
        let verdict = verdict.advise("the newer rollout goes on; to repeat this one, push again");
        Some(Verdict { met_deploy_id: Some(id), ..verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrying(id: &str) -> Labels {
        [(labels::DEPLOY_ID.to_owned(), id.to_owned())].into()
    }

    #[test]
    fn only_a_higher_deploy_id_overtakes() {
        for id in ["41", "42", "", "x", "-43", "43.0", "1000000000", "18446744073709551616"] {
            assert!(Fence(42).check([("a".to_owned(), &carrying(id))]).is_ok(), "{id}");
            assert!(!Fence(42).is_behind(&carrying(id)), "{id}");
        }
        assert!(Fence(42).check([("a".to_owned(), &Labels::new())]).is_ok());
        assert!(Fence(42).is_behind(&carrying("43")));
    }

    #[test]
    fn verdict_has_the_highest_deploy_id_that_was_met() {
        let objects = ["43", "999999999", "50", "41"].map(carrying);
        let named = objects.iter().enumerate().map(|(n, labels)| (format!("ConfigMap/{n}"), labels));
        let Err(Failure::Permanent(verdict)) = Fence(42).check(named) else { panic!("should be overtaken") };
        assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(999_999_999)));
        assert!(verdict.message.starts_with("ConfigMap/1 carries"), "{}", verdict.message);
    }
}

//! What a push may bring besides its main image: further images, and variables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    App,
    names::{self, MAX_PUSHED_VALUE},
};
use crate::render::{EnvironmentKind, Finding, PushedImage, PushedNames, Variables, missing_names};

/// The most named images. A push has the same bound.
pub(super) const MAX_NAMED_IMAGES: usize = 8;
/// The most variables of a push. A push has the same bound.
pub(super) const MAX_PUSH_VARIABLES: usize = 16;

/// A variable whose value comes with each push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushVariable {
    /// A value as a push could bring it. `berth check` renders the manifests with it.
    #[schemars(length(max = MAX_PUSHED_VALUE), regex(pattern = names::pattern::PUSHED_VALUE))]
    pub example: String,
}

impl App {
    /// The names that the app leaves to pushes. None has a value yet.
    pub(super) fn pushed_names(&self) -> PushedNames {
        PushedNames::new(self.named_images.keys().cloned().collect(), self.push_variables.keys().cloned())
    }

    /// A finding for each name in the gates that a push has to bring, and that this one does not.
    pub fn check_gate_names(&self, kind: EnvironmentKind, variables: &Variables) -> Vec<Finding> {
        let file = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let gates = self.gates(kind).iter().enumerate();
        let found = gates.flat_map(|(index, gate)| {
            // A gate is texts and numbers, which always serialise. A variable's name needs no escape in JSON.
            let text = serde_json::to_string(gate).unwrap_or_default();
            let field = format!("{}.gates[{index}]", kind.as_str());
            missing_names(&text, variables).into_iter().map(move |message| (field.clone(), message))
        });
        found.map(|(field, message)| Finding::error(&*file, self.line_of(&field), message).field(&field)).collect()
    }

    /// An example of each named image, for `berth check`.
    pub fn example_images(&self) -> Vec<PushedImage> {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let images = self.named_images.iter();
        images.map(|(name, repository)| PushedImage::named(name, repository, None, &digest)).collect()
    }

    /// The example of each variable that a push brings, for `berth check`.
    pub fn example_variables(&self) -> impl Iterator<Item = (String, String)> {
        self.push_variables.iter().map(|(name, variable)| (name.clone(), variable.example.clone()))
    }
}

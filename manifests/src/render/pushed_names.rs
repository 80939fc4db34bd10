//! Names that a push of an app brings besides its main image: further images, and variables.

use std::collections::{BTreeMap, BTreeSet};

use super::pushed_image::{PushedImage, image_of_variable};

/// The names of an app file, and the values that the push has brought for its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushedNames {
    /// The names of `named_images`.
    images: BTreeSet<String>,
    /// The names of `push_variables`. A variable that the push has not brought has no value.
    variables: BTreeMap<String, Option<String>>,
}

impl PushedNames {
    /// The names of an app file, before a push.
    pub(crate) fn new(images: BTreeSet<String>, variables: impl IntoIterator<Item = String>) -> Self {
        Self { images, variables: variables.into_iter().map(|name| (name, None)).collect() }
    }

    /// Takes over the variables that a push has brought. A name that the app file does not have is left out.
    #[must_use]
    pub fn with_values(mut self, values: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in values {
            if let Some(variable) = self.variables.get_mut(&name) {
                *variable = Some(value);
            }
        }
        self
    }

    /// The variables that the push has brought.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// Whether a name is a variable of pushes.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The message about a name that the app file leaves to pushes, and that this push has not brought.
    pub(super) fn explain_missing(&self, name: &str, images: &[PushedImage]) -> Option<String> {
        if self.variables.get(name) == Some(&None) {
            return Some(format!(
                "the push does not bring the variable `{name}`: it needs `\"variables\": {{\"{name}\": \"…\"}}`, or `--set {name}=…`"
            ));
        }
        let image = image_of_variable(name).filter(|image| self.images.contains(*image))?;
        let is_brought = images.iter().any(|pushed| pushed.has_variable(name));
        (!is_brought).then(|| {
            format!(
                "`${name}` needs the image `{image}`, and the push does not bring it: it needs \
                 `\"images\": {{\"{image}\": \"repository@sha256:…\"}}`, or `--image {image}=…`"
            )
        })
    }
}

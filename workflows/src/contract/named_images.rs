//! Images that a push brings besides its main one, by their names in the app file's `named_images`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    image::Image,
    variable_name::{VARIABLE_NAME_PATTERN, VariableName},
};

/// The most images besides the main one. App files have the same bound.
pub const MAX_NAMED_IMAGES: usize = 8;
/// Bound on all names and references together. A release is in every status, and several times in a carried state; eight images
/// of a long registry's name with a tag have about 1,500 bytes.
const MAX_BYTES: usize = 2048;

/// Images by name: `WORKER` gives `$WORKER_IMAGE`, `$WORKER_TAG` and `$WORKER_DIGEST`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<VariableName, String>", into = "BTreeMap<VariableName, Image>")]
#[schemars(with = "BTreeMap<String, Image>")]
#[schemars(extend("maxProperties" = MAX_NAMED_IMAGES, "propertyNames" = {"pattern": VARIABLE_NAME_PATTERN}))]
pub struct NamedImages(BTreeMap<VariableName, Image>);

impl NamedImages {
    /// Images by name.
    ///
    /// # Errors
    /// There are too many, or they are too long together.
    pub fn new(images: BTreeMap<VariableName, Image>) -> Result<Self, String> {
        if images.len() > MAX_NAMED_IMAGES {
            return Err(format!("images: a push brings at most {MAX_NAMED_IMAGES} named images, got {}", images.len()));
        }
        let bytes: usize = images.iter().map(|(name, image)| name.as_str().len() + image.to_string().len()).sum();
        if bytes > MAX_BYTES {
            return Err(format!("images: the names and images have {bytes} bytes, the limit is {MAX_BYTES}"));
        }
        Ok(Self(images))
    }

    /// Each name with its image, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Image)> {
        self.0.iter().map(|(name, image)| (name.as_str(), image))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<VariableName, String>> for NamedImages {
    type Error = String;

    fn try_from(images: BTreeMap<VariableName, String>) -> Result<Self, String> {
        let images = images.into_iter().map(|(name, image)| {
            let image = Image::try_from(image).map_err(|why| format!("images: {name}: {why}"))?;
            Ok((name, image))
        });
        Self::new(images.collect::<Result<_, String>>()?)
    }
}

impl From<NamedImages> for BTreeMap<VariableName, Image> {
    fn from(images: NamedImages) -> Self {
        images.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn image(repository: &str) -> String {
        format!("{repository}@sha256:{}", "a".repeat(64))
    }

    fn decode(json: Value) -> Result<NamedImages, String> {
        serde_json::from_value(json).map_err(|why| why.to_string())
    }

    #[test]
    fn images_decode_by_name_and_digest() {
        let images = decode(json!({"WORKER": image("acme/worker"), "API": image("acme/api:v1")})).unwrap();
        let names: Vec<_> = images.iter().map(|(name, image)| (name, image.repository.as_str())).collect();
        assert_eq!(names, [("API", "acme/api"), ("WORKER", "acme/worker")]);
    }

    #[test]
    fn images_are_refused_beyond_each_bound() {
        let many = |count: usize, repository: &str| {
            Value::from_iter((0..count).map(|number| (format!("N{number}"), Value::from(image(repository)))))
        };
        assert!(decode(many(MAX_NAMED_IMAGES, "acme/web")).is_ok());
        for (json, expected) in [
            (many(MAX_NAMED_IMAGES + 1, "acme/web"), "at most 8 named images, got 9"),
            (many(MAX_NAMED_IMAGES, &"a".repeat(300)), "the limit is 2048"),
            (json!({"WORKER": "acme/worker:latest"}), "images: WORKER: image \"acme/worker:latest\" has no digest"),
            (json!({"worker": image("acme/worker")}), "capital letters"),
            (json!([image("acme/worker")]), "invalid type"),
        ] {
            let refused = decode(json).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}

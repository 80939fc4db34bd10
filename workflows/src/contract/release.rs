//! A release: the images and variables of one commit. Its parts are checked as they are decoded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{image::quoted, named_images::NamedImages, push_variables::PushVariables};

pub use crate::contract::image::Image;

/// Longest name of a person or a branch. Git and GitHub allow no longer ones either.
const MAX_NAME_BYTES: usize = 255;

/// A commit's hash: 7 to 64 hexadecimal digits in lower case, which are safe in a label, a file name and a line of text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-fA-F]{7,64}$"))]
pub struct Commit(String);

impl Commit {
    /// The first seven digits, as people write a commit.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// Whether one of the two is the start of the other. People and some CI systems shorten a commit.
    pub fn matches(&self, other: &str) -> bool {
        let (short, long) = if other.len() < self.0.len() { (other, self.as_str()) } else { (self.as_str(), other) };
        long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Commit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("commit must be 7 to 64 hexadecimal digits, got {}", quoted(&text)))
        }
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an author or a branch: at most 255 bytes, without control characters. It is a claim, not a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("maxLength" = MAX_NAME_BYTES, "pattern" = r"^[^\u0000-\u001f\u007f-\u009f]*$"))]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_NAME_BYTES {
            Err(format!("{} is longer than {MAX_NAME_BYTES} bytes", quoted(&text)))
        } else if !text.chars().all(is_harmless) {
            Err(format!("{} has control characters", quoted(&text)))
        } else {
            Ok(Self(text))
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Whether a character is safe to show. Control characters steer terminals; those that break or reorder lines make a
/// text read as something else.
pub(crate) fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An immutable version of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    pub commit: Commit,
    pub image: Image,
    /// Further images, by their names in the app file.
    #[serde(default, skip_serializing_if = "NamedImages::is_empty")]
    pub images: NamedImages,
    /// The push's own variables.
    #[serde(default, skip_serializing_if = "PushVariables::is_empty")]
    pub variables: PushVariables,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Name>,
    /// Its number in production, from 1, in the order of arrival. Previews do not number releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Whether `berth hooks` has signed for commit, images, variables and author. If not, they are claims.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proved: bool,
}

impl Release {
    /// A release of that commit with one image.
    pub fn new(commit: Commit, image: Image) -> Self {
        Self {
            commit,
            image,
            images: NamedImages::default(),
            variables: PushVariables::default(),
            author: None,
            branch: None,
            number: None,
            proved: false,
        }
    }

    /// Commit, images and variables alone: the version, whoever has pushed it.
    #[must_use]
    pub fn version(&self) -> Self {
        let (images, variables) = (self.images.clone(), self.variables.clone());
        Self { images, variables, ..Self::new(self.commit.clone(), self.image.clone()) }
    }

    /// Whether commit, all images and all variables are the same. Author, branch and number do not count.
    pub fn is_same_version(&self, other: &Self) -> bool {
        self.commit == other.commit
            && self.image == other.image
            && self.images == other.images
            && self.variables == other.variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_matches_its_start_in_both_directions() {
        let commit = |text: &str| Commit::try_from(text.to_owned()).unwrap();
        assert!(commit("4f2a9c1").matches("4F2A9C1d00") && commit("4f2a9c1d00").matches("4f2a9c1"));
        assert!(!commit("4f2a9c1d00").matches("4f2a9c1d01") && !commit("4f2a9c1").matches("4f2a9c2"));
    }

    #[test]
    fn commit_is_accepted_from_7_to_64_hexadecimal_digits_only() {
        for good in ["1234567", &"a".repeat(40), &"F".repeat(64)] {
            assert!(Commit::try_from(good.to_owned()).is_ok(), "{good} should be read");
        }
        for bad in ["", "123456", "12345678; rm -rf /", "g234567", &"a".repeat(65)] {
            assert!(Commit::try_from(bad.to_owned()).is_err(), "{bad} should be refused");
        }
    }

    #[test]
    fn name_is_refused_over_255_bytes_with_a_short_error() {
        let error = Name::try_from("b".repeat(300)).unwrap_err();
        assert!(error.contains("longer than 255 bytes") && error.len() < 120, "{error}");
    }

    #[test]
    fn version_is_the_same_only_with_all_images_and_variables() {
        let release = |changes: serde_json::Value| {
            let image = |name: &str| format!("acme/{name}@sha256:{}", "a".repeat(64));
            let mut json = serde_json::json!({
                "commit": "4f2a9c1", "image": image("web"), "images": {"WORKER": image("worker")}, "variables": {"FLAGS": "a"},
            });
            json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            serde_json::from_value::<Release>(json).unwrap()
        };
        let other = format!("acme/worker@sha256:{}", "b".repeat(64));
        let same = release(serde_json::json!({"author": "octocat", "branch": "main", "number": 7, "proved": true}));
        assert!(same.is_same_version(&release(serde_json::json!({}))));
        for changed in [
            serde_json::json!({"commit": "4f2a9c2"}),
            serde_json::json!({"image": other}),
            serde_json::json!({"images": {"WORKER": other}}),
            serde_json::json!({"images": {}}),
            serde_json::json!({"variables": {"FLAGS": "b"}}),
            serde_json::json!({"variables": {}}),
        ] {
            assert!(!same.is_same_version(&release(changed.clone())), "{changed}");
        }
    }

    #[test]
    fn release_of_one_image_is_written_as_by_older_versions() {
        let image = format!("acme/web@sha256:{}", "a".repeat(64));
        let json = serde_json::json!({"commit": "4f2a9c1", "image": image});
        assert_eq!(serde_json::to_value(serde_json::from_value::<Release>(json.clone()).unwrap()).unwrap(), json);
    }
}
